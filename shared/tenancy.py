"""Whose rows a task may reach: one tenant's while it serves a request of that tenant, all in what the service does itself."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_tenant: ContextVar[str | None] = ContextVar("tenant", default=None)


def current_tenant() -> str | None:
    """Return the tenant that this task is bound to; None where it may reach all."""
    return _tenant.get()


def bind(tenant: str) -> None:
    """Bind this task, and those that it starts, to a tenant: from now on the database shows them no other."""
    _tenant.set(tenant)


@contextlib.contextmanager
def bound_to(tenant: str | None) -> Iterator[None]:
    """Bind the task to a tenant, or to none for what concerns all of them, until the end of the block."""
    token = _tenant.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(token)
