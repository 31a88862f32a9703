"""The commands of `attain`, a module each (or a few that belong together), and what they share."""
