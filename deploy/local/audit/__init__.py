"""The audit behind `attain verify`: `run` is the whole, `sources` what it reads, each other module a part of what it compares."""
