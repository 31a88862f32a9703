"""The files that people bring, each form read in a module of its own, and what writes files; nothing here asks the services."""
