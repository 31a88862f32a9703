"""The roster: upsert what an import says, publish only what changed."""

import uuid
from collections.abc import Mapping, Sequence

import msgspec

from services.evidence.domain.roster import Identities, Roster
from services.evidence.domain.roster_facts import events, facts, places_said
from services.evidence.handlers.learners import Learners
from services.evidence.tables import merges, people, premises, roster, staff_names
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.event_log import EventLog
from shared.events import now


class Counts(msgspec.Struct):
    """What an import named, and how much of it was news."""

    learners: int
    classes: int
    enrolments: int
    staff: int
    schools: int
    changed: int


class Rosters:
    """Imports rosters; names and source ids stay in this service's tables."""

    def __init__(self, database: Database, log: EventLog, learners: Learners) -> None:
        self._database = database
        self._log = log
        self._learners = learners

    async def take(self, tenant: str, given: Roster) -> Counts:
        """Store one import and append an event for each row that is new or says something else than before."""
        whose = Identities(given)
        keys = {(tenant, *by) for by in whose.all()}
        names = {
            (tenant, learner.source or given.source, learner.source_id): learner.name.strip() or None
            for learner in given.learners
            if learner.name is not None
        }
        # Committed before the import is, so that nobody who meets them waits for that.
        await self._learners.identify(keys)
        async with self._database.transaction() as connection:
            await premises.hold(connection, [tenant], [])
            # Whoever was erased or moved meanwhile is somebody else by now, and nobody is from here on.
            found = await self._learners.identify_in(connection, keys)
            learner_of = {(source, source_id): learner for (_, source, source_id), (learner, _) in found.items()}
            said = facts(given, whose, learner_of)
            # Before it is read who is where: another import may be at it.
            await roster.lock(connection, tenant)
            moved = await people.moved(connection, tenant)
            groups = []
            for group in given.groups:
                by = whose.of(group.learner, group.source)
                # By whose it is without a merge: what is read while one is in force goes back as it was.
                groups.append((group.group, moved[by][0] if by in moved else learner_of[by], group.value))
            if moved:
                await _note_places(connection, tenant, places_said(given, whose), learner_of, moved)
            news = await roster.upsert(connection, tenant, said)
            await people.set_names(connection, [(*key, name) for key, name in names.items()])
            await staff_names.put(
                connection, tenant, list({row.person: row.name.strip() for row in given.people}.items())
            )
            await roster.set_groups(connection, tenant, groups)
            time = now()
            ids = [str(uuid.uuid4()) for _ in news]
            await self._log.append(connection, events(tenant, news, ids, time, self._log.shards))
            reach("roster.appended")
        reach("roster.committed")
        return Counts(
            len(given.learners), len(given.classes), len(given.enrolments), len(given.staff), len(given.schools),
            len(news),
        )  # fmt: skip


async def _note_places(
    connection: Connection, tenant: str, said: Sequence[tuple[str, tuple[str, str]]],
    learner_of: Mapping[tuple[str, str], str], moved: Mapping[tuple[str, str], tuple[str, str]],
) -> None:  # fmt: skip
    """
    Note which of the places said are of identities that a merge moved, so that undoing it takes them along, and which are the
    learner's own, so that it does not.
    """
    of_moved: dict[str, set[tuple[str, str]]] = {kept: set() for _, kept in moved.values()}
    own: dict[str, set[str]] = {kept: set() for kept in of_moved}
    for place, by in said:
        if by in moved:
            home, kept = moved[by]
            of_moved[kept].add((home, place))
        elif learner_of[by] in own:
            own[learner_of[by]].add(place)
    before = await roster.places_of(connection, tenant, list(of_moved))
    for kept, left in of_moved.items():
        if not left and not own[kept]:
            continue
        joined = [(home, place) for home, place in left if place not in own[kept] and place not in before[kept]]
        await merges.note_later_places(connection, tenant, kept, sorted(left), sorted(joined), sorted(own[kept]))
