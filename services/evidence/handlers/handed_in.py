"""
Handed-in work: what messages say of it, what grades it, whose it is, and what it counts for, told where that changes.

It is told on the log of evidence beside the pieces, and counted there as an event that no item brought.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from services.evidence.domain.alignment import Alignment
from services.evidence.domain.decisions import Decision
from services.evidence.domain.evidence import Evidence, Park, Submission
from services.evidence.domain.handed_in import HandIn, Work, graded_at, graded_by, newest, tell
from services.evidence.handlers.alignment import Alignments
from services.evidence.handlers.counting import IntakeCounts
from services.evidence.handlers.learners import Learners
from services.evidence.tables import handed_in, people, premises
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.event_log import EventLog, LogRow, append_all
from shared.events import Draft, now

MAPS_MET_MAX = 5
TAKEN_IN = ("accepted", "corrected", "parked")
Answers = Mapping[int, Alignment | Park]


class HandIns:
    """Notes what messages say of handed-in work, and follows the alignment map."""

    def __init__(
        self, database: Database, log: EventLog, learners: Learners, alignments: Alignments, counts: IntakeCounts,
        written: Callable[[Sequence[LogRow]], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._log = log
        self._learners = learners
        self._alignments = alignments
        self._counts = counts
        self._written = written

    async def note(self, said: Collection[HandIn], tenant: str, source: str, with_them: Sequence[str] = ()) -> None:
        """
        Note what a source says; durable when it returns. Again, or in another order, it comes to the same.

        Of work of which nothing was said yet the pieces that are there grade it, but not those that came `with_them`, whose
        messages say themselves how it stands.

        Raises:
            Unavailable: say it again.
        """
        if not said:
            return
        held = newest(said)
        # Asked of the database, not of the cache: an identity that was erased elsewhere has to come again.
        await self._learners.identify({(tenant, source, one.learner) for one in held})
        waiting = [one for one in held if one.waits]
        place_of = {(one.learner, one.activity): place for place, one in enumerate(waiting)}
        for _ in range(MAPS_MET_MAX):
            answers = await self._alignments.align(tenant, _contents((source, o.activity, o.stamp) for o in waiting))
            async with self._database.transaction() as connection:
                if not await handed_in.tells(connection, tenant, source):
                    # The first time nobody stores a piece meanwhile: those who do look whether the source tells.
                    await people.lock(connection, tenant)
                if await self._is_current(connection, tenant, answers):
                    there = await handed_in.graded_before(connection, tenant, source, waiting, with_them)
                    hold = newest([*held, *(graded_at(*piece) for piece in there)])
                    works = await handed_in.say(connection, [(tenant, source, one) for one in hold])
                    aligned = {
                        place: answers[place_of[work.source_id, work.activity]]
                        for place, work in enumerate(works)
                        if work.waits
                    }
                    appended = await self._append(connection, tenant, works, aligned)
                    reach("handed_in.noted")
                    break
            self._alignments.forget({tenant})
        else:
            raise Unavailable("alignments are being published; send it again")
        reach("handed_in.committed")
        self._written(appended)

    async def realign(self, tenant: str, source: str, activity: str) -> None:
        """Tell of the work that waits what an entry of the map says now; an entry without a source is of all."""
        async with self._database.transaction() as connection:
            await premises.hold(connection, [tenant], [tenant])
            works = await handed_in.waiting_on(connection, tenant, source, activity)
            self._alignments.forget({tenant})
            answers = await self._alignments.align(tenant, _contents((w.source, w.activity, w.stamp) for w in works))
            appended = await self._append(connection, tenant, works, answers)
        self._written(appended)

    async def _is_current(self, connection: Connection, tenant: str, answers: Answers) -> bool:
        """Let nobody be erased or moved, and no map be published, from now on; tell whether the answers are of the map."""
        await premises.hold(connection, [tenant], [tenant])
        seen = (await premises.read(connection, [tenant], [tenant])).maps.get(tenant, 0)
        return all(answer.seen == seen for answer in answers.values())

    async def _append(
        self, connection: Connection, tenant: str, works: Sequence[Work], answers: Answers
    ) -> Sequence[LogRow]:
        drafts = await _told(connection, works, {place: _named(answer) for place, answer in answers.items()},
                             self._log.shards)  # fmt: skip
        await self._counts.add_events(connection, tenant, len(drafts))
        return await append_all(connection, [(self._log, drafts)])


async def graded(
    connection: Connection, submissions: Sequence[Submission], decision: Decision,
    sources: Collection[tuple[str, str]], shards: int,
) -> list[Draft]:  # fmt: skip
    """
    Note what pieces of (tenant, source) grade, also where it is handed in later, and return the events that work waits no
    longer; for the transaction that stores the pieces.

    A piece that has to wait itself, for an alignment, is a grade that somebody has given as well.
    """
    if not sources:
        return []
    said: dict[tuple[str, str], list[HandIn]] = {}
    for submission, outcome in zip(submissions, decision.outcomes, strict=True):
        command = submission.command
        source = command.tenant, command.content.source
        grade = graded_by(command) if source in sources and outcome.status in TAKEN_IN else None
        if grade is not None:
            said.setdefault(source, []).append(grade)
    held = [(*source, one) for source in sorted(said) for one in newest(said[source])]
    return await _told(connection, await handed_in.say(connection, held), {}, shards)


async def followed(connection: Connection, tenant: str, learners: Sequence[str], shards: int) -> list[Draft]:
    """Return the events that work which waits went with its identity from one of the learners to the other."""
    return await _told(connection, await handed_in.waiting_of(connection, tenant, learners), {}, shards)


async def _told(
    connection: Connection, works: Sequence[Work], named: Mapping[int, tuple[str, ...]], shards: int
) -> list[Draft]:
    """Return the events of works, and note that they are told; what is not `named` counts for what was told before."""
    time = now()
    drafts: list[Draft] = []
    changed: list[Work] = []
    for place, work in enumerate(works):
        before = () if work.told is None else work.told.competencies
        events, after = tell(work, named.get(place, before), shards, time)
        if events:
            drafts += events
            changed.append(after)
    if changed:
        await handed_in.set_told(connection, changed)
    return drafts


def _contents(works: Iterable[tuple[str, str, str]]) -> dict[int, Evidence]:
    """Return works, as (source, activity, instant), as the pieces that they would be, for the alignment map."""
    return {
        place: Evidence(source, "", stamp, activity=activity) for place, (source, activity, stamp) in enumerate(works)
    }


def _named(answer: Alignment | Park) -> tuple[str, ...]:
    return answer.competencies if isinstance(answer, Alignment) else ()
