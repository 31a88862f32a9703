"""What taking evidence back would do to a tenant, on what is recorded now."""

import asyncio
from typing import Any

import msgspec

from services.progression.correction import Forecast, Selection, foresee
from services.progression.handlers.histories import History, histories
from services.progression.handlers.memory import unpack_learner
from services.progression.handlers.rules import rules_of
from services.progression.handlers.schools import school_in, schools_of
from services.progression.inputs import Key, valid_pieces
from services.progression.learner import LearnerState
from services.progression.policy import Policy, policy_from
from services.progression.rules import Rules
from services.progression.states import KeyState
from services.progression.tables import key_states, rulebook
from shared.database import Database
from shared.settings import Settings

Held = dict[Key, tuple[KeyState, History]]


async def forecast(database: Database, settings: Settings, tenant: str, selection: Selection) -> dict[str, Any]:
    """
    Return the report of `Forecast`; `items`: what is to be retracted, in the order in which to do it; and `withdrawn`: the
    learners' competencies that would go.

    Raises:
        Unavailable: the roster does not answer.
    """
    schools = await schools_of(settings, tenant)
    async with database.connection() as connection:
        rules = await rules_of(connection, tenant, None)
        bodies = await rulebook.policies_of(connection, tenant)
    policies = {digest: policy_from(msgspec.json.decode(body)) for digest, body in bodies}
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
    items = [{"source": source, "id": id} for source, id in found.pieces]
    withdrawn = [{"learner": learner, "scope": scope} for learner, scope in found.taken]
    return found.report() | {"items": items, "withdrawn": withdrawn}


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
    async with database.connection() as connection:
        rows = await key_states.load_standings(connection, [(tenant, learner) for learner in affected])
    standings = {learner: unpack_learner(state) for _, learner, state in rows}

    def count() -> None:
        for learner, keys in affected.items():
            of_keys = {key: (state, history.evidence) for key, (state, history) in keys.items()}
            standing = standings.get(learner, LearnerState())
            outcome = foresee((tenant, learner), of_keys, standing, rules, policies, selection)
            if outcome is not None:
                found.add(outcome, school_in(schools, learner))

    await asyncio.to_thread(count)
