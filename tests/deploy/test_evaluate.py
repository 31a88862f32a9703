"""`attain evaluate`: worked cases through the product, and what the command says of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.local.commands.evaluate import Case, agrees, judge, read_cases
from deploy.local.errors import StackError
from deploy.local.golden import ANSWERS, LATER
from services.progression.domain.methods import NAMES
from tests.support.command import attain_here
from tests.support.shared_data import shared_file

RIGHT = {"id": "right", "method": "n_ccr", "params": {"n": 3}, "input": {"correct": [1, 1, 0, 1, 1, 1, 0]},
         "expect": {"mastered_at": 6, "current_streak": 0}}  # fmt: skip
WRONG = RIGHT | {"id": "wrong", "expect": {"mastered_at": 5}}
UNBUILT = RIGHT | {"id": "unbuilt", "method": "to_be_built"}


def _file(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "cases.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_every_worked_case_comes_out_but_those_of_what_is_not_built() -> None:
    cases = read_cases(shared_file("golden/mastery.json"))
    results = {case.id: judge(case) for case in cases}

    assert {case.method for case in cases if results[case.id]["ok"] is None} <= LATER
    assert [result for result in results.values() if result["ok"] is False] == []
    assert sum(result["ok"] is True for result in results.values()) == 34


def test_every_name_that_must_be_answered_is() -> None:
    """The names of the worked cases, and those of the same shapes."""
    names = {"canvas.average", "canvas.highest", "moodle.rule_all"}
    names |= {case.method for case in read_cases(shared_file("golden/mastery.json"))}

    assert names <= {*ANSWERS, *LATER}


def test_what_is_not_built_alone_is_no_failure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.commands.evaluate.LATER", frozenset(("to_be_built",)))
    code, out, _ = attain_here(capsys, "evaluate", _file(tmp_path, [RIGHT, UNBUILT]), "--json")

    assert code == 0
    assert json.loads(out) == {
        "passed": 1, "failed": 0, "not_built": 1,
        "cases": [{"id": "right", "ok": True, "got": {"mastered_at": 6, "current_streak": 0}},
                  {"id": "unbuilt", "ok": None, "got": None}],
    }  # fmt: skip


def test_a_failed_case_is_shown_with_what_was_expected_and_fails_the_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = attain_here(capsys, "evaluate", _file(tmp_path, [RIGHT, WRONG]))

    assert code == 1
    assert 'wrong: n_ccr gives {"mastered_at":6,"current_streak":0}, expected {"mastered_at":5}' in out
    assert "1 passed, 1 failed, 0 not built" in out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"method": "magic"}, "no method is called magic"),
        ({"params": {}}, "KeyError"),
        ({"params": {"n": 0}}, "ValidationError"),
        ({"input": {}}, "KeyError"),
    ],
)
def test_a_case_that_cannot_be_run_fails_alone_and_says_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    code, out, _ = attain_here(capsys, "evaluate", _file(tmp_path, [RIGHT | change, RIGHT]), "--json")
    result = json.loads(out)

    assert (code, result["passed"], result["failed"]) == (1, 1, 1)
    assert told in result["cases"][0]["got"]["error"]


@pytest.mark.parametrize(
    "content", ["", "{", "{}", '[{"id": "x"}]', '[{"id": 1, "method": "n_ccr", "expect": {}}]', "\xff"]
)
def test_a_file_without_cases_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    code, out, err = attain_here(capsys, "evaluate", _file(tmp_path, content), "--json")

    assert code == 1
    assert "is not an array of cases" in err
    assert err.count("\n") == 1
    assert set(json.loads(out)) == {"error"}


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    path.write_bytes(b'[{"id": "\xff"}]')

    with pytest.raises(StackError, match="is not an array of cases"):
        read_cases(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_of_the_language_is_answered_by_its_own_name(name: str) -> None:
    """Names with a shape of their own in the worked cases keep that."""
    parameters: dict[str, dict[str, Any]] = {
        "streak": {"n": 3}, "sda": {"weight": 0.5}, "wda": {"latest_weight": 0.5}, "mode": {"ties": "higher"},
        "n_of_last": {"n": 2, "window": 3, "at_or_above": 3}, "n_mastery": {"n": 2, "at_or_above": 3},
        "mean_of_last": {"k": 3, "at_or_above": 3}, "latest_at_or_above": {"cut": 3},
        "bkt": {"p_l0": 0.3, "p_t": 0.1, "p_g": 0.2, "p_s": 0.1}, "cusum": {"p0": 0.5, "p1": 0.9, "threshold": 2},
        "beta_binomial": {"prior": [1, 1], "cut": 0.8}, "irt_eap": {"cut": 0.5},
        "growth_filter": {"mu0": 2, "var0": 1, "drift": 0, "process_var": 0, "obs_var": 0.4, "cut": 3},
    }  # fmt: skip
    given: dict[str, dict[str, Any]] = {
        "bkt": {"correct": [1]}, "cusum": {"correct": [1]}, "beta_binomial": {"correct": 1, "n": 1},
        "irt_eap": {"items_ab": [[1, 0]], "responses": [1]},
    }  # fmt: skip
    case = Case(name, name, {}, parameters.get(name, {}), given.get(name, {"scores": [3, 4]}))

    assert judge(case)["ok"] is True


@pytest.mark.parametrize(
    ("expected", "got", "agree"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True), ({"a": 1}, {"b": 1}, False), ({"a": 1}, None, False),
        ([1, 2], [1, 2], True), ([1, 2], [1], False), ([1], [1, 2], False),
        (1, 1.05, True), (1.0, 1.2, False), (1, True, False), (True, 1, False), (None, None, True), (None, 0, False),
        ("x", "x", True), ("x", "y", False), ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, False),
    ],
)  # fmt: skip
def test_what_is_expected_is_compared_in_full(expected: object, got: object, agree: bool) -> None:
    assert agrees(expected, got, tol=0.1) == agree
