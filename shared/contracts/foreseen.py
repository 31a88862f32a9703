"""What a correction would change, as progression answers it and reporting passes it on."""

from typing import Any

import msgspec

from shared.contracts.internal_events import Status


class StatusChange(msgspec.Struct):
    """A competency whose status would be another."""

    competency: str
    before: Status
    after: Status


class EventForeseen(msgspec.Struct):
    """A public event that would be told: its type, and of its data whom or what it is of, and why."""

    type: str
    scope: dict[str, Any]
    reason: dict[str, Any]
