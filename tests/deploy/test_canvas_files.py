"""What is read of Canvas' own files, and how its numbers are compared with ours."""

import json
from pathlib import Path

import pytest

from deploy.local.canvas_parity import Difference, compare, policy_of, rolled
from deploy.local.errors import StackError
from deploy.local.files.canvas import NO_DATE, Export, Outcome, Result, evidence_of, read_export
from services.progression.domain.policy import policy_from

OUTCOMES = """vendor_guid,object_type,title,description,display_name,calculation_method,calculation_int,\
workflow_state,parent_guids,mastery_points,ratings,,,
g,group,Fractions,,,,,active,,,,,,
CCSS.3.NF.1,outcome,Halves,,,decaying_average,65,active,g,3,5,Top,3,Mastery
x y,outcome,Thirds,,Third parts,n_mastery,2,active,g,,4,Top,2,Mastery
gone,outcome,Old,,,highest,,deleted,g,,4,Top,2,Mastery
"""
REPORT = """Student name,Student ID,Student SIS ID,Assessment ID,Assessment type,Submission date,Learning outcome name,\
Learning outcome ID,Attempt,Outcome score,Assessment question ID,A column of 2031
Secret,1,s-1,10,assignment,2026-03-01T10:00:00Z,Halves,7,1,4,,x
Secret,1,s-1,11,quiz,,Third parts,8,2,3,q1,x
Secret,2,,12,assignment,2026-03-02T10:00:00Z,Unknown,9,1,1,,x
Secret,1,s-1,13,assignment,,Halves,7,1,,,x
"""
HALVES = Outcome("h", "h", "Halves", "", "decaying_average", 65, 5.0, 3.0)


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def result(score: float, n: int, *, at: str = "", learner: str = "s-1", outcome: Outcome = HALVES) -> Result:
    return Result(f"r{n}", learner, outcome, "7", f"assignment:{n}", False, score, 1, at or f"2026-03-0{n}T10:00:00Z")


def compared(results: list[Result], ours: float | None, pieces: int, rollup: float | None = None) -> list[Difference]:
    export = Export({}, [HALVES], results)
    if rollup is not None:
        export.rollups["s-1", "h"] = rollup
    return compare(export, {("s-1", "h"): (ours, pieces)}).different


def test_outcomes_and_results_are_read_and_names_are_not(tmp_path: Path) -> None:
    found = read_export(folder(tmp_path, outcomes=OUTCOMES, report=REPORT))

    assert [
        (one.code, one.title, one.subject, one.method, one.integer, one.points, one.mastery) for one in found.outcomes
    ] == [
        ("CCSS.3.NF.1", "Halves", "Fractions", "decaying_average", 65, 5, 3),
        ("x-y", "Third parts", "Fractions", "n_mastery", 2, 4, 2),
    ]
    assert [(one.learner, one.outcome and one.outcome.code, one.score, one.attempt, one.quiz) for one in found.results] == [
        ("s-1", "CCSS.3.NF.1", 4, 1, False), ("s-1", "x-y", 3, 2, True), ("canvas:2", None, 1, 1, False)
    ]  # fmt: skip
    assert found.unscored == 1
    assert found.problems == ["the report: 1 results are of students without an SIS id"]
    items = [evidence_of(one, "urn:canvas", "c") for one in found.results]
    assert "Secret" not in json.dumps(items)
    assert items[1]["occurred_at"] == NO_DATE
    assert (items[0]["competencies"], items[0]["score"]) == (["c:CCSS.3.NF.1"], {"raw": 4, "max": 5})
    assert (items[2].get("competencies"), items[2]["activity"]) == (None, {"id": "outcome:9"})


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"report": REPORT}, "no outcomes.csv"),
        ({"outcomes": OUTCOMES}, "no report of outcome results"),
        ({"outcomes": "title\na\n", "report": REPORT}, "lacks column vendor_guid"),
        ({"outcomes": OUTCOMES, "report": REPORT, "enrollments": "user_id\nu\n"}, "lacks column role"),
    ],
)
def test_a_file_that_is_missing_something_is_named(tmp_path: Path, files: dict[str, str], says: str) -> None:
    with pytest.raises(StackError, match=says):
        read_export(folder(tmp_path, **files))


def test_each_policy_of_an_outcome_is_one_of_the_language() -> None:
    for method, integer in (("decaying_average", 65), ("standard_decaying_average", 65), ("n_mastery", 3), ("highest", None),
                            ("latest", None), ("average", None)):  # fmt: skip
        outcome = Outcome("a", "a", "A", "", method, integer, 4.0, 3.0)
        assert policy_from(policy_of(outcome, "c", ["c:a"])).id.startswith(f"canvas-{method}")


def test_every_difference_has_its_cause() -> None:
    rows = [result(2, 1), result(4, 2)]
    number = rolled(HALVES, rows)

    assert number == 3.3
    assert compared(rows, 3.3, 2) == []
    assert [one.cause for one in compared(rows, None, 0)] == [
        "nothing of it is held here: its evidence was refused, or waits"
    ]
    assert [one.cause for one in compared(rows, 4.0, 1)] == ["some of its results were refused, or wait"]
    assert [one.cause for one in compared(rows, 4.0, 3)] == ["evidence of it came by other ways too"]
    assert [(one.canvas, one.cause) for one in compared(rows, 3.3, 2, rollup=2.0)] == [
        (2.0, "Canvas counts results that the report does not have, or counts some no more")
    ]
    tied = [result(2, 1, at="2026-03-01T10:00:00Z"), result(4, 2, at="2026-03-01T10:00:00Z")]
    assert [one.cause for one in compared(tied, 2.7, 2)] == [
        "results of the same second, or without a date: Canvas leaves their order open"
    ]
    assert [one.cause for one in compared([result(6, 1)], 5.0, 1)] == ["a result is above the outcome's points"]
    assert [one.cause for one in compared(rows, 3.31, 2)] == ["rounding"]
    assert [one.cause for one in compared(rows, 1.0, 2)] == ["not explained"]
