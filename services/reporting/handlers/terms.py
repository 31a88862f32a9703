"""Answers about terms that are closed: what was on the record then, and what amends it; each from one snapshot."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from services.reporting.domain.amended import (
    LEVEL_EVENTS,
    Amendment,
    Cause,
    LevelTold,
    TermClass,
    TermLevel,
    TermRecord,
    levels_of,
)
from services.reporting.domain.counting import class_mastery
from services.reporting.domain.needs import level_title
from services.reporting.domain.record import learner_record
from services.reporting.handlers.access import READ_SCOPES, TENANT, AccessLog, check_class, check_learner
from services.reporting.handlers.curricula import Curricula, Curriculum
from services.reporting.handlers.review_requests import stated
from services.reporting.tables import terms
from services.reporting.tables.reads import Snapshot, snapshot
from shared.auth import Identity
from shared.contracts.internal_events import MasteryUpdated
from shared.database import Database
from shared.errors import NotFound, Unavailable
from shared.settings import Settings
from shared.shards import shard_of

_decode_state = msgspec.json.Decoder(MasteryUpdated).decode


class _Then(NamedTuple):
    """What a term ended with: when, every learner's states, what amends it, and the frameworks and titles of today."""

    closed_at: str
    states: dict[str, list[MasteryUpdated]]
    digests: dict[str, str]
    levels: dict[str, list[TermLevel]]
    amendments: list[Amendment]
    curriculum: Curriculum
    titles: dict[str, str]


class TermReader:
    """Answers about terms that are closed, to whom the live record would be shown."""

    def __init__(self, database: Database, settings: Settings, curricula: Curricula, log: AccessLog) -> None:
        self._database = database
        self._settings = settings
        self._curricula = curricula
        self._log = log

    async def terms(self, caller: Identity) -> list[dict[str, Any]]:
        """Return the tenant's terms, the latest first; `complete` once every part of the log has told the closing."""
        caller.require(*READ_SCOPES)
        async with snapshot(self._database) as view:
            rows = await terms.terms_of(view, caller.tenant)
        return [
            {"term": row["term"], "closed_at": row["closed_at"], "closed_by": row["closed_by"],
             "complete": row["parts"] == self._settings.shards}
            for row in rows
        ]  # fmt: skip

    async def record(self, caller: Identity, term: str, learner: str) -> TermRecord:
        """Return what a term ended with for a learner; raises `NotFound` or `Forbidden`."""
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "record")
            then = await self._then(view, caller.tenant, term, [learner])
            statements = await stated(view, caller.tenant, learner)
        await self._log.note(caller, role, "term", learner, [learner])
        shown = learner_record(
            learner, then.states[learner], then.curriculum.standards, then.curriculum.prerequisites, titles=then.titles
        )
        return TermRecord(
            term, then.closed_at, learner, then.digests.get(learner), shown.items, then.levels.get(learner, []),
            then.amendments, statements,
        )  # fmt: skip

    async def class_(self, caller: Identity, term: str, class_id: str) -> TermClass:
        """
        Return what a term ended with for the learners of a class; raises `NotFound` or `Forbidden`.

        Who may see the tenant sees those who were in the class too: with the school year a class ends, and its closed term not.
        """
        async with snapshot(self._database) as view:
            title, role = await check_class(view, caller, class_id)
            learners = await view.class_learners(caller.tenant, class_id, ever=TENANT in caller.scopes)
            then = await self._then(view, caller.tenant, term, learners)
        await self._log.note(caller, role, "term", class_id, learners)
        by_learner = {
            learner: {state.competency: state.status for state in states} for learner, states in then.states.items()
        }
        titles = then.curriculum.titles
        grid = class_mastery(class_id, title, by_learner, order=list(titles), titles=titles | then.titles)
        return TermClass(term, then.closed_at, grid, then.levels, then.amendments)

    async def _then(self, view: Snapshot, tenant: str, term: str, learners: Sequence[str]) -> _Then:
        """
        Return what a term ended with for learners.

        Raises:
            NotFound: the tenant has closed no such term.
            Unavailable: its closing is not told yet in every part of the log that these learners are in.
        """
        shards = {learner: shard_of(tenant, learner, self._settings.shards) for learner in learners}
        closed = await closed_at(view, tenant, term)
        states: dict[str, list[MasteryUpdated]] = {learner: [] for learner in learners}
        for row in await terms.records_of(view, tenant, term, list(shards.items())):
            states[row["learner"]].append(_decode_state(row["data"]))
        digests = {row["learner"]: row["digest"] for row in await terms.snapshots_of(view, tenant, term, learners)}
        # The states come by one log, the digests and levels by another.
        if not closed.keys() >= set(shards.values()) or any(
            learner not in digests for learner, of_learner in states.items() if of_learner
        ):
            raise being_closed()
        told = await terms.levels_told(view, tenant, term, learners, LEVEL_EVENTS)
        amended = await terms.amendments_of(view, tenant, term, learners)
        frameworks = {state.framework for each in states.values() for state in each} or None
        curriculum = await self._curricula.of(view, tenant, frameworks)
        named = {state.competency for each in states.values() for state in each} | {row["scope"] for row in amended}
        titles = await view.titles(tenant, named - curriculum.titles.keys())
        found = [_amendment(row, curriculum.titles | titles) for row in amended]
        levels = levels_of(LevelTold(*row) for row in told)
        return _Then(next(iter(closed.values())), states, digests, levels, found, curriculum, titles)


async def closed_at(view: Snapshot, tenant: str, term: str) -> dict[int, str]:
    """Return when a term was closed, by shard that has told it; raises `NotFound` where none has."""
    closed = {row["shard"]: row["closed_at"] for row in await terms.term_of(view, tenant, term)}
    if not closed:
        raise NotFound(f"no term {term[:80]!r} is closed")
    return closed


def being_closed() -> Unavailable:
    """Return the error that a closing is not told yet in every part of the log."""
    return Unavailable("the term is being closed; ask again")


def _amendment(row: Any, titles: Mapping[str, str]) -> Amendment:
    scope = row["scope"]
    return Amendment(
        row["id"], row["learner"], row["scope_kind"], scope, titles.get(scope) or level_title(scope) or row["title"],
        row["before"], row["after"], row["effective_at"], row["decided_at"], row["reason"],
        Cause(row["cause_kind"], row["cause"]), row["digest"],
    )  # fmt: skip
