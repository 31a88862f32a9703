"""The checker finds each way to break a promise in a history that is otherwise good."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.checker import check
from tests.faults.history import Op
from tests.faults.items import FRAMEWORK, Item, instant

L0 = "learner-0"
C0 = f"{FRAMEWORK}:c0"
ITEMS = [Item(n, 0, 0, right=True, at_s=n) for n in range(3)]
Lines = list[list[Any]]


def _good() -> Lines:
    """Three right answers in two batches by HTTP, their log, the states, and the mastery that was told."""
    log = [[n + 1, f"i{n}", L0] for n in range(3)]
    state = [L0, C0, "mastered", 3, instant(2)]
    return [
        ["http-0", "invoke", "submit", [1, [tuple(item) for item in ITEMS[:2]]]],
        ["http-0", "ok", "submit", [1, [["accepted", "evidence.1.0.1"], ["accepted", "evidence.1.0.2"]]]],
        ["nemesis", "info", "start", "kill"],
        ["http-0", "invoke", "submit", [2, [tuple(ITEMS[2])]]],
        ["http-0", "info", "submit", [2, "ReadTimeout", True]],
        ["http-0", "ok", "submit", [2, [["duplicate", "evidence.1.0.3"]]]],
        ["nemesis", "info", "stop", "kill"],
        ["nemesis", "info", "drained", 1.5],
        ["reader", "invoke", "read", None],
        ["reader", "ok", "evidence", [0, 3, log]],
        ["reader", "ok", "told", [0, 1, [[1, "e1", "attain.competency.mastered.v1", L0, C0]]]],
        ["reader", "ok", "states", ["progression", [state]]],
        ["reader", "ok", "states", ["reporting", [list(state)]]],
        ["reader", "ok", "topic", ["evidence", 0, [[1, 1, "a"], [1, 2, "b"], [1, 1, "a"], [1, 2, "b"], [1, 3, "c"]]]],
        ["reader", "ok", "topic", ["advancement", 0, [[1, 1, "e1"]]]],
        ["reader", "ok", "verify", {"ok": True}],
    ]


def _value(lines: Lines, f: str, number: int = 0) -> Any:
    return [line[3] for line in lines if line[1] == "ok" and line[2] == f][number]


def _ops(lines: Lines) -> list[Op]:
    return [Op(float(n), *line) for n, line in enumerate(lines)]


def test_a_good_history_passes():
    verdict = check(_ops(_good()))

    assert verdict.ok, verdict
    assert (verdict.acknowledged, verdict.in_log, verdict.faults, verdict.caught_up_s) == (3, 3, 1, 1.5)


def _lose(lines: Lines) -> None:
    _value(lines, "evidence")[2][2][1] = ""


def _double(lines: Lines) -> None:
    page = _value(lines, "evidence")
    page[1] = 4
    page[2].append([4, "i2", L0])


def _leave_a_hole(lines: Lines) -> None:
    page = _value(lines, "evidence")
    page[1] = 4


def _swap(lines: Lines) -> None:
    rows = _value(lines, "evidence")[2]
    rows[1][1], rows[2][1] = rows[2][1], rows[1][1]
    _value(lines, "submit")[1][1][1] = "evidence.1.0.3"
    _value(lines, "submit", 1)[1][0][1] = "evidence.1.0.2"


def _misplace(lines: Lines) -> None:
    _value(lines, "submit")[1][0][1] = "evidence.1.0.2"


def _refuse(lines: Lines) -> None:
    _value(lines, "submit")[1][0][0] = "rejected"


def _answer_wrongly(lines: Lines) -> None:
    lines[4][3] = [2, "Refused: 500: ", False]


def _split(lines: Lines) -> None:
    _value(lines, "evidence")[2][0][2] = "learner-1"


def _forget_a_state(lines: Lines) -> None:
    _value(lines, "states")[1].clear()


def _count_twice(lines: Lines) -> None:
    _value(lines, "states", 1)[1][0][3] = 4


def _tell_nothing(lines: Lines) -> None:
    _value(lines, "told")[1:] = [0, []]


def _tell_twice(lines: Lines) -> None:
    page = _value(lines, "told")
    page[1] = 2
    page[2].append([2, "e1", "attain.competency.mastered.v1", L0, C0])


def _skip_in_the_topic(lines: Lines) -> None:
    del _value(lines, "topic")[2][3]
    del _value(lines, "topic")[2][1]


def _change_a_record(lines: Lines) -> None:
    _value(lines, "topic")[2][2][2] = "other"


def _end_the_topic_early(lines: Lines) -> None:
    _value(lines, "topic")[2].pop()


@pytest.mark.parametrize(
    ("break_it", "field"),
    [
        (_lose, "lost"),
        (_double, "duplicated"),
        (_leave_a_hole, "holes"),
        (_swap, "disordered"),
        (_misplace, "misplaced"),
        (_refuse, "refused"),
        (_answer_wrongly, "wrong_answers"),
        (_split, "split_learners"),
        (_forget_a_state, "wrong_states"),
        (_count_twice, "wrong_read_models"),
        (_tell_nothing, "wrong_events"),
        (_tell_twice, "wrong_events"),
        (_skip_in_the_topic, "wrong_topics"),
        (_change_a_record, "wrong_topics"),
        (_end_the_topic_early, "wrong_topics"),
    ],
)
def test_each_broken_promise_is_found(break_it: Callable[[Lines], None], field: str):
    lines = _good()
    break_it(lines)
    verdict = check(_ops(lines))

    assert getattr(verdict, field) > 0
    assert not verdict.ok


@pytest.mark.parametrize(("f", "value"), [("drained", 31.0), ("verify", {"ok": False})])
def test_a_slow_recovery_and_a_failed_verify_are_found(f: str, value: object):
    lines = [[p, t, g, value if g == f else v] for p, t, g, v in _good()]

    assert not check(_ops(lines)).ok


def test_what_was_read_before_is_replaced_and_an_empty_history_proves_nothing():
    assert check(_ops([*_good()[:9], *_good()[9:11], *_good()[8:]])).ok
    assert not check([]).ok
