"""What the journal holds of keys: for what is computed beside the fold, and held against it."""

import dataclasses
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any

from services.progression.domain.decisions import ClockTicked, CompetencyDecided
from services.progression.domain.inputs import EvidenceSet, Key, absorb, decode
from services.progression.domain.journal import JournalEntry, unpack_entries
from services.progression.domain.states import Decided, KeyState
from services.progression.handlers.memory import unpack_key
from services.progression.tables import journals, key_states, set_apart
from shared.database import Connection, Database

PAGE_KEYS = 1000
PAGE_LEARNERS = 100


@dataclasses.dataclass(slots=True)
class History:
    """What the journal holds of a key: its set of evidence, its decisions in order, and the last tick of the clock."""

    evidence: EvidenceSet = dataclasses.field(default_factory=dict)
    decisions: list[Decided] = dataclasses.field(default_factory=list)
    clock: str = ""

    def take(self, competency: str, entry: JournalEntry) -> None:
        """Add an input of the key."""
        event = decode(entry.type, entry.data)
        if isinstance(event, CompetencyDecided):
            self.decisions.append(event.decided(entry.id, entry.time))
        elif isinstance(event, ClockTicked):
            self.clock = max(self.clock, event.at)
        elif event is not None:
            absorb(self.evidence, competency, event)


Held = dict[Key, tuple[KeyState, History]]
"""Keys, mostly all of one learner, each with its stored state."""


async def histories(
    database: Database, tenant: str, framework: str = "", *, folded: bool = False
) -> AsyncIterator[list[tuple[Key, KeyState, History]]]:
    """
    Yield every key of a tenant, or of one framework, with its stored state, in pages by learner and competency.

    With `folded` a history is what the state was folded from: of a learner who is set apart no more than that.
    """
    after: Key = (tenant, "", "")
    while True:
        async with database.instant() as connection:
            rows = await key_states.all_states(connection, tenant, after, PAGE_KEYS)
            wanted = _unread(row for row in rows if not framework or row["competency"].startswith(f"{framework}:"))
            await _fill(connection, wanted, folded=folded)
        if wanted:
            yield [(key, *found) for key, found in wanted.items()]
        if len(rows) < PAGE_KEYS:
            return
        after = (tenant, rows[-1]["learner"], rows[-1]["competency"])


async def learners_of(
    database: Database, tenant: str, framework: str = "", *, folded: bool = False
) -> AsyncIterator[dict[str, Held]]:
    """Yield every learner of a tenant with all keys, or those of one framework, some at a time; `folded` as in `histories`."""
    held: dict[str, Held] = {}
    async for page in histories(database, tenant, framework, folded=folded):
        for key, state, history in page:
            held.setdefault(key[1], {})[key] = (state, history)
        # The last learner of a page may go on in the next.
        last = page[-1][0][1]
        begun = held.pop(last)
        yield held
        held = {last: begun}
    yield held


async def learners_with(database: Database, tenant: str, texts: Sequence[bytes]) -> AsyncIterator[dict[str, Held]]:
    """Yield the learners of whom an input has all of these texts in it, each with all keys, some learners at a time."""
    async with database.connection() as connection:
        names = await journals.learners_with(connection, tenant, texts)
    for start in range(0, len(names), PAGE_LEARNERS):
        learners = [(tenant, name) for name in names[start : start + PAGE_LEARNERS]]
        async with database.instant() as connection:
            rows = await key_states.load_learner_states(connection, learners)
            found = _unread(sorted(rows, key=itemgetter("learner", "competency")))
            await _fill(connection, found)
        yield _by_learner(found)


async def histories_of(connection: Connection, tenant: str, learner: str) -> Held:
    """Return every key of one learner, with its stored state; both are of one instant where the connection sees one."""
    rows = await key_states.states_of(connection, tenant, learner)
    found = {(tenant, learner, competency): (unpack_key(state), History()) for competency, state in rows}
    await _fill(connection, found)
    return found


async def histories_of_keys(connection: Connection, keys: Collection[Key]) -> dict[str, Held]:
    """Return those of the keys that exist, by learner, each with its stored state and what that was folded from."""
    rows = await key_states.load_states(connection, keys) if keys else []
    found = _unread(rows)
    await _fill(connection, found, folded=True)
    return _by_learner(found)


def _unread(rows: Iterable[Any]) -> Held:
    """Return the keys of rows with their states, and histories that are to be filled."""
    return {(row["tenant"], row["learner"], row["competency"]): (unpack_key(row["state"]), History()) for row in rows}


def _by_learner(keys: Held) -> dict[str, Held]:
    found: dict[str, Held] = {}
    for key, each in keys.items():
        found.setdefault(key[1], {})[key] = each
    return found


async def _fill(connection: Connection, wanted: Held, *, folded: bool = False) -> None:
    """Read what the journal holds of keys into their histories; with `folded` what is folded of it."""
    bodies = await journals.load_evidence(connection, list(wanted)) if wanted else []
    learners = sorted({key[:2] for key in wanted}) if folded else []
    until = await set_apart.first_unfolded(connection, learners) if learners else {}
    for tenant, learner, competency, body in bodies:
        _, history = wanted[tenant, learner, competency]
        end = until.get((tenant, learner))
        for entry in unpack_entries(body):
            if end is None or entry.pos < end:
                history.take(competency, entry)
