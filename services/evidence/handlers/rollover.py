"""The new school year: who was in a class that does not go on is in it no longer; and back."""

import datetime
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from services.evidence.domain.roster_facts import Fact, events
from services.evidence.tables import premises, rollovers, roster
from shared.contracts.roster_events import ROSTER_ENROLMENT, ROSTER_STAFF, RosterEnrolment, RosterStaff
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import NotFound, Refused
from shared.event_log import EventLog
from shared.events import encode_json, now, utc
from shared.shards import stable_id

_DATA: Mapping[str, type[RosterEnrolment] | type[RosterStaff]] = {
    ROSTER_ENROLMENT: RosterEnrolment, ROSTER_STAFF: RosterStaff
}  # fmt: skip


class Ended(msgspec.Struct):
    """What a rollover ends, or would: of how many enrolments and rights of staff, and in which classes."""

    session: str
    enrolments: int
    of_enrolments: int
    staff: int
    of_staff: int
    classes: int
    done: bool

    @property
    def share(self) -> float:
        """The share of the enrolments that end."""
        return self.enrolments / self.of_enrolments if self.of_enrolments else 0.0


class Rollovers:
    """Ends school years of tenants and undoes it."""

    def __init__(self, database: Database, log: EventLog) -> None:
        self._database = database
        self._log = log

    async def end(
        self, tenant: str, session: str, goes_on: Collection[str], *, share_max: float, by: str, dry_run: bool
    ) -> Ended:
        """
        End the enrolments and the rights of staff in all classes that do not go on; `session` names the year that begins.

        Raises:
            Refused: more than `share_max` of the enrolments would end (`large_change`), or the session has begun already.
        """
        async with self._database.transaction() as connection:
            await premises.hold(connection, [tenant], [])
            await roster.lock(connection, tenant)
            there = await rollovers.in_classes(connection, tenant)
            ending = [row for row in there if _class_of(row) not in goes_on]
            found = _counted(session, there, ending, done=not dry_run)
            if dry_run:
                return found
            if found.share > share_max:
                raise Refused(
                    f"{found.enrolments:,} of {found.of_enrolments:,} enrolments would end; allow it if that is meant",
                    reason="large_change", share=round(found.share, 4),
                )  # fmt: skip
            keys = [(row["kind"], row["key"]) for row in ending]
            if not await rollovers.add(connection, tenant, session, keys, by):
                raise Refused(f"session {session} has begun already", reason="session_has_begun")
            await self._set(connection, tenant, ending, f"{session} begins", active=False)
            reach("rollover.appended")
        return found

    async def undo(self, tenant: str, session: str) -> Ended:
        """
        Let what a session's begin ended go on again; what was imported since stays.

        Raises:
            NotFound: the session has not begun, or that is undone.
        """
        instant = datetime.datetime.now(datetime.UTC)
        async with self._database.transaction() as connection:
            await premises.hold(connection, [tenant], [])
            await roster.lock(connection, tenant)
            keys = await rollovers.undo(connection, tenant, session, instant)
            if keys is None:
                raise NotFound(f"session {session} has not begun")
            again = await rollovers.facts(connection, tenant, keys)
            await self._set(connection, tenant, again, f"{session} undone {utc(instant)}", active=True)
            reach("rollover.undone")
            return _counted(session, await rollovers.in_classes(connection, tenant), again, done=True)

    async def _set(self, connection: Connection, tenant: str, rows: Sequence[Any], why: str, *, active: bool) -> None:
        """Store whether facts hold and append the events of those that this changes."""
        said = [Fact(row["kind"], row["key"], row["subject"], _with_active(row, active)) for row in rows]
        news = await roster.upsert(connection, tenant, said)
        ids = [stable_id(tenant, why, fact.kind, fact.key) for fact in news]
        time = now()
        await self._log.append(connection, events(tenant, news, ids, time, self._log.shards))


def _class_of(row: Any) -> str:
    class_id: str = row["key"].partition("\x1f")[0]
    return class_id


def _with_active(row: Any, active: bool) -> bytes:
    told = msgspec.json.decode(row["data"], type=_DATA[row["kind"]])
    return encode_json(msgspec.structs.replace(told, active=active))


def _counted(session: str, there: Sequence[Any], ending: Sequence[Any], *, done: bool) -> Ended:
    of, ends = Counter(row["kind"] for row in there), Counter(row["kind"] for row in ending)
    classes = len({_class_of(row) for row in ending})
    return Ended(
        session, ends[ROSTER_ENROLMENT], of[ROSTER_ENROLMENT], ends[ROSTER_STAFF], of[ROSTER_STAFF], classes, done
    )
