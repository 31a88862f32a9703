"""Every way in: the HTTP routes of reporting, its pages, and its subscriptions."""

from services.reporting.entrypoints import (
    analyses,
    audit,
    classes,
    correcting,
    credentials,
    deciding,
    districts,
    doing,
    exports,
    launching,
    live,
    operations,
    pages,
    people,
    positions,
    records,
    review_requests,
    signing_in,
    terms,
)

__all__ = ["ROUTERS"]

_WAYS = (
    records, review_requests, credentials, classes, districts, analyses, terms, exports, people, audit, live, operations,
    positions, deciding, correcting, signing_in, launching, doing, pages,
)  # fmt: skip
ROUTERS = tuple(each.router for each in _WAYS)
"""In the order in which paths are tried: what is done in a class comes before the class, whose id may have slashes."""
