"""Answers about learners; each from one snapshot of the read models."""

import datetime
from collections import ChainMap
from collections.abc import Iterable
from typing import Any

import msgspec

from services.reporting.domain.as_of import Event, states_at
from services.reporting.domain.continuum import framework_of, remaining_of
from services.reporting.domain.growth import Growth, growth
from services.reporting.domain.needs import Stands
from services.reporting.domain.record import Record, learner_record, titled
from services.reporting.domain.timeline import Happened, Row, events_of
from services.reporting.handlers.access import (
    AccessLog,
    asked_of_learner,
    check_class,
    check_learner,
    check_tenant,
    permitted_learner,
)
from services.reporting.handlers.curricula import Curricula
from services.reporting.handlers.review_requests import stated
from services.reporting.tables import happened
from services.reporting.tables.at_once import AtOnce
from services.reporting.tables.reads import Snapshot, snapshot
from services.reporting.tables.rights import accesses
from shared.auth import Identity
from shared.calendars import Calendars
from shared.contracts.internal_events import MasteryUpdated
from shared.cursors import Page, read_cursor, write_cursor
from shared.database import Database
from shared.errors import InvalidEvent
from shared.events import Position, utc
from shared.permissions import PERMISSIONS, RESTRICTED
from shared.settings import Settings
from shared.shards import shard_of

LATEST = ("~", "~", 2**62)
"""Sorts behind every (decided at, learner, position)."""
_decode_state = msgspec.json.Decoder(MasteryUpdated).decode


class Reader:
    """Answers about one learner, and on what happened to several."""

    def __init__(
        self, database: Database, settings: Settings, at_once: AtOnce, curricula: Curricula, calendars: Calendars,
        log: AccessLog,
    ) -> None:  # fmt: skip
        self._database = database
        self._calendars = calendars
        self._at_once = at_once
        self._curricula = curricula
        self._settings = settings
        self._log = log

    async def record(self, caller: Identity, learner: str, as_of: datetime.datetime | None = None) -> Record:
        """
        Return the record of a learner, now or as of an instant; see `domain.as_of` for what is known of the past.

        What is stated beside it is told with either as it is stated now.

        Raises:
            NotFound, Forbidden: of the learner.
            InvalidEvent: the instant is yet to come.
        """
        if as_of is not None:
            return await self._record_of_then(caller, learner, as_of)
        tenant, shard = caller.tenant, shard_of(caller.tenant, learner, self._settings.shards)
        found = await self._at_once.record(tenant, caller.today, asked_of_learner(caller), learner, shard)
        role = permitted_learner(caller, learner, "record", known=found.known, found=found.roles)
        await self._log.note(caller, role, "record", learner, [learner])
        states = [_decode_state(data) for data in found.states]
        curriculum = await self._curricula.at(self._database, tenant, found.frameworks, _frameworks_of(states))
        titles = {}
        named = {state.competency for state in states} | {each.competency for each in found.statements}
        if retired := named - curriculum.titles.keys():
            async with snapshot(self._database) as view:
                titles = await view.titles(tenant, retired)
        position = str(Position("progression", found.head.generation, shard, found.head.pos))
        return learner_record(
            learner, states, curriculum.standards, curriculum.prerequisites, position=position, titles=titles,
            stale=found.stale, statements=titled(found.statements, ChainMap(titles, curriculum.titles)),
        )  # fmt: skip

    async def _record_of_then(self, caller: Identity, learner: str, as_of: datetime.datetime) -> Record:
        tenant, shard = caller.tenant, shard_of(caller.tenant, learner, self._settings.shards)
        if as_of > datetime.datetime.now(datetime.UTC):
            raise InvalidEvent("as_of is an instant that is yet to come", pointer="/as_of")
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "record")
            rows = await happened.told_by(view, tenant, learner, utc(as_of))
            states = states_at(learner, (Event(*row) for row in rows))
            curriculum = await self._curricula.of(view, tenant, _frameworks_of(states))
            statements = await stated(view, tenant, learner)
            retired = {state.competency for state in states} - curriculum.titles.keys()
            titles = await view.titles(tenant, retired) if retired else {}
            head, stale = await view.freshness(shard, tenant, learner)
        await self._log.note(caller, role, "record", learner, [learner])
        position = str(Position("advancement", head.generation, shard, head.pos))
        return learner_record(
            learner, states, curriculum.standards, curriculum.prerequisites, position=position, titles=titles,
            stale=stale, statements=statements,
        )  # fmt: skip

    async def growth(self, caller: Identity, learner: str) -> Growth:
        """Return how a learner's record grew; the projection is for staff only. Raises `NotFound` or `Forbidden`."""
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "growth")
            rows = await view.statuses(caller.tenant, [learner])
            frameworks = {framework_of(row["competency"]) for row in rows}
            standards, prerequisites, _ = await self._curricula.of(view, caller.tenant, frameworks)
        await self._log.note(caller, role, "growth", learner, [learner])
        held = {row["competency"]: Stands(row["status"], row["mastered_at"]) for row in rows}
        shown_at = [at for _, at in held.values() if at is not None]
        found = growth(shown_at, remaining_of(standards, held, prerequisites), await self._calendars.of(caller.tenant))
        return found if "projection" in PERMISSIONS[role] else msgspec.structs.replace(found, projection=None)

    async def timeline(self, caller: Identity, learner: str, after: str, limit: int) -> Page[Happened]:
        """Return a page of what happened to a learner, the latest first; raises `NotFound` or `Forbidden`."""
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "timeline")
            page = await happened_page(view, caller.tenant, [learner], None, after, self._limit(limit))
        await self._log.note(caller, role, "timeline", learner, [learner])
        return page

    async def happened(
        self, caller: Identity, *, class_id: str | None, kinds: list[str] | None, after: str, limit: int
    ) -> Page[Happened]:
        """Return a page of what happened in a class, or in the tenant; raises `NotFound` or `Forbidden`."""
        async with snapshot(self._database) as view:
            if class_id is None:
                learners, role = None, check_tenant(caller, "timeline")
            else:
                _, role = await check_class(view, caller, class_id, "timeline")
                learners = await view.class_learners(caller.tenant, class_id)
            page = await happened_page(view, caller.tenant, learners, kinds, after, self._limit(limit))
        seen = sorted({item.learner for item in page.items})
        await self._log.note(caller, role, "timeline", class_id or caller.tenant, seen)
        return page

    async def accesses(self, caller: Identity, learner: str | None, after: str, limit: int) -> Page[dict[str, Any]]:
        """
        Return a page of who looked at a learner, or with None at anything, the latest first.

        For the learner; and for `admin`, who gives people what is held of them.
        """
        before = (read_cursor(after, tuple[int]) or (2**62,))[0]
        async with snapshot(self._database) as view:
            if learner is None:
                check_tenant(caller, "access_log")
            elif "admin" not in caller.scopes:
                await check_learner(view, caller, learner, "own_access_log")
        async with self._database.connection() as connection:
            rows = await accesses(connection, caller.tenant, learner, before, self._limit(limit) + 1)
        items = [dict(row) | {"at": utc(row["at"])} for row in rows[: self._limit(limit)]]
        if learner is not None:
            # That somebody looked at it would say that there is something.
            as_record = {"view": "record", "target": learner}
            items = [item | as_record if item["view"] in RESTRICTED else item for item in items]
        return Page(items, write_cursor(items[-1]["id"]) if len(rows) > len(items) else None)

    def _limit(self, asked: int) -> int:
        return min(asked, self._settings.page_rows_max)


def _frameworks_of(states: Iterable[MasteryUpdated]) -> set[str] | None:
    """Return the frameworks of a record; where nothing is known of a learner yet, every one may be the first: None."""
    return {state.framework for state in states} or None


async def happened_page(
    view: Snapshot, tenant: str, learners: list[str] | None, kinds: list[str] | None, after: str, limit: int
) -> Page[Happened]:
    """Return a page of what happened to some learners, or with None to all of the tenant."""
    before = read_cursor(after, tuple[str, str, int]) or LATEST
    found = await happened.happened(view, tenant, learners=learners, kinds=kinds, before=before, limit=limit + 1)
    rows = [Row(*row) for row in found[:limit]]
    titles = await view.titles(tenant, {row.scope for row in rows if row.scope_kind == "competency"})
    last = rows[-1] if len(found) > limit else None
    return Page(events_of(rows, titles), write_cursor(last.decided_at, last.learner, last.position) if last else None)
