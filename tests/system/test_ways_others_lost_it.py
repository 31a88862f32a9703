"""
One case for each way in which systems of this kind, run for millions of learners, have lost or falsified a record.

Each docstring says what was lost. The cases were read in the sources and repair tools of public learning platforms.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from deploy.local import stack as local_stack
from deploy.local.stack import Stack
from services.progression.domain.curriculum import Framework
from services.progression.domain.entry import Entry
from services.progression.domain.inputs import input_of
from services.progression.domain.mastery import KeyState
from services.progression.domain.policy import policy_from
from services.progression.domain.rules import Rules
from services.progression.domain.shard_fold import ShardFold
from shared.contracts.internal_events import Competency, EvidenceRecorded, Score
from tests.support.journal import STREAK_3, Decided, Journal, piece, restore, retract
from tests.system.district import District, right

BEST = policy_from(
    {
        "id": "best",
        "method": {"type": "mean"},
        "evidence": {"reassess": "replace_best"},
        "decision": {"at_least": 0.9, "latch": "current"},
    }
)


def folded(*records: EvidenceRecorded | Any, policy: Any = STREAK_3) -> Journal:
    """Return a journal with the records folded under a policy, one batch each."""
    journal = Journal().fold([Decided(policy)])
    for record in records:
        journal.fold([record], drop_cache=True)
    return journal


@pytest.fixture(scope="module")
async def district(stack: Stack) -> AsyncIterator[District]:
    """A tenant of its own."""
    district = await District(stack, "lost").open()
    yield district
    await district.close()


async def execute(stack: Stack, service: str, statement: str, *arguments: object) -> str:
    """Run a statement in a service's database."""
    connection = await asyncpg.connect(stack.databases[service])
    try:
        return str(await connection.execute(statement, *arguments))
    finally:
        await connection.close()


async def evidence_of(district: District, learner: str) -> int:
    """Return how many pieces the learner's record counts."""
    await district.drained()
    return district.shown()["", learner, "math:c1"][2]


# What was lost on the way in.


async def test_a_part_that_is_sent_again_replaces_nothing(district: District) -> None:
    """A second message for an attempt replaced the whole attempt: questions that it did not repeat were lost."""
    await district.send([right("ben", n) for n in range(4)])
    again = await district.send([right("ben", 1), right("ben", 4)])

    assert [item["status"] for item in again] == ["duplicate", "accepted"]
    assert await evidence_of(district, "ben") == 5


@pytest.mark.parametrize("age", ["1 hour", "8 days", "1 year"])
async def test_a_duplicate_is_one_however_late_it_comes(stack: Stack, district: District, age: str) -> None:
    """Ids were kept for an hour, or seven days; what was delivered again after that counted twice."""
    name = f"late-{age.replace(' ', '-')}"
    await district.send([right(name, id=name)])
    aged = await execute(
        stack, "evidence", f"update evidence set received_at = received_at - interval '{age}' where tenant = $1"
        " and id = $2", district.tenant, name,
    )  # fmt: skip
    again = await district.send([right(name, id=name)])
    await district.produce([right(name, id=name)])

    assert aged == "UPDATE 1"
    assert [item["status"] for item in again] == ["duplicate"]
    assert await evidence_of(district, name) == 1


async def test_a_clock_that_runs_ahead_freezes_nothing(district: District) -> None:
    """A time in 2099 won for ever: every later, real message was older and was dropped."""
    ahead = await district.send([right("fay", 9, occurred_at="2099-01-01T00:00:00Z")])
    real = await district.send([right("fay", n) for n in range(3)])

    assert (ahead[0]["status"], ahead[0]["reason"]) == ("rejected", "future_time")
    assert {item["status"] for item in real} == {"accepted"}
    assert await evidence_of(district, "fay") == 3
    assert district.shown()["", "fay", "math:c1"][0] == "mastered"


async def test_two_workers_on_one_learner_lose_nothing(district: District) -> None:
    """Messages went to workers in turn, which read, then wrote, without a condition: the later one won."""
    batches = [[right("gus", n * 3 + m) for m in range(3)] for n in range(12)]
    await asyncio.gather(*(district.send(batch) if n % 2 else district.produce(batch)
                           for n, batch in enumerate(batches)))  # fmt: skip

    assert await evidence_of(district, "gus") == 36


async def test_what_waits_for_its_competency_flows_once_that_is_published(district: District) -> None:
    """What could not be used went to a topic that was kept for two days and that nothing read."""
    parked = await district.send([right("ida", n, "later:x") for n in range(3)])
    await district.post("progression", "/v1/frameworks", {"id": "later", "nodes": "code,title\nx,Later\n"})
    async with asyncio.timeout(30):
        while ("", "ida", "later:x") not in district.shown():
            await asyncio.sleep(0.2)
    await district.drained()

    assert {item["status"] for item in parked} == {"parked"}
    assert district.shown()["", "ida", "later:x"][2] == 3


async def test_a_crash_between_state_and_publication_tells_once(stack: Stack, district: District) -> None:
    """The row was written before the crash, so the delivery after it was skipped as known: nothing was ever told."""
    learners = [f"crash{n}" for n in range(30)]

    killed: set[int] = set()

    async def kill() -> None:
        while len(killed) < 3:
            await asyncio.sleep(0.4)
            running = local_stack.running(stack.home)
            assert running is not None
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.pids["progression"], signal.SIGKILL)
                killed.add(running.pids["progression"])

    async def load() -> None:
        for second in range(3):
            for start in range(0, len(learners), 5):
                await district.send([right(one, second) for one in learners[start : start + 5]])
                await asyncio.sleep(0.1)

    await asyncio.gather(load(), kill())
    await district.drained()
    ids = {await district.learner(one) for one in learners}
    told = [event for event in await district.advancements() if event["subject"] in ids]

    assert len(told) == len(learners)
    assert {event["subject"] for event in told} == ids
    assert {event["type"] for event in told} == {"attain.competency.mastered.v1"}


# What was lost in the fold.


def test_two_pieces_of_the_same_millisecond_both_count() -> None:
    """Only what was strictly newer than the last was taken: equal times were dropped as repeats."""
    same = "2026-03-01T10:00:00.000000Z"
    one_way = folded(*(piece(n, occurred_at=same) for n in (1, 2, 3)))
    the_other = folded(*(piece(n, occurred_at=same) for n in (3, 1, 2)))

    assert one_way.state().evidence_count == 3
    assert one_way.state().status == "mastered"
    assert one_way.values() == the_other.values()


def test_of_what_comes_together_every_piece_is_read() -> None:
    """Of the messages of one learner that one window held only the first was looked at, and the others' counters stayed."""
    together = [piece(n, competency=code) for code in ("math:add", "math:sub") for n in (1, 2, 3)]
    journal = Journal().fold([Decided(STREAK_3)]).fold(together)

    assert journal.values() == folded(*together).values()
    assert {journal.state(code).evidence_count for code in ("math:add", "math:sub")} == {3}


def test_what_is_played_again_keeps_its_time() -> None:
    """Attempts built anew from raw messages were stamped with the time of the repair, which became the last attempt."""
    pieces = [piece(1, day=1), piece(2, day=2), piece(3, day=3)]
    journal = folded(*pieces, retract(pieces[0]), restore(pieces[0], by="repair"))

    state = journal.state()
    assert (state.status, state.last_evidence_at) == ("mastered", pieces[2].occurred_at)
    assert journal.values() == folded(*pieces).values()


def test_older_evidence_after_newer_is_put_in_its_place() -> None:
    """What was older than the last attempt was dropped and stored nowhere."""
    pieces = [piece(1), piece(2, 0.0), piece(3), piece(4), piece(5)]
    in_order, late = folded(*pieces), folded(*reversed(pieces))

    assert in_order.values() == late.values()
    assert late.state().mastered_at == pieces[4].occurred_at


def test_without_valid_evidence_nothing_is_left_of_the_old_best() -> None:
    """Once all attempts were removed the best score stayed, because an empty result updated nothing."""
    pieces = [piece(n) for n in (1, 2, 3)]
    journal = folded(*pieces, retract(*pieces))

    state = journal.state()
    assert (state.status, state.score, state.evidence_count, state.mastered_at) == ("no_evidence", None, 0, None)
    assert journal.kinds() == ["competency.mastered", "competency.withdrawn"]


def test_scores_keep_their_fractions_whatever_their_type() -> None:
    """The best score was kept as an integer while the attempts had fractions."""
    score = Score(raw=1.33, max=3.0)
    journal = folded(piece(1, score=score), policy=BEST)

    assert journal.state().score == pytest.approx(1.33 / 3, abs=1e-12)
    assert folded(piece(1, score=Score(raw=1, max=1)), policy=BEST).state().score == 1.0


def test_the_best_attempt_is_the_best_on_the_scale_not_the_one_with_most_points() -> None:
    """8 of 20 was better than 7 of 7, because raw points were compared."""
    many = piece(1, activity="quiz", score=Score(raw=8.0, max=20.0))
    all_right = piece(2, activity="quiz", score=Score(raw=7.0, max=7.0))

    for pair in ((many, all_right), (all_right, many)):
        assert folded(*pair, policy=BEST).state().score == 1.0


def test_a_poison_learner_stops_nobody_else() -> None:
    """One message that raised restarted the job three times, then ended it for everyone."""
    rules = {"school": Rules()}
    fold = ShardFold({}, rules, {})
    inputs = []
    for pos, (n, learner) in enumerate([(1, "ada"), (1, "bob"), (2, "ada"), (2, "bob")], start=1):
        item = input_of("school", f"i{pos}", pos, "2026-04-01T00:00:00.000000Z", piece(n, learner=learner))
        inputs.append(item)
        fold.entries[item.keys[0]] = Entry(KeyState(), 0, {})
    # What cannot be folded: a state without the members that it must have.
    fold.entries["school", "bob", "math:add"].state = None  # type: ignore[assignment]
    assert fold.fold_run(inputs, 0, len(inputs)) == len(inputs)

    assert list(fold.blocked) == [("school", "bob")]
    assert fold.entries["school", "ada", "math:add"].state.pieces == 2


def test_a_structure_that_is_published_again_takes_no_completed_level_back() -> None:
    """A course that was republished with one more unit put learners back from 100 to 90 per cent."""
    codes = [Competency(code, code.title(), n, level="1") for n, code in enumerate(("add", "sub", "mul"), start=1)]
    first, second = (Framework("math", "Mathematics", tuple(codes[:n]), ()) for n in (2, 3))
    journal = Journal().fold([Decided(STREAK_3), Decided(framework=first)])
    journal.fold([piece(n, competency=code) for code in ("math:add", "math:sub") for n in (1, 2, 3)])
    before = list(journal.kinds())
    journal.fold([Decided(framework=second)]).sweep()

    assert [kind for kind in before if kind.startswith("level.")] == ["level.advanced"]
    assert not any("withdrawn" in kind or "revoked" in kind for kind in journal.kinds()[len(before) :])
    assert {journal.state(code).status for code in ("math:add", "math:sub")} == {"mastered"}


def test_what_the_next_piece_reads_does_not_grow_with_the_history() -> None:
    """Every event read all attempts again, so the most active learners were the slowest."""
    journal = Journal().fold([Decided(STREAK_3)])
    sizes = []
    for n in range(400):
        journal.fold([piece(n, 0.0)], drop_cache=True)
        sizes.append(len(journal.states["school", "ada", "math:add"][1]))

    assert max(sizes[200:]) - max(sizes[:20]) <= 8
