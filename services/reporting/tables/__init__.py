"""The schema of reporting and all of its SQL."""
