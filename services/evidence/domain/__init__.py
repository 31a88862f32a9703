"""What evidence is, and what is decided about it: no I/O, no clock, no random ids."""
