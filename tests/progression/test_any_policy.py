"""Whatever the policy: the state is a function of the set of valid evidence, however it came."""

import random
from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.evidence_rules import composites
from services.progression.mastery import KeyState, fold_composites, piece_of, replay
from services.progression.policy import Policy, policy_from
from services.progression.standing import status_of
from services.progression.states import Decided
from shared.contracts import EvidenceRecorded
from tests.support.journal import Decided as InForce
from tests.support.journal import Journal, Record, retract
from tests.support.policies import policies, random_work

KEY = ("school", "ada", "math:add")
seeds = st.integers(0, 10_000)
counts = st.integers(1, 22)


def computed(state: KeyState) -> KeyState:
    """Return a state without what was told of it, which depends on the journal."""
    return msgspec.structs.replace(state, seq=0, told="", lost="", lost_crossing="", opened="", policy="")


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
