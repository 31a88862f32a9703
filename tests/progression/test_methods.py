"""The methods against worked numbers, through the fold that runs in production; each case names its source."""

from typing import Any

import pytest

from services.progression.domain.methods import BayesianKnowledgeTracing, Value, method_from
from services.progression.domain.methods.item_response import ItemResponse
from services.progression.domain.methods.power_law import PowerLaw
from services.progression.domain.policy import policy_from
from shared.contracts.internal_events import Score
from tests.support.journal import Decided, Journal, piece

SDA = {"type": "sda", "weight": 0.65}
WDA = {"type": "wda", "latest_weight": 0.65}
THREE = {"type": "n_mastery", "n": 3, "at_or_above": 3}
TWO_OF_THREE = {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 3}
LAST_THREE = {"type": "mean_of_last", "k": 3, "at_or_above": 3}
TRACING = {"type": "bkt", "p_l0": 0.4, "p_t": 0.1, "p_g": 0.2, "p_s": 0.1}
FORGETTING = {"type": "bkt", "p_l0": 0.5, "p_t": 0.2, "p_g": 0.2, "p_s": 0.1, "p_f": 0.05}
CUSUM = {"type": "cusum", "p0": 0.5, "p1": 0.9, "bar": 2.0794415}
BETA = {"type": "beta_binomial", "prior": [1, 1], "cut": 0.8}
GROWTH = {"type": "growth_filter", "mu0": 2, "var0": 1, "drift": 0.1, "process_var": 0.03, "obs_var": 0.4, "cut": 3}
ITEMS = {"i1": [1, -1], "i2": [1, 0], "i3": [1, 0.5], "i4": [1, 1], "i5": [1, 1.5]}
RASCH = {"type": "irt_eap", "items": ITEMS, "cut": 0.5}


def values(*marks: float, cut: float = 3.0) -> list[Value]:
    return [Value(mark, mark >= cut) for mark in marks]


def answers(*marks: int) -> list[Value]:
    return values(*marks, cut=1.0)


def score(method: dict[str, Any], pieces: list[Value]) -> float:
    built = method_from(method)
    return built.score(built.replay(pieces))


def passed(method: dict[str, Any], pieces: list[Value], cut: float = 3.0) -> bool:
    built = method_from(method)
    state = built.replay(pieces)
    return built.passed(state, built.score(state), cut)


@pytest.mark.parametrize(
    ("method", "marks", "expected"),
    [
        pytest.param(SDA, [2, 3, 4], 3.5275, id="recursive: Canvas' specification, (2*.35 + 3*.65)*.35 + 4*.65"),
        pytest.param(SDA, [1, 2, 3, 4], 3.484625, id="recursive: Mastery Connect's help, 3.48"),
        pytest.param(WDA, [2, 3, 4], 3.475, id="latest against mean: Canvas' specification, 3.48 rounded"),
        pytest.param(WDA, [3], 3, id="latest against mean: one score is itself"),
        pytest.param(THREE, [4, 5, 1, 3, 2, 3], 3.75, id="n_mastery: Canvas, the mean of all at mastery"),
        pytest.param(THREE, [3, 1, 2], 0, id="n_mastery: Canvas has none with one of three"),
        pytest.param(TWO_OF_THREE, [3, 1, 3], 1, id="2 of the last 3"),
        pytest.param(TWO_OF_THREE, [3, 3, 1, 1], 0.5, id="2 of the last 3, one outside"),
        pytest.param(TWO_OF_THREE | {"window": "all"}, [3, 1, 1, 1, 3], 1, id="2 of all: Federal Way 2011-13"),
        pytest.param(LAST_THREE, [1, 2, 3, 4], 3, id="mean of the last 3"),
        pytest.param({"type": "mean"}, [1, 2, 3, 4], 2.5, id="mean"),
        pytest.param({"type": "highest"}, [1, 4, 2], 4, id="highest"),
        pytest.param({"type": "latest"}, [1, 4, 2], 2, id="latest"),
        pytest.param({"type": "latest_at_or_above", "cut": 3}, [1, 4, 2], 2, id="latest with a cut of its own"),
        pytest.param({"type": "median", "window": 9}, [1, 2, 2, 2, 3, 3, 4], 2, id="median: TeacherEase's help"),
        pytest.param({"type": "median", "window": 4}, [4, 1, 2, 3, 4], 2.5, id="median of an even number"),
        pytest.param({"type": "mode", "ties": "higher"}, [2, 3, 3, 2, 1], 3, id="mode: Mastery Connect"),
        pytest.param({"type": "mode", "ties": "most_recent"}, [2, 3, 3, 2, 1], 2, id="mode: Educate's help"),
        pytest.param({"type": "power_law"}, [3, 3, 1, 3, 4, 4], 3.07, id="power law: mrmathman.com 2014, 3.07"),
        pytest.param({"type": "power_law"}, [2, 2.5, 3, 4], 3.68, id="power law by the formula"),
        pytest.param({"type": "power_law"}, [3, 4], 3.5, id="power law: the mean of fewer than three"),
        pytest.param({"type": "power_law"}, [0, 4, 4, 4], 3, id="power law: the mean where a zero has no logarithm"),
        pytest.param(GROWTH | {"drift": 0}, [2], 0.03068441, id="growth filter: Phi((2 - 3) / sqrt(2/7))"),
    ],
)
def test_the_fold_gives_the_numbers_of_the_source(method: dict[str, Any], marks: list[float], expected: float):
    """What runs is the journal of a shard, a policy and scores; so the class of the fold is what gives them."""
    policy = policy_from({"id": "worked", "scale": {"max": 5, "mastery": 3}, "method": method})
    evidence = [piece(n, score=Score(level=float(mark))) for n, mark in enumerate(marks)]
    state = Journal().fold([Decided(policy)]).fold(evidence).state()

    assert state.score == pytest.approx(expected, abs=0.005 if expected in (3.07, 3.68) else 1e-8)


def test_a_power_law_is_fitted_to_the_logarithms_and_read_at_the_last_score():
    """Source: mrmathman.com 2014, "Power failure": 3, 3, 1, 3 gives 1.90; coefficients by the formula."""
    method = PowerLaw(type="power_law")
    state = method.replay(values(3, 3, 1, 3))

    assert method.fit(state) == pytest.approx((2.911825, -0.308139), abs=1e-5)
    assert method.score(state) == pytest.approx(1.899534, abs=1e-6)


@pytest.mark.parametrize(("marks", "expected"), [([1], 1 / 3), ([1, 1, 0], 0), ([0, 1, 1, 1], 1), ([1] * 5, 1)])
def test_a_streak_scores_its_run(marks: list[int], expected: float):
    assert score({"type": "streak", "n": 3}, answers(*marks)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("method", "marks", "known"),
    [
        (TRACING, [1, 1, 1, 1], [0.775, 0.94545455, 0.98860759, 0.99770115]),
        (FORGETTING, [1, 1, 1, 0, 1], [0.81363636, 0.91367395, 0.93457677, 0.6807617, 0.87921893]),
    ],
)
def test_tracing_follows_the_textbook(method: dict[str, Any], marks: list[int], known: list[float]):
    """Source: pyBKT 1.4.3 `predict_onestep` and the update of Corbett & Anderson 1995."""
    assert [score(method, answers(*marks[: n + 1])) for n in range(len(marks))] == pytest.approx(known, abs=1e-8)


def test_tracing_foretells_the_next_answer_and_tells_what_one_answer_shows():
    """Source: as above, before the answer and before the transition."""
    method = BayesianKnowledgeTracing.model_validate(TRACING)
    state = method.replay(answers(1))

    assert method.p_correct(state) == pytest.approx(0.7425)
    assert method.observed(state, *answers(1)) == pytest.approx(0.93939394, abs=1e-8)


def test_early_failures_leave_no_debt_in_a_cumulative_sum():
    """Source: Page 1954; after three failures the fourth right answer in a row passes a bar of 2.08."""
    method = method_from(CUSUM)
    states = [method.replay(answers(0, 0, 0, *[1] * n)) for n in range(5)]

    assert [state[0] for state in states] == pytest.approx([0, 0.587787, 1.175573, 1.76336, 2.351147], abs=1e-6)
    assert [method.passed(state, method.score(state), 1.0) for state in states] == [False, False, False, False, True]
    assert method.score(states[2]) == pytest.approx(1.175573 / 2.0794415, abs=1e-6)


def test_a_posterior_that_reaches_its_bar_exactly_is_not_missed_by_a_float():
    method = method_from(BETA | {"cut": 0.5})
    halves = method.replay([Value(1.0, True)] * 4 + [Value(0.0, False)] * 4)

    assert method.score(halves) == 0.5


def test_the_posterior_of_a_share_is_that_of_the_beta_distribution():
    """Source: scipy's beta.sf(0.8, 9, 3)."""
    assert score(BETA, answers(*[1] * 8, 0, 0)) == pytest.approx(0.38259845, abs=1e-8)


@pytest.mark.parametrize(
    ("right", "wrong", "cut", "enough"),
    [
        (3, 0, 0.8, False),
        (4, 0, 0.8, True),
        (9, 1, 0.8, False),
        (10, 1, 0.8, True),
        (2, 0, 0.7, False),
        (3, 0, 0.7, True),
    ],
)
def test_how_much_evidence_a_share_needs_from_jeffreys_prior(right: int, wrong: int, cut: float, enough: bool):
    """Source: quantiles of the beta distribution; P(p >= .8) >= .8 takes 4 of 4 or 10 of 11, P(p >= .7) >= .8 takes 3 of 3."""
    method = BETA | {"prior": [0.5, 0.5], "cut": cut}

    assert passed(method, answers(*[1] * right, *[0] * wrong)) == enough


def test_ability_is_the_mean_of_its_posterior():
    """Source: quadrature of the Rasch model with scipy, 121 points from -6 to 6."""
    method = ItemResponse.model_validate(RASCH)
    marks = zip(ITEMS, (1, 1, 1, 0, 0), strict=True)
    state = method.replay([Value(mark, mark == 1, item=item) for item, mark in marks])

    assert method.estimate(state) == pytest.approx((0.457536, 0.709003), abs=1e-4)
    assert method.score(state) == pytest.approx(0.504354, abs=1e-4)
    assert method.step(state, Value(1, True, item="another")) == state


def test_growth_is_filtered_with_its_variance():
    """Source: the scalar Kalman filter by hand; the third score weighs twice."""
    method = method_from(GROWTH)
    pieces = [piece._replace(weight=weight) for piece, weight in zip(values(2, 3, 3, 3.5), (1, 1, 2, 1), strict=True)]
    found = [(*method.replay(pieces[:n]), method.score(method.replay(pieces[:n]))) for n in (1, 2, 3, 4)]

    assert [number for row in found for number in row] == pytest.approx(
        [2, 0.28571429, 0.03068441, 2.49700599, 0.17644711, 0.11556659,
         2.80169916, 0.10158621, 0.26691594, 3.04979958, 0.09901401, 0.56287492], abs=1e-8
    )  # fmt: skip


def test_only_first_attempts_count_for_first_attempt():
    pieces = [Value(1, True), Value(0, False, first=False), Value(0, False), Value(1, True, first=False)]

    assert score({"type": "first_attempt"}, pieces) == 0.5
    assert score({"type": "first_attempt"}, pieces[1:2]) == 0
    assert not passed({"type": "first_attempt"}, pieces[1:2], 0.0)


def test_only_a_human_judgement_counts_for_teacher_and_the_latest_decides():
    pieces = [Value(4, True, judged=True), Value(4, True), Value(2, False, judged=True), Value(4, True)]

    assert score({"type": "teacher"}, pieces) == 2
    assert (passed({"type": "teacher"}, pieces), passed({"type": "teacher"}, pieces[:2])) == (False, True)
    assert not passed({"type": "teacher"}, pieces[1:2])


def test_two_methods_joined_pass_together_and_score_as_the_first():
    """Source: the provisional rule of a classroom, the latest at 3 and 2 of the last 3."""
    joined = {"type": "latest_at_or_above", "cut": 3, "and": TWO_OF_THREE}

    assert (passed(joined, values(3, 3)), passed(joined, values(1, 3)), passed(joined, values(3, 3, 2))) == (
        True,
        False,
        False,
    )
    assert score(joined, values(3, 3, 2)) == 2
    assert method_from(joined).window() == 3


@pytest.mark.parametrize(
    "method", [{"type": "mean"}, SDA, WDA, {"type": "mean_of_last", "k": 3, "at_or_above": 0.7}, {"type": "median"}]
)
def test_pieces_that_are_all_at_the_cut_pass_it(method: dict[str, Any]):
    """In binary the mean of three times 0.7 is below 0.7."""
    assert sum([0.7] * 3) / 3 < 0.7

    assert passed(method, values(0.7, 0.7, 0.7, cut=0.7), 0.7)
    assert score(method, values(0.7, 0.7, 0.7)) >= 0.7


@pytest.mark.parametrize("method", [{"type": "mean"}, {"type": "mean_of_last", "k": 2, "at_or_above": 3}])
def test_a_lighter_piece_moves_a_mean_less(method: dict[str, Any]):
    full, half = values(4, 1), [*values(4), Value(1, False, weight=0.5)]

    assert (score(method, full), score(method, half)) == (2.5, 3)
    assert method_from(method).weighs
    assert not method_from({"type": "latest"}).weighs


def test_the_mean_of_the_last_three_waits_for_three():
    assert not passed(LAST_THREE, values(4, 4))
    assert passed(LAST_THREE, values(3, 3, 3))
