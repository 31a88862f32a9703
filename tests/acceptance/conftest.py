"""Acceptance on the session's stack, as a district sees it."""

from tests.system.conftest import attain, stack

__all__ = ["attain", "stack"]
