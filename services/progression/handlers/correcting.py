"""What taking evidence back would do to a tenant, on what is recorded now."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from services.progression.domain.correction import Outcome, Selection, foresee, foresee_arrival, rescored_id
from services.progression.domain.forecast import Forecast
from services.progression.domain.inputs import Key, Learner, valid_pieces
from services.progression.domain.learner import LearnerState
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Rules
from services.progression.domain.states import KeyState
from services.progression.domain.subscribing import Address
from services.progression.handlers.histories import History, histories, histories_of
from services.progression.handlers.memory import unpack_learner
from services.progression.handlers.references import References
from services.progression.handlers.rules import policies_of, rules_of
from services.progression.handlers.schools import school_in, schools_of
from services.progression.tables import key_states
from shared.database import Database
from shared.errors import InvalidEvent, NotFound
from shared.settings import Settings

REFERENCES_PAGE = 1000
Held = dict[Key, tuple[KeyState, History]]


async def forecast(
    database: Database, references: References, settings: Settings, tenant: str, selection: Selection, *, small: int
) -> dict[str, Any]:
    """
    Return the report of `Forecast`; `items`: what is to be taken back or superseded, in the order in which to do it; and
    `withdrawn`: the learners' competencies that would go.

    An item is named by its source and id; with new scores also by its `evidence_id`, with the source's own id of the learner
    (`learner`), and the id (`as`) and `score` that it is to have.

    Raises:
        Unavailable: the service that keeps roster and identities does not answer.
    """
    schools = await schools_of(settings, tenant)
    async with database.connection() as connection:
        rules = await rules_of(connection, tenant, None)
        policies = await policies_of(connection, tenant)
    found = Forecast()
    held: dict[str, Held] = {}
    async for page in histories(database, tenant):
        for key, state, history in page:
            held.setdefault(key[1], {})[key] = (state, history)
        last = page[-1][0][1]
        # The last learner of a page may go on in the next.
        whole = {learner: keys for learner, keys in held.items() if learner != last}
        await _add(database, found, tenant, whole, rules, policies, schools, selection)
        held = {last: held[last]}
    await _add(database, found, tenant, held, rules, policies, schools, selection)
    withdrawn = [{"learner": learner, "scope": scope} for learner, scope in found.taken]
    return found.report(small) | {"items": await _items(references, tenant, found, selection), "withdrawn": withdrawn}


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


async def _add(
    database: Database, found: Forecast, tenant: str, held: dict[str, Held], rules: Rules,
    policies: dict[str, Policy], schools: dict[str, str], selection: Selection,
) -> None:  # fmt: skip
    affected = {
        learner: keys
        for learner, keys in held.items()
        if any(selection.has(piece) for _, history in keys.values() for piece in valid_pieces(history.evidence))
    }
    if not affected:
        return
    standings = await _standings(database, tenant, affected)

    def count() -> None:
        for learner, keys in affected.items():
            outcome = _foresee((tenant, learner), keys, standings, rules, policies, selection)
            if outcome is not None:
                found.add(outcome, school_in(schools, learner))

    await asyncio.to_thread(count)


async def forecast_of(database: Database, tenant: str, learner: str, selection: Selection) -> dict[str, Any]:
    """
    Return every status and event that would change for one learner; with `to` in the selection, as `to`, also for that one.

    Raises:
        NotFound: none of the learner's pieces that count is selected.
        InvalidEvent: the piece is that learner's already.
    """
    if selection.to == learner:
        raise InvalidEvent("the piece is this learner's already", pointer="/to")
    async with database.connection() as connection:
        rules = await rules_of(connection, tenant, None)
        policies = await policies_of(connection, tenant)
    keys = await histories_of(database, tenant, learner)
    standings = await _standings(database, tenant, [learner])
    outcome = await asyncio.to_thread(_foresee, (tenant, learner), keys, standings, rules, policies, selection)
    if outcome is None:
        raise NotFound("the learner has no such evidence, or it is taken back already")
    if not selection.to:
        return outcome.report()
    theirs = {key: (state, history.evidence) for key, (state, history) in
              (await histories_of(database, tenant, selection.to)).items()}  # fmt: skip
    standing = (await _standings(database, tenant, [selection.to])).get(selection.to, LearnerState())
    arrival = await asyncio.to_thread(
        foresee_arrival, (tenant, selection.to), theirs, standing, rules, policies, outcome
    )
    return outcome.report() | {"to": arrival.report()}


async def _standings(database: Database, tenant: str, learners: Iterable[str]) -> dict[str, LearnerState]:
    async with database.connection() as connection:
        rows = await key_states.load_standings(connection, [(tenant, learner) for learner in learners])
    return {learner: unpack_learner(state) for _, learner, state in rows}


def _foresee(
    learner: Learner, keys: Held, standings: dict[str, LearnerState], rules: Rules, policies: dict[str, Policy],
    selection: Selection,
) -> Outcome | None:  # fmt: skip
    of_keys = {key: (state, history.evidence) for key, (state, history) in keys.items()}
    return foresee(learner, of_keys, standings.get(learner[1], LearnerState()), rules, policies, selection)
