"""Bounds, chances, summaries and the functions under them, against published or exact numbers."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.analysis.bounds import jeffreys_lower, wilson_lower
from services.progression.domain.analysis.chance import p_run_by_chance
from services.progression.domain.analysis.summary import aggregate
from services.progression.domain.distributions import beta_cdf, beta_quantile, normal_cdf
from services.progression.domain.rounding import round_half_up_repr, settled


def test_lower_bounds_of_nine_in_ten_at_ninety_per_cent():
    """Source: Wilson 1927 by the formula, Jeffreys by scipy's beta.ppf."""
    assert wilson_lower(9, 10, 1.2815515655446004) == pytest.approx(0.7175557, abs=1e-6)
    assert jeffreys_lower(9, 10, 0.1) == pytest.approx(0.72543825, abs=1e-8)


def test_nothing_right_has_no_lower_bound_and_nothing_answered_neither():
    assert (wilson_lower(0, 0, 1.64), jeffreys_lower(0, 0, 0.1), jeffreys_lower(0, 5, 0.1)) == (0, 0, 0)
    assert wilson_lower(0, 5, 1.64) == pytest.approx(0)


@pytest.mark.parametrize(("right", "n"), [(3, 2), (-1, 2)])
def test_more_right_than_answered_is_refused(right: int, n: int):
    with pytest.raises(ValueError):
        wilson_lower(right, n, 1.64)
    with pytest.raises(ValueError):
        jeffreys_lower(right, n, 0.1)


@given(right=st.integers(0, 60), wrong=st.integers(0, 60))
def test_a_lower_bound_is_a_share_below_the_one_seen(right: int, wrong: int):
    n = right + wrong

    for bound in (wilson_lower(right, n, 1.28), jeffreys_lower(right, n, 0.1)):
        assert 0 <= bound <= (right / n if n else 0) + 1e-12


@pytest.mark.parametrize(("trials", "p", "expected"), [(10, 0.25, 0.09609985), (10, 0.5, 0.5078125), (2, 0.9, 0.0)])
def test_luck_reaches_three_in_a_row(trials: int, p: float, expected: float):
    """Source: exact Markov recursion; with a fair coin 520 of 1,024 rows of ten."""
    assert p_run_by_chance(3, trials, p) == pytest.approx(expected, abs=1e-8)


@given(n=st.integers(1, 4), trials=st.integers(0, 9), p=st.floats(0, 1))
def test_the_chance_of_a_run_is_that_of_all_rows_that_have_one(n: int, trials: int, p: float):
    rows = [row for row in itertools.product("01", repeat=trials) if "1" * n in "".join(row)]
    expected = sum(p ** row.count("1") * (1 - p) ** row.count("0") for row in rows)

    assert p_run_by_chance(n, trials, p) == pytest.approx(expected, abs=1e-12)


def test_a_mean_hides_what_a_median_shows():
    """Source: Canvas' specification of its class roll-up."""
    assert aggregate([1, 2, 3, 40]) == (11.5, 2.5)
    assert aggregate([1, 2, 2]) == (1.67, 2)
    assert aggregate([]) is None


@given(x=st.floats(0, 1), a=st.integers(1, 40), b=st.integers(1, 40))
def test_the_beta_distribution_is_the_tail_of_a_binomial(x: float, a: int, b: int):
    """Source: DLMF 8.17.5: I_x(a, b) = P(at least a of a + b - 1)."""
    n = a + b - 1
    tail = math.fsum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))

    assert beta_cdf(x, a, b) == pytest.approx(tail, abs=1e-12)


@given(x=st.floats(0.001, 0.999), a=st.floats(0.5, 300), b=st.floats(0.5, 300))
def test_the_beta_distribution_is_symmetric_and_its_quantile_inverts_it(x: float, a: float, b: float):
    p = beta_cdf(x, a, b)

    assert 0 <= p <= 1
    assert p + beta_cdf(1 - x, b, a) == pytest.approx(1, abs=1e-12)
    if 1e-9 < p < 1 - 1e-9:
        assert beta_cdf(beta_quantile(p, a, b), a, b) == pytest.approx(p, abs=1e-10)


def test_the_beta_distribution_holds_for_a_hundred_thousand_pieces():
    """Near its mean the distribution is normal, within 0.001 by the Berry-Esseen bound at this size."""
    a, b = 80_000.0, 20_000.0
    deviation = math.sqrt(0.8 * 0.2 / 100_001)

    assert beta_cdf(0.8 + deviation, a, b) == pytest.approx(normal_cdf(1), abs=2e-3)


def test_the_normal_distribution_has_its_textbook_values():
    assert [normal_cdf(z) for z in (0, 1.959964, -1.281552)] == pytest.approx([0.5, 0.975, 0.1], abs=1e-6)


@pytest.mark.parametrize(
    ("x", "expected"), [(2.675, 2.68), (1.005, 1.01), (0.285, 0.29), (3.475, 3.48), (-2.675, -2.68)]
)
def test_halves_of_the_decimal_that_is_shown_are_rounded_away_from_zero(x: float, expected: float):
    """Source: Ruby 3.1 Float#round(2); Python's own round gives 2.67, 1.0 and 0.28."""
    assert round_half_up_repr(x, 2) == expected


@pytest.mark.parametrize("x", [math.nan, math.inf])
def test_what_is_no_number_is_not_rounded(x: float):
    with pytest.raises(ValueError):
        round_half_up_repr(x, 2)


@given(x=st.integers(-10_000, 10_000), ndigits=st.integers(0, 4))
def test_a_decimal_of_as_many_digits_stays_as_it_is(x: int, ndigits: int):
    exact = x / 10**ndigits

    assert round_half_up_repr(exact, ndigits) == exact
    assert settled(exact + 1e-15) == pytest.approx(exact, abs=1e-12)
