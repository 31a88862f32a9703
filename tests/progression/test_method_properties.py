"""What holds for every method, whatever the evidence: each name of the language has its parameters here."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.methods import NAMES, Method, State, Value, method_from
from services.progression.domain.policy import policy_from
from shared.contracts.internal_events import Score
from tests.support.journal import Decided, Journal, piece, retract

GROWTH = {"mu0": 2, "var0": 1, "drift": 0.1, "process_var": 0.03, "obs_var": 0.4, "cut": 3}
PARAMETERS: dict[str, dict[str, Any]] = {
    "streak": {"n": 3},
    "sda": {"weight": 0.65},
    "wda": {"latest_weight": 0.65},
    "n_of_last": {"n": 2, "window": 3, "at_or_above": 3},
    "n_mastery": {"n": 3, "at_or_above": 3},
    "mean_of_last": {"k": 3, "at_or_above": 3},
    "latest_at_or_above": {"cut": 3, "and": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 3}},
    "highest": {},
    "latest": {},
    "mean": {},
    "median": {"window": 5},
    "mode": {"window": 5, "ties": "most_recent"},
    "power_law": {"clip": True},
    "bkt": {"p_l0": 0.3, "p_t": 0.1, "p_g": 0.2, "p_s": 0.1, "p_f": 0.05},
    "cusum": {"p0": 0.5, "p1": 0.9, "bar": 2.08},
    "beta_binomial": {"prior": [0.5, 0.5], "cut": 0.8},
    "irt_eap": {"items": {"a": [1, -1], "b": [1.5, 0.5]}, "cut": 0.5},
    "growth_filter": GROWTH,
    "first_attempt": {},
    "teacher": {},
}
METHODS = [pytest.param(method_from({"type": name} | given), id=name) for name, given in PARAMETERS.items()]
LOOKING_BACK = ("n_of_last", "mean_of_last", "latest_at_or_above", "latest", "median", "mode")
WITHIN_0_TO_1 = ("streak", "n_of_last", "bkt", "cusum", "beta_binomial", "irt_eap", "growth_filter")
WITHIN_THE_VALUES = ("sda", "wda", "mean", "mean_of_last", "latest", "highest", "latest_at_or_above", "median", "mode")
STATE = msgspec.msgpack.Decoder(tuple[int | float | bool, ...])

marks = st.sampled_from([n / 2 for n in range(9)]) | st.floats(0, 4)
values = st.builds(
    lambda mark, weight, first, judged, item: Value(mark, mark >= 3, weight, first, judged, item),
    marks, st.sampled_from([0.5, 1.0, 1.5]), st.booleans(), st.booleans(), st.sampled_from(["a", "b", "c"]),
)  # fmt: skip


def stored(state: State) -> State:
    """Write a state as a shard's owner does, and read it back."""
    return STATE.decode(msgspec.msgpack.encode(state))


def test_every_method_of_the_language_is_held_to_these_properties():
    assert set(PARAMETERS) == set(NAMES)


@pytest.mark.parametrize("method", METHODS)
@given(pieces=st.lists(values, max_size=30))
def test_a_state_is_plain_data_and_steps_from_storage_equal_a_replay(method: Method, pieces: list[Value]):
    state = stored(method.start())
    for each in pieces:
        state = stored(method.step(state, each))

    assert msgspec.msgpack.encode(state) == msgspec.msgpack.encode(method.replay(pieces))
    assert method.score(state) == method.score(method.replay(pieces))


@pytest.mark.parametrize("name", LOOKING_BACK)
@given(pieces=st.lists(values, min_size=1, max_size=30))
def test_a_state_that_looks_back_over_so_many_pieces_follows_from_those_alone(name: str, pieces: list[Value]):
    method = method_from({"type": name} | PARAMETERS[name])
    latest = pieces[-method.looks_back() :]

    assert msgspec.msgpack.encode(method.replay(latest)) == msgspec.msgpack.encode(method.replay(pieces))


@pytest.mark.parametrize("name", WITHIN_0_TO_1)
@given(pieces=st.lists(values, max_size=200))
def test_a_share_or_a_probability_lies_between_0_and_1(name: str, pieces: list[Value]):
    method = method_from({"type": name} | PARAMETERS[name])

    assert 0 <= method.score(method.replay(pieces)) <= 1


@pytest.mark.parametrize("name", WITHIN_THE_VALUES)
@given(pieces=st.lists(values, min_size=1, max_size=30))
def test_a_typical_score_lies_between_the_lowest_and_the_highest_value(name: str, pieces: list[Value]):
    method = method_from({"type": name} | PARAMETERS[name])
    given_marks = [each.value for each in pieces]

    assert min(given_marks) - 1e-9 <= method.score(method.replay(pieces)) <= max(given_marks) + 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_a_state_does_not_grow_with_the_history(method: Method):
    pieces = [Value(n % 9 / 2, n % 9 >= 6, judged=True, item="a") for n in range(400)]

    assert len(method.replay(pieces)) == len(method.replay(pieces[:200]))


@pytest.mark.parametrize("method", METHODS)
def test_what_no_piece_speaks_to_scores_0_to_1_and_never_raises(method: Method):
    """A policy's evidence may all be of a kind that a method passes over, such as a teacher's rule without judgements."""
    assert 0 <= method.score(method.start()) <= 1


@pytest.mark.parametrize("name", list(PARAMETERS))
@settings(max_examples=15)
@given(data=st.data(), given_marks=st.lists(st.sampled_from([1, 2, 2.5, 3, 3.5, 4]), min_size=1, max_size=8))
def test_any_order_of_arrival_gives_the_score_of_the_order_of_occurrence(
    name: str, data: st.DataObject, given_marks: list[float]
):
    method = {"type": name} | PARAMETERS[name]
    policy = policy_from({"id": "p", "scale": {"max": 4, "mastery": 3}, "method": method})
    pieces = [piece(n, score=Score(level=mark)) for n, mark in enumerate(given_marks)]
    in_order, shuffled = Journal().fold([Decided(policy)]), Journal().fold([Decided(policy)])
    in_order.fold(pieces)
    for each in data.draw(st.permutations(pieces)):
        shuffled.fold([each], drop_cache=data.draw(st.booleans()))

    assert shuffled.values() == in_order.values()


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_a_retracted_piece_is_as_if_it_had_never_been(name: str):
    """Source: golden case of tracing, 1 0 1 1 without the second equals 1 1 1."""
    method = {"type": name} | PARAMETERS[name]
    policy = policy_from({"id": "p", "scale": {"max": 4, "mastery": 3}, "method": method})
    pieces = [piece(n, score=Score(level=mark)) for n, mark in enumerate((3.0, 1.0, 4.0, 3.0))]
    retracted = Journal().fold([Decided(policy)]).fold(pieces).fold([retract(pieces[1])])
    without = Journal().fold([Decided(policy)]).fold([pieces[0], *pieces[2:]])

    assert retracted.state().score == without.state().score


@given(pieces=st.lists(values, max_size=20), more=values)
def test_what_is_at_mastery_is_counted_once_and_never_uncounted(pieces: list[Value], more: Value):
    method = method_from({"type": "n_mastery"} | PARAMETERS["n_mastery"])
    before = method.replay(pieces)

    assert method.step(before, more)[0] - before[0] == (more.value >= 3)


@given(right=st.integers(0, 3000), p_t=st.sampled_from([0.0, 0.1, 0.5]))
def test_tracing_never_sticks_at_mastery_or_away_from_it(right: int, p_t: float):
    """However long the run, 400 answers to the contrary turn the belief."""
    method = method_from({"type": "bkt", "p_l0": 0.3, "p_t": p_t, "p_g": 0.2, "p_s": 0.1})
    yes, no = Value(1.0, True), Value(0.0, False)
    high = method.replay([yes] * right + [no] * 400)
    low = method.replay([no] * right + [yes] * 400)

    assert method.score(high) < 0.6
    assert method.score(low) > 0.9
    assert all(0 <= part <= 1 for part in (*high, *low))
