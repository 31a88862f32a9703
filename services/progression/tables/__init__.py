"""The schema and every statement of the progression service."""

from services.progression.tables.schema import metadata

__all__ = ["metadata"]
