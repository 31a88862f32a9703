"""Which parameters a query may have: those that its route declares, in every service."""

from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from shared.errors import InvalidEvent

ROUTES = "/v1/"
"""Where it holds: addresses that a standard or a browser makes may have more."""
_PARAMETERS: dict[Callable[..., Any], set[str]] = {}
"""By endpoint, found with its first query."""


def refuse_unknown(request: Request) -> None:
    """
    Refuse a parameter that is mistyped: passed over, a filter would show more than was asked for, a cursor the first page again.

    It is for callers who are known: others are told that first.

    Raises:
        InvalidEvent: with the parameter as pointer.
    """
    if not request.scope["query_string"] or not request.scope["path"].startswith(ROUTES):
        return
    known = _known_parameters(request.scope["route"])
    unknown = sorted(request.query_params.keys() - known)
    if unknown:
        there = f"there are {', '.join(sorted(known))}" if known else "there are none here"
        raise InvalidEvent(f"no parameter {unknown[0][:60]!r}; {there}", pointer=f"/{unknown[0][:60]}")


def _known_parameters(route: APIRoute) -> set[str]:
    known = _PARAMETERS.get(route.endpoint)
    if known is None:
        known = _PARAMETERS[route.endpoint] = _parameters(route.dependant)
    return known


def _parameters(dependant: Dependant) -> set[str]:
    """Return the query parameters of a route and of what it depends on."""
    own = {field.alias for field in dependant.query_params}
    return own.union(*(_parameters(each) for each in dependant.dependencies))
