"""
One more piece costs the same however long the history is, by lines of Python executed and by bytes of state, under every
method; a policy that may count an activity twice replays the key once it has seen 256 of them.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec
import pytest

from services.progression.mastery import KeyState, add, piece_of
from services.progression.policy import policy_from
from services.progression.policy.rule import Rule
from shared.contracts import Score
from tests.progression.test_method_properties import PARAMETERS
from tests.support.journal import piece

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
