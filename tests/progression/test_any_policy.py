"""Whatever the policy: the state is a function of the set of valid evidence, however it came."""

import datetime
import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.decisions import ClockTicked, CompetencyDecided
from services.progression.domain.evidence_rules import composites
from services.progression.domain.mastery import KeyState, fold_composites, piece_of, replay
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.standing import status_of
from services.progression.domain.states import Decided
from shared.contracts.internal_events import EvidenceRecorded
from tests.progression.test_method_properties import PARAMETERS
from tests.support.journal import Decided as InForce
from tests.support.journal import Journal, Record, retract
from tests.support.policies import policies, random_work

KEY = ("school", "ada", "math:add")
seeds = st.integers(0, 10_000)
counts = st.integers(1, 22)


def computed(state: KeyState) -> KeyState:
    """Return a state without what was told of it, which depends on the journal."""
    return msgspec.structs.replace(
        state, seq=0, told="", lost="", lost_crossing="", former=(), lost_credit=(), opened="", policy=""
    )


def journalled(policy: Policy, records: Sequence[Record], sizes: list[int], *, forgetful: bool) -> KeyState:
    """Return the state after records in batches, stepping where one step is enough."""
    journal = Journal().fold([InForce(policy)])
    start, turn = 0, 0
    while start < len(records):
        size = sizes[turn % len(sizes)]
        journal.fold(records[start : start + size], drop_cache=forgetful)
        start, turn = start + size, turn + 1
    return computed(msgspec.msgpack.decode(journal.states[KEY][1], type=KeyState))


def replayed(policy: Policy, evidence: list[EvidenceRecorded], *decisions: Decided) -> KeyState:
    return computed(replay(KeyState(), map(piece_of, evidence), policy.rule, "", decisions))


batches = st.lists(st.integers(1, 6), min_size=1, max_size=4)


@given(policy=policies(), seed=seeds, count=counts, sizes=batches, forgetful=st.booleans())
def test_folding_step_by_step_equals_the_replay_of_the_set(policy, seed, count, sizes, forgetful):
    evidence = random_work(seed, count)

    assert journalled(policy, evidence, sizes, forgetful=forgetful) == replayed(policy, evidence)


@given(policy=policies(), seed=seeds, count=counts, sizes=batches)
def test_a_history_in_which_no_activity_comes_twice_is_replayed_as_it_was_folded(policy, seed, count, sizes):
    work = random_work(seed, count)
    evidence = [msgspec.structs.replace(each, activity=f"own-{number}") for number, each in enumerate(work)]

    assert journalled(policy, evidence, sizes, forgetful=False) == replayed(policy, evidence)


@given(policy=policies(), seed=seeds, count=counts, sizes=batches, forgetful=st.booleans())
def test_any_order_late_or_repeated_gives_the_same_state(policy, seed, count, sizes, forgetful):
    evidence = random_work(seed, count)
    chance = random.Random(seed)
    arrived = chance.sample([*evidence, *chance.choices(evidence, k=3)], len(evidence) + 3)

    assert journalled(policy, arrived, sizes, forgetful=forgetful) == replayed(policy, evidence)


@given(policy=policies(), seed=seeds, count=counts, sizes=batches)
def test_what_is_retracted_is_as_if_it_had_never_been(policy, seed, count, sizes):
    evidence = random_work(seed, count)
    gone = random.Random(seed).sample(evidence, count // 2)
    records: list[Record] = [*evidence, *(retract(each, by=f"r{n}") for n, each in enumerate(gone))]

    assert journalled(policy, records, sizes, forgetful=False) == replayed(
        policy, [each for each in evidence if each not in gone]
    )


@given(policy=policies(), seed=seeds, count=counts)
def test_newer_evidence_of_other_activities_never_takes_mastery_off_the_record(policy, seed, count):
    """Rows that join a quiz change that quiz; everything else that is newer leaves a crossing where it was."""
    evidence = random_work(seed, count)
    crossings = []
    units = composites(policy.rule, [piece_of(each) for each in evidence])
    for until in range(1, len(units) + 1):
        state = KeyState()
        fold_composites(state, policy.rule, units[:until])
        crossings.append(state.crossed_at)

    shown = [at for at in crossings if at is not None]
    assert crossings == [None] * (len(crossings) - len(shown)) + shown
    assert len(set(shown)) <= 1


@given(policy=policies(), seed=seeds, count=counts)
def test_a_sign_off_masters_exactly_what_waits_for_it(policy, seed, count):
    evidence = random_work(seed, count)
    before = replayed(policy, evidence)
    after = replayed(policy, evidence, Decided("d", "sign_off", "2026-06-01T00:00:00.000000Z", by="teacher"))
    waits = any(route.role == "teacher" and before.met and before.met[route.track] for route in policy.rule.routes)

    if before.crossed_at is None:
        assert (after.crossed_at is not None) == waits
        assert status_of(before, policy.rule) == "provisional" or not waits
    else:
        assert after.crossed_at == before.crossed_at


@settings(max_examples=50)
@given(policy=policies())
def test_a_policy_reads_back_as_it_was_written(policy):
    assert policy_from(policy.content).hash == policy.hash


WATCHFUL = {"support": {"class_work": {"pieces": 3, "below": 2}, "practice": {"items": 3, "days": 1}}}


def eventful(policy: Policy, seed: int, count: int) -> list[Record]:
    """Return work in an order of arrival of its own, some of it taken back, with a sign-off and days that pass between."""
    chance = random.Random(seed)
    evidence = chance.sample(random_work(seed, count), count)
    records: list[Record] = [InForce(policy), *evidence]
    for n, each in enumerate(chance.sample(evidence, count // 4)):
        records.insert(chance.randint(records.index(each) + 1, len(records)), retract(each, by=f"r{n}"))
    signed = CompetencyDecided("ada", "math:add", "sign_off", "teacher", "t-1", "sign_off")
    records.insert(chance.randint(1, len(records)), signed)
    for day in sorted(chance.sample(range(1, 60), 3)):
        at = (datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=day)).strftime(
            "%Y-%m-%dT12:00:00.000000Z"
        )
        records.append(ClockTicked("ada", at, ("math:add",)))
    return records


def told_by(records: Sequence[Record], sizes: list[int], *, forgetful: bool) -> Journal:
    journal, start, turn = Journal(), 0, 0
    while start < len(records):
        size = sizes[turn % len(sizes)]
        journal.fold(records[start : start + size], drop_cache=forgetful)
        start, turn = start + size, turn + 1
    return journal


def same_however_it_is_run(records: Sequence[Record], sizes: list[int]) -> None:
    """Fold a journal one by one, at once and in odd batches without caches: the same events, once each, and the same states."""
    one_by_one = told_by(records, [1], forgetful=False)
    ids = [event.id for event in one_by_one.told]
    for other in (told_by(records, [len(records)], forgetful=False), told_by(records, sizes, forgetful=True)):
        assert [(event.id, event.data) for event in other.told] == [(e.id, e.data) for e in one_by_one.told]
        assert other.values() == one_by_one.values()
        assert other.learners == one_by_one.learners
    assert len(set(ids)) == len(ids), "ids never repeat"


@given(policy=policies(), seed=seeds, count=counts, sizes=batches)
def test_a_journal_tells_the_same_events_under_any_policy_however_it_is_run(policy, seed, count, sizes):
    same_however_it_is_run(eventful(policy_from(policy.content | WATCHFUL), seed, count), sizes)


@pytest.mark.parametrize("name", list(PARAMETERS))
@settings(max_examples=15)
@given(seed=seeds, count=counts, sizes=batches, latch=st.sampled_from(["current", "first_crossing", "confirm"]))
def test_a_journal_tells_the_same_events_by_any_method_however_it_is_run(name, seed, count, sizes, latch):
    policy = policy_from(
        {"id": name, "scale": {"max": 4, "mastery": 3}, "method": {"type": name} | PARAMETERS[name],
         "decision": {"latch": latch}, "upkeep": {"reverify_after_days": 10}} | WATCHFUL
    )  # fmt: skip

    same_however_it_is_run(eventful(policy, seed, count), sizes)
