"""What taking evidence back would do to a tenant, on what is recorded now."""

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec

from services.progression.domain.correction import LearnerRecord, foresee, foresee_arrival, selected_ids
from services.progression.domain.forecast import Forecast
from services.progression.domain.inputs import Key
from services.progression.domain.learner import LearnerState
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Rules
from services.progression.domain.selecting import Selection, rescored_id
from services.progression.domain.subscribing import Address
from services.progression.handlers.histories import Held, histories_of, learners_of, learners_with
from services.progression.handlers.memory import unpack_learner
from services.progression.handlers.references import References
from services.progression.handlers.rules import closed_terms_of, policies_of, rules_of
from services.progression.handlers.schools import school_in, schools_of
from services.progression.handlers.taking_back import taken_back
from services.progression.tables import key_states
from shared.database import Connection, Database
from shared.errors import InvalidEvent, NotFound
from shared.events import now
from shared.peer import Peer
from shared.settings import Settings

REFERENCES_PAGE = 1000
TIMEOUT_S = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class InForce:
    """What a tenant's learners are folded by, and the instant at which it is asked."""

    tenant: str
    rules: Rules
    policies: dict[str, Policy]
    at: str

    @classmethod
    async def of(cls, connection: Connection, tenant: str) -> "InForce":
        """Read what is in force now."""
        rules = await rules_of(connection, tenant, None)
        rules.closed += await closed_terms_of(connection, tenant)
        return cls(tenant, rules, await policies_of(connection, tenant), now())

    async def records(self, connection: Connection, held: Mapping[str, Held]) -> list[LearnerRecord]:
        """Return the records of learners, given all keys of each."""
        rows = await key_states.load_standings(connection, [(self.tenant, learner) for learner in held])
        older = await key_states.older_keys(connection, self.tenant, held, self.rules.no)
        rules_no: dict[str, dict[Key, int]] = {}
        for learner, competency, no in older:
            rules_no.setdefault(learner, {})[self.tenant, learner, competency] = no
        standings = {learner: unpack_learner(state) for _, learner, state in rows}
        return [
            LearnerRecord(
                (self.tenant, learner), {key: (state, history.evidence) for key, (state, history) in keys.items()},
                standings.get(learner, LearnerState()), self.rules, self.policies, self.at,
                rules_no.get(learner, {}),
            )
            for learner, keys in held.items()
        ]  # fmt: skip


class Beneath:
    """
    What lies beneath pieces that are to be taken back: those that they superseded, which would count again.

    Of the selected pieces those are taken back as well, and first, so that none comes back in between.
    """

    def __init__(self, settings: Settings, tenant: str, selection: Selection) -> None:
        self.superseded: dict[str, None] = {}
        """The source's ids of selected pieces that are superseded; a learner who was merged has them once more."""
        self._settings = settings
        self._tenant = tenant
        self._selection = selection

    async def look(self, records: list[LearnerRecord]) -> list[LearnerRecord]:
        """
        Return records with what counts again in each.

        Raises:
            Unavailable: the service that decides what counts does not answer.
        """
        if self._selection.scores is not None or self._selection.to:
            # What supersedes a piece covers all that lies beneath it.
            return records
        ids = [selected_ids(record, self._selection) for record in records]
        asked = [*(id for hidden, _ in ids for id in hidden), *(id for _, counting in ids for id in counting)]
        async with Peer(self._settings.evidence_url, self._settings, timeout_s=TIMEOUT_S) as evidence:
            taken = await taken_back(evidence, self._tenant, self._selection.source, asked)
        self.superseded |= {id: None for id, each in taken.items() if each.standing == "superseded"}
        again = {id: each.uncovers for id, each in taken.items() if each.uncovers is not None}
        return [
            dataclasses.replace(
                record,
                uncovered={id: one.touched for id, one in again.items() if one.learner == record.learner[1]},
            )
            for record in records
        ]


async def forecast(
    database: Database, references: References, settings: Settings, tenant: str, selection: Selection, *, small: int
) -> dict[str, Any]:
    """
    Return the report of `Forecast`; `items`: what is to be taken back or superseded, in the order in which to do it, before
    it those that count no more and would again; and `withdrawn`: the learners' competencies that would go.

    An item is named by its source and id; with new scores also by its `evidence_id`, with the source's own id of the learner
    (`learner`), and the id (`as`) and `score` that it is to have.

    Raises:
        Unavailable: the service that keeps roster, identities and what counts does not answer.
        Refused: one of the learners cannot be folded.
    """
    schools = await schools_of(settings, tenant)
    async with database.instant() as connection:
        in_force = await InForce.of(connection, tenant)
    found, beneath = Forecast(), Beneath(settings, tenant, selection)

    def count(records: list[LearnerRecord]) -> None:
        for record in records:
            outcome = foresee(record, selection)
            if outcome is not None:
                found.add(outcome, school_in(schools, outcome.learner))

    # Whom none of the pieces is of need not be folded, and a piece or an activity is of few.
    named = selection.texts
    async for held in learners_with(database, tenant, named) if named else learners_of(database, tenant):
        concerned = {learner: keys for learner, keys in held.items() if _is_selected(keys, selection)}
        if concerned:
            async with database.connection() as connection:
                records = await in_force.records(connection, concerned)
            await asyncio.to_thread(count, await beneath.look(records))
    withdrawn = [{"learner": learner, "scope": scope} for learner, scope in found.taken]
    superseded = [{"source": selection.source, "id": id} for id in beneath.superseded]
    items = superseded + await _items(references, tenant, found, selection)
    return found.report(small) | {"items": items, "withdrawn": withdrawn}


def _is_selected(keys: Held, selection: Selection) -> bool:
    return any(
        piece is not None and selection.has(piece)
        for _, history in keys.values()
        for piece, _ in history.evidence.values()
    )


async def _items(references: References, tenant: str, found: Forecast, selection: Selection) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [{"source": piece.order[2], "id": piece.order[3]} for _, piece in found.pieces]
    if selection.scores is None:
        return items
    known: dict[str, Address] = {}
    learners = sorted({learner for learner, _ in found.pieces})
    for start in range(0, len(learners), REFERENCES_PAGE):
        known |= await references.of(tenant, selection.source, learners[start : start + REFERENCES_PAGE])
    for item, (learner, piece) in zip(items, found.pieces, strict=True):
        score, refs = selection.scores[item["id"]], known[learner].refs
        item |= {
            "evidence_id": piece.evidence_id, "learner": refs[0].id if refs else None,
            "as": rescored_id(item["source"], item["id"], score), "score": msgspec.to_builtins(score),
        }  # fmt: skip
    return items


async def forecast_of(
    database: Database, settings: Settings, tenant: str, learner: str, selection: Selection
) -> dict[str, Any]:
    """
    Return every status and event that would change for one learner; with `to` in the selection, as `to`, also for that one.

    Raises:
        NotFound: none of the learner's pieces that count is selected.
        InvalidEvent: the piece is that learner's already.
        Refused: the learner cannot be folded.
        Unavailable: the service that decides what counts does not answer.
    """
    if selection.to == learner:
        raise InvalidEvent("the piece is this learner's already", pointer="/to")
    concerned = [learner, *filter(None, [selection.to])]
    # What is folded meanwhile would be told as an effect of the correction.
    async with database.instant() as connection:
        in_force = await InForce.of(connection, tenant)
        held = {one: await histories_of(connection, tenant, one) for one in concerned}
        records = await in_force.records(connection, held)
    own, *others = await Beneath(settings, tenant, selection).look(records)
    outcome = await asyncio.to_thread(foresee, own, selection)
    if outcome is None:
        raise NotFound("the learner has no such evidence, or it is taken back already")
    if not others:
        return outcome.report()
    arrival = await asyncio.to_thread(foresee_arrival, others[0], outcome)
    return outcome.report() | {"to": arrival.report()}
