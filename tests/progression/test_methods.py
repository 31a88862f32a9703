"""The methods against worked numbers; each case names where its number comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.methods import Value
from services.progression.policy import policy_from


def score(method: dict[str, object], values: list[float], cut: float = 1.0) -> float:
    built = policy_from({"id": "m", "method": method}).rule.tracks[0].method
    state = built.start()
    for value in values:
        state = built.step(state, Value(value, value >= cut))
    return built.score(state)


def test_the_recursive_decaying_average_of_two_three_four_is_three_point_five_two_seven_five():
    """Source: Canvas' specification of its standard decaying average, (2*.35 + 3*.65)*.35 + 4*.65."""
    assert score({"type": "sda", "weight": 0.65}, [2, 3, 4]) == pytest.approx(3.5275, abs=1e-12)


@pytest.mark.parametrize(("values", "expected"), [([1], 1 / 3), ([1, 1, 0], 0), ([0, 1, 1, 1], 1), ([1] * 5, 1)])
def test_a_streak_scores_its_run(values: list[float], expected: float):
    assert score({"type": "streak", "n": 3}, values) == pytest.approx(expected)


@pytest.mark.parametrize(("values", "expected"), [([3], 0.5), ([3, 1, 3], 1), ([3, 1, 1], 0.5), ([3, 3, 1, 1], 0.5)])
def test_n_of_last_counts_within_its_window(values: list[float], expected: float):
    assert score({"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 3}, values) == pytest.approx(expected)


def test_tracing_follows_the_textbook():
    """Source: Corbett & Anderson 1995; one right answer from L0 = .3: (.27/.41) + (1 - .27/.41) * .1."""
    method = {"type": "bkt", "p_l0": 0.3, "p_t": 0.1, "p_g": 0.2, "p_s": 0.1}
    known = 0.3 * 0.9 / (0.3 * 0.9 + 0.7 * 0.2)

    assert score(method, [1]) == pytest.approx(known + (1 - known) * 0.1, abs=1e-12)


def test_tracing_comes_back_down_after_a_very_long_run_of_right_answers():
    """With L alone the probability would round to 1 and stay there."""
    method = {"type": "bkt", "p_l0": 0.3, "p_t": 0.0, "p_g": 0.2, "p_s": 0.1}

    assert score(method, [1.0] * 40 + [0.0] * 60) < 0.01


@given(values=st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=300), p=st.floats(0.05, 0.3))
def test_probabilities_stay_probabilities(values: list[float], p: float):
    assert 0 <= score({"type": "bkt", "p_l0": 0.3, "p_t": p, "p_g": p, "p_s": p}, values) <= 1
