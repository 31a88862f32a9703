"""The commands of `attain`, a module each (or a few that belong together); what they share is in `client` and `files`."""
