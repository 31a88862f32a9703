"""
Answers to reads: what the caller may see, from one snapshot of the read models.

`records:read` sees the tenant, `records:read:classes` the classes that the roster lists the caller as active staff of,
and the learners in them, `records:read:self` one learner. What is not in the tenant is not found, whoever asks.
"""

import asyncio
import base64
import binascii
from typing import Any

import msgspec

from services.reporting.domain.continuum import Record, Standard, learner_record
from services.reporting.domain.counting import ClassMastery, Count, DistrictMastery, class_mastery, district_mastery
from services.reporting.tables.reads import Snapshot, snapshot
from shared.auth import Identity
from shared.contracts import MasteryUpdated
from shared.database import Database
from shared.errors import Forbidden, Gone, InvalidEvent, NotFound
from shared.event_log import Head
from shared.events import Position
from shared.settings import Settings
from shared.shards import shard_of

READ_SCOPES = TENANT, CLASSES, SELF = "records:read", "records:read:classes", "records:read:self"
MODEL_OF_LOG = {"progression": "mastery", "curriculum": "curriculum", "roster": "roster"}
_decode_state = msgspec.json.Decoder(MasteryUpdated).decode


class StateRow(msgspec.Struct, frozen=True):
    """A row of the mastery read model, for the audit."""

    tenant: str
    learner: str
    competency: str
    status: str
    score: float | None
    evidence_count: int
    last_evidence_at: str | None
    mastered_at: str | None
    seq: int


class Reader:
    """Answers the read routes."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def record(self, caller: Identity, learner: str) -> Record:
        """Return the record of a learner; raises `NotFound` or `Forbidden`."""
        tenant, shard = caller.tenant, shard_of(caller.tenant, learner, self._settings.shards)
        async with snapshot(self._database) as view:
            await _check_learner(view, caller, learner)
            states = [_decode_state(data) for data in await view.states(tenant, learner)]
            # Where nothing is known of a learner yet, every framework may be the one to start with.
            frameworks = sorted({state.framework for state in states}) or None
            standards = [Standard(*row) for row in await view.competencies(tenant, frameworks)]
            prerequisites: dict[str, list[str]] = {}
            for framework, origin, destination in await view.prerequisites(tenant, frameworks):
                prerequisites.setdefault(f"{framework}:{destination}", []).append(f"{framework}:{origin}")
            present = {standard.competency for standard in standards}
            titles = await view.titles(tenant, [s.competency for s in states if s.competency not in present])
            head = await view.position("mastery", shard)
            stale = await view.is_stale(tenant, learner)
        position = str(Position("progression", head.generation, shard, head.pos))
        return learner_record(learner, states, standards, prerequisites, position=position, titles=titles, stale=stale)

    async def classes(self, caller: Identity) -> list[dict[str, Any]]:
        """Return the classes that the caller may see."""
        caller.require(*READ_SCOPES)
        if not caller.scopes & {TENANT, CLASSES}:
            return []
        async with snapshot(self._database) as view:
            staff = None if TENANT in caller.scopes else caller.subject
            return [dict(row) for row in await view.classes(caller.tenant, staff)]

    async def class_mastery(self, caller: Identity, class_id: str) -> ClassMastery:
        """Return the grid and counts of a class; raises `NotFound` or `Forbidden`."""
        tenant = caller.tenant
        async with snapshot(self._database) as view:
            title = await _check_class(view, caller, class_id)
            learners = await view.class_learners(tenant, class_id)
            states = await view.statuses(tenant, learners)
            competencies = {row["competency"] for row in states}
            frameworks = {competency.partition(":")[0] for competency in competencies}
            order = [Standard(*row).competency for row in await view.competencies(tenant, frameworks)]
            titles = await view.titles(tenant, competencies)
        statuses = [(row["learner"], row["competency"], row["status"]) for row in states]
        return class_mastery(class_id, title, learners, statuses, order=order, titles=titles)

    async def districts(self, caller: Identity) -> list[dict[str, Any]]:
        """Return the districts of the tenant."""
        caller.require(TENANT)
        async with snapshot(self._database) as view:
            return [dict(row) for row in await view.districts(caller.tenant)]

    async def district_mastery(self, caller: Identity, district: str) -> DistrictMastery:
        """Return the counts of a district with small numbers suppressed; raises `NotFound` or `Forbidden`."""
        caller.require(TENANT)
        tenant = caller.tenant
        async with snapshot(self._database) as view:
            title = {row["district"]: row["title"] for row in await view.districts(tenant)}.get(district)
            if title is None:
                raise NotFound(f"no district {district[:100]!r}")
            schools = [(row["school"], row["title"]) for row in await view.district_schools(tenant, district)]
            ids = [school for school, _ in schools]
            sizes = {row["school"]: row["learners"] for row in await view.school_sizes(tenant, ids)}
            counts = [Count(*row) for row in await view.school_counts(tenant, ids)]
            titles = await view.titles(tenant, {count.competency for count in counts})
        # A large district takes a while to protect; other requests go on meanwhile.
        return await asyncio.to_thread(
            district_mastery, district, title, schools, sizes=sizes, counts=counts, titles=titles
        )

    async def states(self, caller: Identity, tenant: str | None, after: str, limit: int) -> tuple[list[StateRow], str]:
        """Return a page of all states in key order, and the cursor behind it; an empty page is the end."""
        caller.require("service")
        limit = min(limit, self._settings.page_rows_max)
        async with snapshot(self._database) as view:
            rows = [StateRow(*row) for row in await view.all_states(tenant, _parse_cursor(after), limit)]
        return rows, _cursor(rows[-1]) if rows else after

    async def reached(self, position: Position) -> bool:
        """
        Return whether the read models show what a position token stands for.

        Raises:
            InvalidEvent: no read model follows from that log, or the shard does not exist.
            Gone: the token is of an earlier generation.
        """
        if not 0 <= position.shard < self._settings.shards:
            raise InvalidEvent(f"shard {position.shard} is not in 0..{self._settings.shards - 1}", pointer="/wait")
        async with snapshot(self._database) as view:
            head = await _head(view, position)
        if head.generation > position.generation:
            raise Gone(f"the position is of generation {position.generation}, the log is in {head.generation}")
        return head.generation == position.generation and head.pos >= position.pos


async def _head(view: Snapshot, position: Position) -> Head:
    if position.log == "evidence":
        return await view.evidence_position(position.shard)
    model = MODEL_OF_LOG.get(position.log)
    if model is None:
        raise InvalidEvent(f"no read model follows from log {position.log[:60]!r}", pointer="/wait")
    return await view.position(model, position.shard)


async def _check_learner(view: Snapshot, caller: Identity, learner: str) -> None:
    caller.require(*READ_SCOPES)
    if not await view.learner_exists(caller.tenant, learner):
        raise NotFound(f"no learner {learner[:100]!r}")
    if TENANT in caller.scopes or (SELF in caller.scopes and caller.learner == learner):
        return
    if CLASSES in caller.scopes and await view.staff_sees_learner(caller.tenant, caller.subject, learner):
        return
    raise Forbidden(
        "this learner is not in a class of yours" if CLASSES in caller.scopes else "this is not your record"
    )


async def _check_class(view: Snapshot, caller: Identity, class_id: str) -> str:
    """Return the title of a class that the caller may see."""
    caller.require(*READ_SCOPES)
    found = await view.class_of(caller.tenant, class_id)
    if found is None:
        raise NotFound(f"no class {class_id[:100]!r}")
    if TENANT not in caller.scopes:
        mine = CLASSES in caller.scopes and await view.staff_sees_class(caller.tenant, caller.subject, class_id)
        if not mine:
            raise Forbidden("the roster does not list you as active staff of this class")
    return str(found["title"])


def _cursor(row: StateRow) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((row.tenant, row.learner, row.competency))).decode()


def _parse_cursor(text: str) -> tuple[str, str, str]:
    if not text:
        return "", "", ""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=tuple[str, str, str])
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise InvalidEvent("the cursor is not one of Attain-Next", pointer="/after") from error
