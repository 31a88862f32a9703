"""Load, decide, append: in batches, with the database and the clock, around the pure domain."""
