"""The checker finds each way to break a promise in a history that is otherwise good."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.checker import check
from tests.faults.history import Op
from tests.faults.items import FRAMEWORK, Item, instant
from tests.faults.log_checks import CHECKPOINT

L0 = "learner-0"
C0 = f"{FRAMEWORK}:c0"
ITEMS = [Item(n, 0, 0, right=True, at_s=n) for n in range(3)]
Lines = list[list[Any]]


def _good() -> Lines:
    """Three right answers in two batches by HTTP, a roster, what all logs and topics say then, and the states."""
    state = [L0, C0, "mastered", 3, instant(2)]
    suggested, closed = "attain.support.suggested.v1", "attain.support.closed.v1"
    logs: dict[str, list[list[Any]]] = {
        "evidence": [[L0, "", f"i{n}"] for n in range(3)],
        "progression": [[L0, C0, 64], ["", CHECKPOINT, 2], [L0, C0, 192], ["", CHECKPOINT, 3]],
        "advancement": [["", "", ""], [L0, C0, ["e1", "attain.competency.mastered.v1", 192]]],
        "support": [[L0, C0, ["s1", suggested, 65]], [L0, C0, ["s2", closed, 129]]],
        "curriculum": [[FRAMEWORK, "v1", [1, 2]], [FRAMEWORK, "v1", [2, 2]]],
        "roster": [["source", "", ""], [L0, "class-0", True], [L0, "class-0", False]],
    }
    pages: dict[str, list[Any]] = {
        log: [0, len(said), [[1, n, f"{log}-{n}", *row] for n, row in enumerate(said, 1)]] for log, said in logs.items()
    }
    sent = {log: [row[:3] for row in rows] for log, (_, _, rows) in pages.items()}
    return [
        ["http-0", "invoke", "submit", [1, [tuple(item) for item in ITEMS[:2]]]],
        ["http-0", "ok", "submit", [1, [["accepted", "evidence.1.0.1"], ["accepted", "evidence.1.0.2"]]]],
        ["nemesis", "info", "start", "kill"],
        ["http-0", "invoke", "submit", [2, [tuple(ITEMS[2])]]],
        ["http-0", "info", "submit", [2, "ReadTimeout", True]],
        ["http-0", "ok", "submit", [2, [["duplicate", "evidence.1.0.3"]]]],
        ["roster", "ok", "enrol", [0, "class-0", True]],
        ["roster", "ok", "enrol", [0, "class-0", False]],
        ["reader", "info", "fences", [["http://a", "100", 1.0], ["http://b", "100", 0.0]]],
        ["nemesis", "info", "stop", "kill"],
        ["nemesis", "info", "drained", 1.5],
        ["reader", "info", "fences", [["http://a", "100", 2.0], ["http://b", "200", 1.0]]],
        ["reader", "invoke", "read", None],
        *(["reader", "ok", "log", [log, *page]] for log, page in pages.items()),
        ["reader", "ok", "states", ["progression", [state]]],
        ["reader", "ok", "states", ["reporting", [list(state)]]],
        # A run of records may come again.
        *(["reader", "ok", "topic", [log, 0, [list(row) for row in [*rows[:2], *rows]]]] for log, rows in sent.items()),
        ["reader", "ok", "verify", {"ok": True}],
    ]


def _value(lines: Lines, f: str, number: int = 0) -> Any:
    return [line[3] for line in lines if line[1] == "ok" and line[2] == f][number]


def _page(lines: Lines, log: str, f: str = "log") -> list[Any]:
    """Return [shard, head, rows] of a log, or [shard, rows] of a topic."""
    return next(line[3] for line in lines if line[2] == f and line[3][0] == log)


def _rows(lines: Lines, log: str, f: str = "log") -> list[list[Any]]:
    rows: list[list[Any]] = _page(lines, log, f)[-1]
    return rows


def _append(lines: Lines, log: str, *said: Any) -> None:
    """Let a log, and its topic, have one more."""
    page = _page(lines, log)
    page[2] += 1
    page[3].append([1, page[2], f"{log}-{page[2]}", *said])
    _rows(lines, log, "topic").append(page[3][-1][:3])


def _ops(lines: Lines) -> list[Op]:
    return [Op(float(n), *line) for n, line in enumerate(lines)]


def test_a_good_history_passes():
    verdict = check(_ops(_good()))

    assert verdict.ok, verdict
    assert (verdict.acknowledged, verdict.in_log, verdict.faults, verdict.caught_up_s) == (3, 3, 1, 1.5)
    assert verdict.fences_lost == 3, "two of a process, and one of another, whose next start counts anew"


def _lose(lines: Lines) -> None:
    _rows(lines, "evidence")[2][5] = ""


def _double(lines: Lines) -> None:
    _append(lines, "evidence", L0, "", "i2")


def _leave_a_hole(lines: Lines) -> None:
    _page(lines, "evidence")[2] = 4


def _swap(lines: Lines) -> None:
    rows = _rows(lines, "evidence")
    rows[1][5], rows[2][5] = rows[2][5], rows[1][5]
    _value(lines, "submit")[1][1][1] = "evidence.1.0.3"
    _value(lines, "submit", 1)[1][0][1] = "evidence.1.0.2"


def _misplace(lines: Lines) -> None:
    _value(lines, "submit")[1][0][1] = "evidence.1.0.2"


def _refuse(lines: Lines) -> None:
    _value(lines, "submit")[1][0][0] = "rejected"


def _answer_wrongly(lines: Lines) -> None:
    lines[4][3] = [2, "Refused: 500: ", False]


def _split(lines: Lines) -> None:
    _rows(lines, "evidence")[0][3] = "learner-1"


def _forget_a_state(lines: Lines) -> None:
    _value(lines, "states")[1].clear()


def _count_twice(lines: Lines) -> None:
    _value(lines, "states", 1)[1][0][3] = 4


def _tell_nothing(lines: Lines) -> None:
    _rows(lines, "advancement")[1][3:] = ["", "", ""]


def _tell_twice(lines: Lines) -> None:
    _append(lines, "advancement", L0, C0, ["e1", "attain.competency.mastered.v1", 193])


def _tell_in_two_shards(lines: Lines) -> None:
    page = _page(lines, "support")
    lines.insert(-1, ["reader", "ok", "log", ["support", 1, 1, [[1, 1, "x", L0, "other", page[3][0][5]]]]])


def _leave_a_hole_in(log: str) -> Callable[[Lines], None]:
    def leave(lines: Lines) -> None:
        _page(lines, log)[2] += 1

    return leave


def _go_back(lines: Lines) -> None:
    _rows(lines, "progression")[2][5] = 63


def _go_back_with_a_checkpoint(lines: Lines) -> None:
    _rows(lines, "progression")[1][5] = 4


def _tell_of_less_than_is_folded(lines: Lines) -> None:
    _rows(lines, "progression")[3][5] = 2


def _suggest_twice(lines: Lines) -> None:
    _rows(lines, "support")[1][5][1] = "attain.support.suggested.v1"


def _swap_parts(lines: Lines) -> None:
    rows = _rows(lines, "curriculum")
    rows[0][5], rows[1][5] = rows[1][5], rows[0][5]


def _enrol_twice(lines: Lines) -> None:
    _append(lines, "roster", L0, "class-0", False)


def _forget_an_enrolment(lines: Lines) -> None:
    _rows(lines, "roster")[2][3:] = ["", "", ""]


def _skip_in_the_topic(lines: Lines) -> None:
    del _rows(lines, "evidence", "topic")[3]
    del _rows(lines, "evidence", "topic")[1]


def _change_a_record(lines: Lines) -> None:
    _rows(lines, "support", "topic")[2][2] = "other"


def _end_the_topic_early(lines: Lines) -> None:
    _rows(lines, "roster", "topic").pop()


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
        (_tell_in_two_shards, "wrong_logs"),
        *((_leave_a_hole_in(log), "wrong_logs") for log in ("progression", "support", "curriculum", "roster")),
        (_go_back, "wrong_logs"),
        (_go_back_with_a_checkpoint, "wrong_logs"),
        (_tell_of_less_than_is_folded, "wrong_logs"),
        (_suggest_twice, "wrong_logs"),
        (_swap_parts, "wrong_logs"),
        (_enrol_twice, "wrong_logs"),
        (_forget_an_enrolment, "wrong_logs"),
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
    begun = [line[1:3] for line in _good()].index(["invoke", "read"])
    assert check(_ops([*_good()[: begun + 3], *_good()[begun:]])).ok
    assert not check([]).ok
