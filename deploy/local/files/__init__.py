"""The files that people bring, each form read in a module of its own; nothing here asks the services."""
