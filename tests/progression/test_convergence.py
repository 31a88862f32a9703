"""States are a function of the set of evidence; events are a function of the journal."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.policy import policy_from
from shared.contracts.internal_events import Aligned, Association, Competency, EvidenceRecorded, Score, Touched
from tests.support.journal import STREAK_3, Decided, Journal, Record, piece, restore, retract

POLICIES = (
    STREAK_3,
    policy_from({"id": "sda", "method": {"type": "sda", "weight": 0.65}, "decision": {"at_least": 0.8}}),
    policy_from(
        {
            "id": "two-of-three",
            "method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 1},
            "sufficiency": {"min_evidence": 2, "min_occasions": 2},
            "decision": {"latch": "first_crossing"},
            "upkeep": {"on_contradiction": {"last": 2, "below": 1}, "check_in_by_use": True},
        }
    ),
    policy_from({"id": "bkt", "method": {"type": "bkt", "p_l0": 0.3, "p_t": 0.1, "p_g": 0.2, "p_s": 0.1}}),
)
GRAPH = Framework(
    "math",
    "Mathematics",
    tuple(Competency(code, code.title(), n, level="1") for n, code in enumerate(("add", "sub", "mul"), start=1)),
    (Association("add", "mul"), Association("sub", "mul")),
)
FLAT = Framework("math", "Mathematics", GRAPH.competencies, ())
COMPETENCIES = ("math:add", "math:sub", "math:mul")

marks = st.lists(
    st.tuples(st.sampled_from(COMPETENCIES), st.sampled_from([0.0, 1.0]), st.integers(1, 3)), min_size=1, max_size=25
)


def pieces_of(drawn: list[tuple[str, float, int]]) -> list[EvidenceRecorded]:
    return [piece(n, mark, competency=code, day=day) for n, (code, mark, day) in enumerate(drawn)]


def folded(records: list[Record], sizes: list[int], *, forgetful: bool = False) -> Journal:
    journal = Journal()
    start, turn = 0, 0
    while start < len(records):
        size = sizes[turn % len(sizes)]
        journal.fold(records[start : start + size], drop_cache=forgetful)
        start, turn = start + size, turn + 1
    return journal.sweep()


@given(drawn=marks, policy=st.sampled_from(POLICIES), seed=st.integers(0, 999))
def test_any_order_of_arrival_gives_the_same_values(drawn, policy, seed):
    pieces = pieces_of(drawn)
    shuffled = random.Random(seed).sample(pieces, len(pieces))

    assert folded([Decided(policy), *shuffled], [4]).values() == folded([Decided(policy), *pieces], [100]).values()


@given(drawn=marks, policy=st.sampled_from(POLICIES), data=st.data())
def test_retracted_evidence_leaves_what_would_be_without_it(drawn, policy, data):
    pieces = pieces_of(drawn)
    gone = data.draw(st.lists(st.sampled_from(pieces), unique_by=lambda p: p.evidence_id, max_size=5))
    kept = [p for p in pieces if p not in gone]
    taken_back = [retract(p, by=f"r{n}") for n, p in enumerate(gone)]
    with_all = folded([Decided(policy), *pieces, *taken_back], [3])
    without = folded([Decided(policy), *kept], [3])

    there = {key: value for key, value in with_all.values().items() if value[0] != "no_evidence"}
    assert there == without.values()


@given(drawn=marks, policy=st.sampled_from(POLICIES), data=st.data())
def test_an_undone_retraction_leaves_what_was(drawn, policy, data):
    pieces = pieces_of(drawn)
    gone = data.draw(st.sampled_from(pieces))
    records: list[Record] = [Decided(policy), *pieces]

    undone = folded([*records, retract(gone), restore(gone)], [2])
    assert undone.values() == folded(records, [2]).values()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(drawn=marks, seed=st.integers(0, 999), data=st.data(), policies=st.lists(st.sampled_from(POLICIES), max_size=2))
def test_batches_caches_and_sweeps_do_not_change_what_is_told(drawn, seed, data, policies):
    """The same journal in other batch sizes, with and without caches, gives the same event ids, states and standings."""
    evidence = random.Random(seed).sample(pieces_of(drawn), len(drawn))
    records: list[Record] = [Decided(POLICIES[0]), Decided(framework=FLAT), *evidence]
    later: list[Record] = [*(Decided(policy) for policy in policies), Decided(framework=GRAPH), retract(evidence[0])]
    for record in later:
        records.insert(data.draw(st.integers(2, len(records))), record)
    # A retraction comes with or after its piece.
    if records.index(later[-1]) < records.index(evidence[0]):
        records.remove(later[-1])
        records.append(later[-1])

    one_by_one = folded(records, [1])
    at_once = folded(records, [len(records)])
    odd = folded(records, data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=4)), forgetful=True)

    assert {e.id for e in odd.told} == {e.id for e in one_by_one.told} == {e.id for e in at_once.told}
    assert odd.values() == one_by_one.values() == at_once.values()
    assert odd.learners == one_by_one.learners
    assert len({e.id for e in odd.told}) == len(odd.told)


def work(n: int, level: float, activity: str, attempt: int = 1, **more: Any) -> EvidenceRecorded:
    return piece(n, score=Score(level=level), activity=activity, attempt=attempt, **more)


ELSEWHERE = work(3, 1.0, "B", competency="math:sub")
VOID = work(3, 1.0, "B", valid=False)
WEIGHED_APART = (Aligned("math:add"), Aligned("math:sub", weight=0.5))


@pytest.mark.parametrize(
    "first_of_b",
    [
        [ELSEWHERE, work(4, 1.0, "B", invalidates=(Touched(ELSEWHERE.evidence_id, ELSEWHERE.competencies),))],
        [VOID, restore(VOID)],
        [work(3, 1.0, "B", competencies=("math:add", "math:sub"), alignment=WEIGHED_APART)],
    ],
    ids=["is aligned anew", "becomes valid later", "weighs differently for two competencies"],
)
def test_a_retake_replaces_a_piece_with_and_without_caches_that(first_of_b: list[Record]):
    """The retake of A has the history read, which knows the activities from then on."""
    policy = policy_from(
        {
            "id": "latest",
            "scale": {"min": 0, "max": 4, "mastery": 3},
            "method": {"type": "mean"},
            "evidence": {"reassess": "replace_latest"},
        }
    )
    retake_of_a, retake_of_b = work(2, 4.0, "A", attempt=2), work(5, 4.0, "B", attempt=2)
    records: list[Record] = [Decided(policy), work(1, 4.0, "A"), retake_of_a, *first_of_b, retake_of_b]
    cached, forgetful = folded(records, [1]), folded(records, [1], forgetful=True)

    assert cached.values() == forgetful.values()
    assert cached.state().score == 4.0


@given(drawn=marks, seed=st.integers(0, 999))
def test_mastered_plus_reinstated_minus_withdrawn_is_what_stands(drawn, seed):
    pieces = pieces_of(drawn)
    journal = folded([Decided(STREAK_3), *random.Random(seed).sample(pieces, len(pieces))], [1])
    kinds = journal.kinds()
    standing = sum(value[0] in ("mastered", "reverify_due") for value in journal.values().values())

    told = kinds.count("competency.mastered") + kinds.count("competency.reinstated")
    assert told - kinds.count("competency.withdrawn") == standing


@given(drawn=marks, policy=st.sampled_from(POLICIES), seed=st.integers(0, 999))
def test_sequence_numbers_rise_for_each_scope(drawn, policy, seed):
    shuffled = random.Random(seed).sample(pieces_of(drawn), len(drawn))
    journal = folded([Decided(policy), Decided(framework=GRAPH), *shuffled], [5])
    last: dict[str, int] = {}
    for event in journal.told:
        scope, seq = event.data["scope"]["id"], event.data["seq"]
        assert seq > last.get(scope, -1)
        last[scope] = seq
