"""The schema of reporting and all of its SQL."""

from services.reporting.tables.schema import metadata

__all__ = ["metadata"]
