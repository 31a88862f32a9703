"""
Whose rows a task may reach: one tenant's while it serves a request of that tenant, all in what the service does itself.

And of whom its log entries are, which is also known where it may reach all.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_tenant: ContextVar[str | None] = ContextVar("tenant", default=None)
_logged: ContextVar[str | None] = ContextVar("logged", default=None)


def current_tenant() -> str | None:
    """Return the tenant that this task is bound to; None where it may reach all."""
    return _tenant.get()


def logged_tenant() -> str | None:
    """Return the tenant that this task's log entries are of; None where they are of none or of all."""
    return _logged.get()


def bind(tenant: str) -> None:
    """Bind this task, and those that it starts, to a tenant: from now on the database shows them no other."""
    _tenant.set(tenant)
    log_as_of(tenant)


def log_as_of(tenant: str) -> None:
    """Name a tenant in the log entries of this task, and of those that it starts, whatever they may reach."""
    _logged.set(tenant)


@contextlib.contextmanager
def bound_to(tenant: str | None) -> Iterator[None]:
    """Bind the task to a tenant, or to none for what concerns all of them, until the end of the block."""
    reached, logged = _tenant.set(tenant), _logged.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(reached)
        _logged.reset(logged)
