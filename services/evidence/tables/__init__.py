"""The schema and every statement of the evidence service."""

from services.evidence.tables.schema import metadata

__all__ = ["metadata"]
