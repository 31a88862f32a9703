"""Redundant evidence: cases by hand, what holds of any history, and what simulated learners then did."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.analysis.audit import PAIRS_MIN, Audit
from services.progression.domain.analysis.redundancy import CHANCE_MIN, Redundancy, judged, likely_run
from services.progression.domain.evidence_rules import composites
from services.progression.domain.mastery import KeyState, piece_of, replay
from services.progression.domain.policy import policy_from
from services.progression.domain.policy.rule import Rule
from services.progression.domain.standing import status_of
from services.progression.domain.states import Piece
from tests.support.journal import STREAK_3, piece

MEAN: dict[str, Any] = {
    "id": "mean", "scale": {"max": 1, "mastery": 0.7}, "evidence": {"kinds": {"practice": 0}}, "method": {"type": "mean"},
    "decision": {"at_least": 0.7}, "sufficiency": {"min_evidence": 3},
}  # fmt: skip
TWICE: dict[str, Any] = {
    "id": "twice", "scale": {"max": 1, "mastery": 1}, "method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 1},
    "decision": {"latch": "first_crossing"},
}  # fmt: skip
FOLLOWED = policy_from(MEAN).rule
ONE_SLIP = policy_from(TWICE | {"upkeep": {"on_contradiction": {"last": 1, "below": 1}}}).rule
TWO_SLIPS = policy_from(TWICE | {"upkeep": {"on_contradiction": {"last": 2, "below": 1}}}).rule
SIGNED = policy_from(TWICE | {"sign_off": {"by": "teacher"}}).rule
RULES = [FOLLOWED, ONE_SLIP, TWO_SLIPS, SIGNED, STREAK_3.rule]


def work(marks: list[float], **more: Any) -> list[Piece]:
    """Build pieces of one learner, a day after the other."""
    return [piece_of(piece(n, mark, day=n + 1, **more)) for n, mark in enumerate(marks)]


def told(rule: Rule, pieces: list[Piece]) -> tuple[int, int, int]:
    """Return (pieces, redundant while shown, redundant before)."""
    found = Redundancy()
    found.add(judged(rule, composites(rule, pieces)))
    return found.pieces, found.shown, found.unshown


@pytest.mark.parametrize(
    ("alike", "others", "run"),
    [(0, 2, 2), (0, 3, 1), (0, 9, 1), (0, 10, 0), (1, 3, 3), (10, 0, 12)],
    ids=["1/6 1/16 1/32", "1/8 3/80", "1/20 3/440", "1/22", "3/10 1/8 1/16 9/256", "as long as is tried"],
)
def test_how_long_a_run_is_likely_enough(alike: int, others: int, run: int):
    assert likely_run(alike, others) == run


@pytest.mark.parametrize(
    ("rule", "marks", "expected"),
    [
        (FOLLOWED, [1] * 3, (3, 0, 0)),
        (FOLLOWED, [1] * 8, (8, 5, 0)),
        (FOLLOWED, [1, 1, 1, 0, 1], (5, 1, 0)),
        (FOLLOWED, [0] * 8, (8, 0, 5)),
        (FOLLOWED, [0, 1, 0, 1], (4, 0, 0)),
        (ONE_SLIP, [1] * 10, (10, 0, 0)),
        (ONE_SLIP, [1] * 11, (11, 1, 0)),
        (TWO_SLIPS, [1] * 6, (6, 3, 0)),
        (ONE_SLIP, [1, 1, 0, 1, 1], (4, 0, 0)),
        (SIGNED, [1, 1, 1], (3, 0, 1)),
    ],
    ids=[
        "too little evidence: never",
        "far above: one slip of four leaves 0.75, and two have a chance of 3/80",
        "at the border: one slip of five leaves 0.6, and has a chance of 3/10",
        "far below: of four one right gives 0.25, and two have a chance of 3/80",
        "four right in a row show it, with a chance of 9/128",
        "a first slip after nine has 1/20",
        "and after ten 1/22",
        "two slips after two have 1/16, after three 3/80",
        "what a re-check asked for is no surplus",
        "only a signature is missing",
    ],
)
def test_pieces_that_could_hardly_change_the_status(rule: Rule, marks: list[float], expected: tuple[int, int, int]):
    assert told(rule, work(marks)) == expected


def test_practice_that_does_not_count_is_no_test():
    assert told(FOLLOWED, work([1.0] * 9, kind="practice")) == (0, 0, 0)


@given(st.sampled_from(RULES), st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=14))
def test_a_piece_that_changed_the_status_as_one_could_expect_was_not_redundant(rule: Rule, marks: list[float]):
    pieces = work(marks)
    units = composites(rule, pieces)
    found = list(judged(rule, units))
    counted = Redundancy()
    counted.add(found)

    assert found[0] == ("no_evidence", False)
    assert counted.shown + counted.unshown == sum(redundant for _, redundant in found) <= counted.pieces
    for n, (status, redundant) in enumerate(found):
        after = status_of(replay(KeyState(), pieces[: n + 1], rule, ""), rule)
        alike = marks[:n].count(marks[n])
        assert status == status_of(replay(KeyState(), pieces[:n], rule, ""), rule)
        assert not redundant or after == status or likely_run(alike, n - alike) == 0


def test_of_simulated_learners_fewer_than_one_in_twenty_redundant_pieces_changed_anything():
    """Two hundred learners whose share of right answers is any, as Jeffreys' prior has it, and stays what it is."""
    chance = random.Random(5)
    changed: dict[bool, list[bool]] = {True: [], False: []}
    audit = Audit()
    for number in range(200):
        share = chance.betavariate(0.5, 0.5)
        pieces = work([float(chance.random() < share) for _ in range(20)], learner=f"l{number}")
        found = list(judged(ONE_SLIP, composites(ONE_SLIP, pieces)))
        for (status, redundant), (following, _) in pairwise(found):
            if status in ("mastered", "not_yet"):
                changed[redundant].append(following != status)
        audit.add("math:add", ONE_SLIP, pieces, {})
    report = audit.report()["redundancy"]
    shares = {redundant: sum(each) / len(each) for redundant, each in changed.items()}

    assert min(map(len, changed.values())) > 200
    assert shares[True] < CHANCE_MIN < shares[False]
    assert report["share"] == pytest.approx(report["shown"] + report["unshown"], abs=2e-4)
    assert 0.1 < report["share"] < 0.9


def test_of_few_learners_no_share_is_told():
    audit = Audit()
    for number in range(PAIRS_MIN):
        assert audit.report()["redundancy"] is None
        audit.add("math:add", FOLLOWED, work([1.0] * 5, learner=f"l{number}"), {})

    assert audit.report()["redundancy"] == {"pieces": 5 * PAIRS_MIN, "share": 0.4, "shown": 0.4, "unshown": 0.0}
