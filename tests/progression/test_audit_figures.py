"""Figures of the audit against worked cases: classification, item bias, surplus work and work without arriving."""

import math
import random
import statistics
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.analysis.audit import Audit
from services.progression.domain.analysis.classification import livingston_lewis
from services.progression.domain.analysis.item_bias import mantel_haenszel
from services.progression.domain.analysis.practice import OverTesting, over_testing_index, wheel_spin
from services.progression.domain.mastery import piece_of
from services.progression.domain.policy import policy_from
from services.progression.domain.policy.rule import Rule
from services.progression.domain.states import Piece
from tests.support.journal import piece

SHARE: dict[str, Any] = {"id": "share", "scale": {"max": 1, "mastery": 0.7}, "method": {"type": "mean"}}
STREAK_1 = policy_from(
    {"id": "one", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}}
).rule
MEAN_OF_3 = policy_from(
    {"id": "three", "method": {"type": "mean_of_last", "k": 3, "at_or_above": 1}, "sufficiency": {"min_evidence": 3},
     "decision": {"latch": "first_crossing"}}
)  # fmt: skip


def test_a_twenty_point_test_with_reliability_three_quarters():
    """Source: Livingston & Lewis with a two-parameter beta, by scipy."""
    found = livingston_lewis(mean=13.0, variance=12.0, reliability=0.75, cut=14, low=0, high=20)

    expected = (27.333333, 5.922222, 3.188889, 0.345307, 0.107674, 0.057892, 0.489127, 0.834434, 0.775763, 0.547525)
    assert list(found) == pytest.approx(list(expected), abs=1e-4)


@given(mean=st.floats(4, 16), share=st.floats(0.05, 0.6), reliability=st.floats(0.3, 0.95), cut=st.integers(1, 20))
def test_the_four_cells_are_shares_of_one_and_consistency_is_no_less_than_chance(
    mean: float, share: float, reliability: float, cut: int
):
    found = livingston_lewis(mean, share * mean * (20 - mean) / 2, reliability, cut, 0, 20)
    cells = found[3:7]

    assert sum(cells) == pytest.approx(1, abs=1e-6)
    assert all(-1e-9 <= cell <= 1 + 1e-9 for cell in cells)
    passed = found.tp + found.fp
    assert found.consistency >= passed**2 + (1 - passed) ** 2 - 1e-9


@pytest.mark.parametrize("wrong", [{"variance": 0.0}, {"reliability": 1.0}, {"cut": 0.0}, {"variance": 200.0}])
def test_moments_that_no_test_has_are_refused(wrong: dict[str, float]):
    good = {"mean": 13.0, "variance": 12.0, "reliability": 0.75, "cut": 14.0, "low": 0.0, "high": 20.0}

    with pytest.raises(ValueError):
        livingston_lewis(**(good | wrong))


def test_an_item_that_is_harder_for_the_focal_group_at_equal_totals():
    """Source: the formulas of Holland & Thayer by hand; three strata of fifty learners a group."""
    found = mantel_haenszel([(30, 20, 24, 26), (40, 10, 34, 16), (45, 5, 42, 8)])

    assert found is not None
    assert list(found)[:5] == pytest.approx([1.728155, -1.285578, 3.503159, 4.021484, 0.044924], abs=1e-5)
    assert found.grade == "B"


def told_again(strata: list[tuple[int, int, int, int]]) -> tuple[float, float, float] | None:
    """Return alpha and both chi-squares from all tables with the margins of each stratum, in fractions."""
    agree = against = off = variance = Fraction(0)
    for a, b, c, d in strata:
        n, reference, right = a + b + c + d, a + b, a + c
        if n < 2:
            continue
        tables = {x: math.comb(reference, x) * math.comb(n - reference, right - x)
                  for x in range(max(0, right + reference - n), min(reference, right) + 1)}  # fmt: skip
        mean = Fraction(sum(x * ways for x, ways in tables.items()), math.comb(n, right))
        variance += sum(((x - mean) ** 2 * ways for x, ways in tables.items()), Fraction(0)) / math.comb(n, right)
        agree, against, off = agree + Fraction(a * d, n), against + Fraction(b * c, n), off + a - mean
    if 0 in (agree, against, variance):
        return None
    corrected = max(Fraction(0), abs(off) - Fraction(1, 2))
    return float(agree / against), float(off**2 / variance), float(corrected**2 / variance)


def test_item_bias_is_that_of_all_tables_with_the_same_margins():
    chance, told = random.Random(1), 0
    for _ in range(400):
        counts = [
            [chance.choice((0, 0, 1, 2, 5, chance.randint(0, 30))) for _ in range(4)]
            for _ in range(chance.randint(0, 5))
        ]
        strata = [(a, b, c, d) for a, b, c, d in counts]
        found, again = mantel_haenszel(strata), told_again(strata)
        told += found is not None
        assert (found is None) == (again is None)
        if found is not None:
            assert (found.alpha, found.chi2, found.chi2_cc) == pytest.approx(again, rel=1e-9)
    assert told > 150


def test_the_error_of_a_bias_is_what_drawing_it_again_gives_and_a_large_one_has_to_be_surely_large():
    """Sixty and forty learners in each of four strata, drawn 400 times."""
    chance, found = random.Random(2), []
    for _ in range(400):
        right = [[sum(chance.random() < p for _ in range(n)) for p, n in ((a, 60), (b, 40))]
                 for a, b in ((0.3, 0.15), (0.5, 0.3), (0.7, 0.5), (0.85, 0.7))]  # fmt: skip
        bias = mantel_haenszel([(a, 60 - a, c, 40 - c) for a, c in right])
        assert bias is not None
        found.append(bias)
    error = statistics.fmean(bias.delta_se for bias in found)
    spread = statistics.stdev(bias.delta for bias in found)

    assert error == pytest.approx(spread, rel=0.1)
    assert all(bias.grade != "C" or bias.delta + 1.645 * bias.delta_se < -1 for bias in found)
    assert {"B", "C"} <= {bias.grade for bias in found if bias.delta <= -1.5}


def test_groups_swapped_turn_the_bias_around():
    one = mantel_haenszel([(30, 20, 24, 26), (40, 10, 34, 16)])
    other = mantel_haenszel([(24, 26, 30, 20), (34, 16, 40, 10)])

    assert one is not None
    assert other is not None
    assert one.delta == pytest.approx(-other.delta)
    assert one.chi2 == pytest.approx(other.chi2)


def test_an_item_that_everybody_has_right_says_nothing():
    assert mantel_haenszel([(30, 0, 24, 0)]) is None
    assert mantel_haenszel([]) is None


def test_five_of_nine_pieces_came_after_the_confirming_fourth():
    assert over_testing_index(4, 9) == OverTesting(5, 5 / 9)
    assert over_testing_index(4, 3) == OverTesting(0, 0)
    assert over_testing_index(0, 0) == OverTesting(0, 0)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([0, 1, 1, 1], "mastered"),
        ([0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1], "wheel_spinning"),
        ([0, 0, 1, 0], "indeterminate"),
        ([0] * 7 + [1] * 3, "mastered"),
        ([0] * 10, "wheel_spinning"),
        ([], "indeterminate"),
    ],
)
def test_three_in_a_row_within_ten_opportunities(answers: list[int], status: str):
    """Source: Beck & Gong 2013; the second gets there at the twelfth."""
    assert wheel_spin([bool(answer) for answer in answers], 3, 10) == status


def audited(marks: list[list[float]], rule: Rule = MEAN_OF_3.rule) -> dict[str, Any]:
    audit = Audit()
    for number, values in enumerate(marks):
        audit.add(
            "math:add", rule, [piece_of(piece(n, mark, learner=f"l{number}")) for n, mark in enumerate(values)], {}
        )
    return audit.report()


def test_evidence_that_says_the_same_twice_is_consistent_and_reliable():
    report = audited([[1.0] * 4, [0.0] * 4] * 20)

    assert report["split_half"] == {"agreement": 1.0, "kappa": 1.0, "reliability": 1.0}
    assert report["replayed"] is None, "a half of four pieces is too little to decide on"
    assert report["classification"] is None, "without error nothing is to be classified"
    assert report["fragile"] is None, "twenty on the record are too few"


def test_where_all_are_alike_nothing_is_beyond_chance_and_nobody_is_told_apart():
    report = audited([[1.0] * 6] * 40)

    assert report["split_half"] == {"agreement": 1.0, "kappa": None, "reliability": None}
    assert report["replayed"] == {"pairs": 40, "agreement": 1.0, "kappa": None}


def test_what_a_re_check_asked_for_is_no_surplus():
    """Shown by two, put in question by the third; the next two answer it, and one more is too many."""
    rule = policy_from(
        {"id": "two", "method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 1},
         "scale": {"max": 1, "mastery": 1}, "decision": {"latch": "first_crossing"},
         "upkeep": {"on_contradiction": {"last": 1, "below": 1}}}
    ).rule  # fmt: skip

    assert audited([[1.0, 1.0, 0.0, 0.0, 1.0, 1.0]] * 40, rule)["over_testing_index"] == round(2 / 6, 4)
    assert audited([[1.0] * 3] * 29, rule)["over_testing_index"] is None, "twenty-nine pairs are too few"


def two_of_three(marks: Sequence[float]) -> int | None:
    """Return after how many marks two of the last three, three at least, are 1."""
    return next((n for n in range(3, len(marks) + 1) if sum(marks[n - 3 : n]) >= 2), None)


def beyond_chance(judged: list[tuple[bool, bool]]) -> tuple[float, float | None]:
    """Return agreement and Cohen's kappa of pairs of judgements, in fractions."""
    n = len(judged)
    agreed = Fraction(sum(one == other for one, other in judged), n)
    firsts, seconds = (Fraction(sum(each[side] for each in judged), n) for side in (0, 1))
    chance = firsts * seconds + (1 - firsts) * (1 - seconds)
    kappa = None if chance == 1 else round(float((agreed - chance) / (1 - chance)), 4)
    return round(float(agreed), 4), kappa


def test_an_audit_is_what_a_plain_reading_of_the_marks_gives():
    """Drawn marks of 0 and 1 of few and of many pairs, from nobody at the cut to all; told by another hand."""
    rule = policy_from(
        {"id": "two", "scale": {"max": 1, "mastery": 1}, "sufficiency": {"min_evidence": 3},
         "method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 1}, "decision": {"latch": "first_crossing"}}
    ).rule  # fmt: skip
    chance = random.Random(8)
    for _ in range(40):
        share = chance.choice((0, 0.2, 0.5, 0.8, 1))
        pairs = [
            [float(chance.random() < share) for _ in range(chance.randint(1, 9))]
            for _ in range(chance.choice((1, 29, 30, 60)))
        ]
        found = audited(pairs, rule)
        long = [marks for marks in pairs if len(marks) >= 4]
        halves = [(sum(marks[::2]) == len(marks[::2]), sum(marks[1::2]) == len(marks[1::2])) for marks in long]
        both = [(two_of_three(marks[::2]) is not None, two_of_three(marks[1::2]) is not None)
                for marks in pairs if len(marks) >= 6]  # fmt: skip
        shown = [(marks, after) for marks in pairs if (after := two_of_three(marks)) is not None]
        fragile = [
            any(two_of_three(marks[:n] + marks[n + 1 :]) is None for n in range(len(marks))) for marks, _ in shown
        ]
        surplus = sum(len(marks) - after for marks, after in shown) / sum(map(len, pairs))

        assert (found["pairs_in_halves"], found["shown"]) == (len(long), len(shown))
        assert found["fragile"] == (round(sum(fragile) / len(shown), 4) if len(shown) >= 30 else None)
        assert found["over_testing_index"] == (round(surplus, 4) if len(pairs) >= 30 else None)
        for told, judged in ((found["split_half"], halves), (found["replayed"], both)):
            assert (told and (told["agreement"], told["kappa"])) == (
                beyond_chance(judged) if len(judged) >= 30 else None
            )


def test_evidence_by_chance_agrees_no_more_than_chance():
    chance = random.Random(4)
    report = audited([[float(chance.random() < 0.5) for _ in range(8)] for _ in range(400)])

    assert abs(report["split_half"]["kappa"]) < 0.15
    assert report["split_half"]["reliability"] < 0.3


def test_a_level_and_an_error_give_the_accuracy_that_a_simulation_of_the_truth_has():
    chance = random.Random(6)
    truths = [chance.betavariate(6, 3) for _ in range(1500)]
    marks = [[float(chance.random() < truth) for _ in range(20)] for truth in truths]
    report = audited(marks, policy_from(SHARE | {"decision": {"at_least": 0.7}}).rule)
    right = sum((sum(values) / 20 >= 0.7) == (truth >= 0.7) for values, truth in zip(marks, truths, strict=True)) / 1500

    assert report["classification"]["accuracy"] == pytest.approx(right, abs=0.04)


def test_what_hangs_on_a_single_piece_is_fragile_and_what_comes_after_the_verdict_is_surplus():
    three = audited([[1.0] * 3] * 40)
    six = audited([[1.0] * 6] * 40)

    assert (three["shown"], three["fragile"], three["over_testing_index"]) == (40, 1.0, 0.0)
    assert (six["fragile"], six["over_testing_index"]) == (0.0, 0.5)


def answered(number: int, focal: bool, chance: random.Random) -> list[Piece]:
    """Ten activities of one level of difficulty; the fifth asks of the focal group what it does not ask of others."""
    ability = chance.gauss(0, 1)
    found = []
    for n in range(10):
        p = 1 / (1 + math.exp(-(ability + 0.3 - (1.5 if n == 4 and focal else 0))))
        found.append(piece_of(piece(n, float(chance.random() < p), learner=f"l{number}", activity=f"task-{n}")))
    return found


def test_an_activity_that_is_harder_for_a_group_at_equal_level_is_named_and_no_other():
    """Six hundred learners by an item response model, a third of them in the focal group, as able as the others."""
    chance, audit = random.Random(7), Audit()
    for number in range(600):
        focal = number % 3 == 0
        audit.add("math:add", STREAK_1, answered(number, focal, chance), {"ell": "yes" if focal else "no"})
    [found] = audit.report()["bias"]

    assert (found["activity"], found["group"], found["focal"], found["reference"]) == ("task-4", "ell", "yes", "no")
    assert (found["grade"], found["learners"]) == ("C", 600)
    assert found["delta"] < -1.5


@pytest.mark.parametrize(("learners", "share"), [(120, 2), (600, 20)], ids=["few of both", "few of one"])
def test_groups_of_few_are_not_judged(learners: int, share: int):
    chance, audit = random.Random(7), Audit()
    for number in range(learners):
        focal = number % share == 0
        audit.add("math:add", STREAK_1, answered(number, focal, chance), {"ell": "yes" if focal else "no"})

    assert audit.report()["bias"] == []


def test_agreement_with_an_outside_test_counts_what_was_on_the_record_before_it_and_is_no_evidence_of_it():
    """Forty on the record of whom ten fail the test; twenty are not, of whom five pass it."""
    audit = Audit("urn:state")
    for number in range(60):
        shown, passes = number < 40, number % 4 != 0 if number < 40 else number % 4 == 0
        work = [piece_of(piece(n, float(shown), learner=f"l{number}")) for n in range(3)]
        test = piece_of(piece(9, float(passes), learner=f"l{number}", source="urn:state", day=5))
        audit.add("math:add", STREAK_1, [*work, test], {})
    report = audit.report()

    assert report["shown"] == 40
    assert report["outside"] == {
        "source": "urn:state", "pairs": 60, "agreement": 0.75, "kappa": 0.4706, "false_advance": 0.25, "false_hold": 0.25
    }  # fmt: skip
    assert Audit().report()["outside"] is None
