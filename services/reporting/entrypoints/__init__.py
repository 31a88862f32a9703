"""Every way in: the HTTP routes of reporting, its pages, and its subscriptions."""

from services.reporting.entrypoints import (
    audit,
    classes,
    credentials,
    districts,
    exports,
    live,
    operations,
    pages,
    people,
    positions,
    records,
)
from services.reporting.entrypoints.consuming import ModelConsumer, subscribe_model
from services.reporting.entrypoints.people import PEOPLE_TIMEOUT_S

__all__ = ["PEOPLE_TIMEOUT_S", "ROUTERS", "ModelConsumer", "subscribe_model"]

ROUTERS = tuple(
    each.router
    for each in (
        records, credentials, classes, districts, exports, people, audit, live, operations, positions, pages
    )
)  # fmt: skip
