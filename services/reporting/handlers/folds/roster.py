"""The fold of the log `roster`: schools, classes, staff, enrolments, and what else people are to them."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from services.reporting.handlers.folds.base import Fold, decoded
from services.reporting.tables.writes import Unfolded, forget, forget_assigned, upsert
from shared.contracts.internal_events import IDENTITY_ERASED, IdentityErased
from shared.contracts.roster_events import (
    ROSTER_ASSIGNED_ANEW,
    ROSTER_ASSIGNMENT,
    ROSTER_CLASS,
    ROSTER_ENROLMENT,
    ROSTER_SCHOOL,
    ROSTER_STAFF,
    RosterAssignedAnew,
    RosterAssignment,
    RosterClass,
    RosterEnrolment,
    RosterSchool,
    RosterStaff,
)
from shared.database import Connection
from shared.handling import Settle, ShardBatch, Write

_ROSTER: dict[str, tuple[str, int, Callable[[msgspec.Raw], Any]]] = {
    ROSTER_SCHOOL: ("school", 2, msgspec.json.Decoder(RosterSchool).decode),
    ROSTER_CLASS: ("class", 2, msgspec.json.Decoder(RosterClass).decode),
    ROSTER_STAFF: ("staff", 3, msgspec.json.Decoder(RosterStaff).decode),
    ROSTER_ASSIGNMENT: ("assignment", 5, msgspec.json.Decoder(RosterAssignment).decode),
    ROSTER_ENROLMENT: ("enrolment", 3, msgspec.json.Decoder(RosterEnrolment).decode),
}
"""By event type: the table, how many leading columns are its key, and the decoder; members are in column order."""


_OTHERS: dict[str, Callable[[msgspec.Raw], Any]] = {
    IDENTITY_ERASED: msgspec.json.Decoder(IdentityErased).decode,
    ROSTER_ASSIGNED_ANEW: msgspec.json.Decoder(RosterAssignedAnew).decode,
}


class RosterFold(Fold):
    """
    Folds the log `roster`: schools, classes, staff and enrolments, each with its last word; who came and left when, and when a
    class came to a school.
    """

    model = "roster"
    edition = 3

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory."""
        rows: dict[str, dict[tuple[str, ...], tuple[Any, ...]]] = {}
        unfolded: list[Unfolded] = []
        erased: set[tuple[str, str]] = set()
        anew: dict[tuple[str, str], tuple[int, int]] = {}
        decoders = {type_: decode for type_, (_, _, decode) in _ROSTER.items()} | _OTHERS
        for event, data in decoded(batches, decoders, unfolded):
            if event.type == IDENTITY_ERASED:
                erased.add((event.tenant, event.subject))
                continue
            if event.type == ROSTER_ASSIGNED_ANEW:
                anew[event.tenant, event.subject] = (event.shard, event.position)
                assigned = rows.get("assignment", {})
                for key in [
                    key for key in assigned if key[3:] == ("learner", event.subject) and key[0] == event.tenant
                ]:
                    del assigned[key]
                continue
            table, key_length, _ = _ROSTER[event.type]
            row = (event.tenant, *msgspec.structs.astuple(data))
            rows.setdefault(table, {})[row[:key_length]] = row
            if isinstance(data, RosterEnrolment):
                change = (event.tenant, data.class_id, data.learner, event.time, data.active)
                rows.setdefault("enrolment_change", {})[change[:4]] = change
            elif isinstance(data, RosterClass):
                moved = (event.tenant, data.class_id, event.time, data.school)
                rows.setdefault("class_change", {})[moved[:3]] = moved

        async def write(connection: Connection) -> None:
            await forget_assigned(connection, self.version, anew)
            for table, by_key in rows.items():
                await upsert(connection, table, self.version, [by_key[key] for key in sorted(by_key)])
            await forget(connection, self.model, erased)
            await self._keep_aside(connection, unfolded)

        return write
