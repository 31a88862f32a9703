"""
One more piece costs the same however long the history is, by lines of Python executed and by bytes of state, under every
method, and where the policy may count an activity twice.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.progression.domain import evidence_rules
from services.progression.domain.entry import Entry
from services.progression.domain.inputs import input_of
from services.progression.domain.mastery import KeyState, add, piece_of
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.policy.rule import Rule
from services.progression.domain.rules import Activation, Rules
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.telling import Trigger
from shared.contracts.internal_events import Score
from tests.progression.test_any_policy import batches, journalled, replayed
from tests.progression.test_method_properties import PARAMETERS
from tests.support.journal import piece
from tests.support.policies import policies, random_work

FEW, MANY = 60, 6_000


def rules() -> list[Any]:
    content = {"scale": {"min": 0, "max": 4, "mastery": 3}, "decision": {"latch": "current"}}
    return [
        pytest.param(policy_from(content | {"id": name, "method": {"type": name} | given}).rule, id=name)
        for name, given in PARAMETERS.items()
        if name != "teacher"  # counts no evidence
    ]


def after(pieces: int, rule: Rule) -> tuple[KeyState, int]:
    """Return the state after so many pieces, and the lines executed for the last one."""
    state, lines = KeyState(), 0
    for n in range(1, pieces + 1):
        day, mark = 1 + n // 300, (n * 7 % 5)
        made = piece_of(piece(n, day=day, score=Score(level=float(mark)), activity=f"a{n}", kind="performance"))
        if n == pieces:
            lines = lines_of(lambda made=made: add(state, made, rule))  # type: ignore[misc]
        else:
            add(state, made, rule)
    return state, lines


def lines_of(work: Callable[[], None]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("rule", rules())
def test_a_step_costs_no_more_after_thousands_of_pieces(rule: Rule):
    assert rule.plain
    few, lines_few = after(FEW, rule)
    many, lines_many = after(MANY, rule)

    assert 0 < lines_many <= lines_few * 1.5
    # Digits grow, and the ids of the last few pieces; lists do not.
    assert len(msgspec.msgpack.encode(many)) <= len(msgspec.msgpack.encode(few)) + 100


def after_activities(count: int) -> tuple[Entry, int]:
    """Return a key after so many activities under a policy that one may count twice in, and the lines of the last."""
    policy = policy_from({"id": "collapsing", "scale": {"min": 0, "max": 4, "mastery": 3}, "method": {"type": "mean"},
                          "evidence": {"collapse": "activity_occasion"}})  # fmt: skip
    rules = Rules()
    rules.activate(Activation(1, Trigger("decision", 1, "2026-01-01T00:00:00.000000Z", "policy"), "", policy))
    key = ("school", "ada", "math:add")
    fold = ShardFold({key: Entry(rules.new_state(key[2]), rules.no, {})}, {"school": rules}, {policy.hash: policy})
    lines = 0
    for n in range(1, count + 1):
        made = piece(n, day=1 + n // 300, score=Score(level=3.0), activity=f"a{n}", kind="performance")
        item = input_of("school", made.evidence_id, n, made.occurred_at, made)
        if n == count:
            lines = lines_of(lambda item=item: fold.fold(item))  # type: ignore[misc]
        else:
            fold.fold(item)
    return fold.entries[key], lines


def test_a_policy_that_may_count_an_activity_twice_costs_no_more_after_thousands_of_them():
    few, lines_few = after_activities(FEW)
    many, lines_many = after_activities(MANY)

    assert few.state.pieces == FEW
    assert many.state.pieces == MANY
    assert 0 < lines_many <= lines_few * 1.5


@pytest.mark.parametrize("forgetful", [False, True])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=policies(), seed=st.integers(0, 10_000), count=st.integers(1, 22), sizes=batches)
def test_beyond_the_marks_that_a_state_keeps_stepping_equals_the_replay(
    policy: Policy, seed: int, count: int, sizes: list[int], forgetful: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(evidence_rules, "SEEN_BYTES_MAX", 8)
    evidence = random_work(seed, count)

    assert journalled(policy, evidence, sizes, forgetful=forgetful) == replayed(policy, evidence)
