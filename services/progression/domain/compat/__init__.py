"""Compat modes: what another product would say of the same evidence, to the last digit."""
