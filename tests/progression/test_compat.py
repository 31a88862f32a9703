"""Other products' numbers, to the last digit; cases restated from their specifications."""

import json
from typing import Any

import pytest

from services.progression.domain.compat import canvas, moodle
from services.progression.domain.compat.canvas import Result, percent, rollup
from services.progression.domain.methods import Value, method_from
from services.progression.domain.rounding import round_half_up_repr
from tests.support.shared_data import shared_file

DAY_S = 86400
SCALE = {"points_possible": 5, "mastery_points": 3}


def rows(*scores: float | None) -> list[Result]:
    return [Result(score, time) for time, score in enumerate(scores, start=1)]


def question(percent: float, quiz: str, time: float, possible: float = 1.0) -> Result:
    return Result(percent=percent, possible=possible, time=time, quiz=("Quizzes::Quiz", quiz))


@pytest.mark.parametrize(
    ("method", "integer", "scores", "expected"),
    [
        (None, None, [3, 1], 3), ("highest", None, [1, 5, 2], 5), ("average", None, [2, 4, 3], 3),
        ("n_mastery", 3, [3, 1, 2], None), ("n_mastery", 3, [4, 5, 1, 3, 2, 3], 3.75),
        ("n_mastery", 3, [4, 5, 1, 3, None, 3], 3.75), ("n_mastery", 3, [3, 4, 3], 3.33),
        ("decaying_average", 65, [2, 3, 4], 3.48), ("standard_decaying_average", 65, [2, 3, 4], 3.53),
        ("decaying_average", None, [3, 2], 2.35), ("weighted_average", 65, [2.123], 2.12),
        ("decaying_average", 58, [0, 0, 3, 2, 3], 2.26), ("latest", None, [None], None), ("latest", None, [], None),
    ],
)  # fmt: skip
def test_canvas_rolls_up(method: str | None, integer: int | None, scores: list[float | None], expected: float | None):
    """Source: result_analytics_spec.rb; the case of 58 by Canvas' arithmetic, whose 2.265 lies below the half."""
    assert rollup(method, integer, rows(*scores), **SCALE) == expected


def test_canvas_takes_a_row_without_a_time_for_the_oldest():
    """Source: result_analytics_spec.rb."""
    assert rollup("latest", None, [Result(4, None), Result(3, 200), Result(1, 100)], **SCALE) == 3


def test_canvas_counts_every_question_of_the_latest_quiz_but_one_as_older():
    """Source: result_analytics_spec.rb, 2.90; a quiz as one piece would give 2.95."""
    results = [question(p, "1", 20) for p in (0.6, 0.7, 0.4)] + [question(p, "2", 10) for p in (0.5, 0.8, 0.6)]
    scale = {"points_possible": 5, "mastery_points": 5}

    assert rollup("decaying_average", 65, results, **scale) == 2.9
    assert rollup("n_mastery", 3, results, points_possible=5, mastery_points=3) == 3.38


def test_canvas_weighs_the_questions_of_a_quiz_by_their_points():
    """Source: result_analytics_spec.rb: (2 * .6 + 3 * .7) / 5 of 5 points."""
    results = [question(0.6, "1", 0, possible=2), question(0.7, "1", 0, possible=3)]

    assert rollup("decaying_average", 65, results, points_possible=5, mastery_points=5) == 3.3


@pytest.mark.parametrize(
    ("score", "possible", "cut", "expected"),
    [
        (6, 10, 0.7, 0.5143), (9, 10, 0.7, 0.8667), (7, 10, 0.7, 0.6), (10, 10, 0.7, 1.0), (5, 0.5, 1.0, 6.0),
        (6, 10, None, 0.6), (6, 10, 0.6, 0.6), (1, 3, None, 1 / 3), (4, 0, None, 0.8),
    ],
)  # fmt: skip
def test_canvas_maps_the_cut_of_an_alignment_onto_the_cut_of_its_outcome(
    score: float, possible: float, cut: float | None, expected: float
):
    """Source: learning_outcome_result_spec.rb; the outcome's cut is 3 of 5."""
    assert percent(score, possible, **SCALE, alignment_mastery=cut) == pytest.approx(expected, abs=1e-12)


def test_canvas_knows_no_percent_of_an_outcome_without_points():
    assert percent(1, 0, points_possible=0, mastery_points=0) is None
    assert percent(1, 0, points_possible=0, mastery_points=2) == 0.5


@pytest.mark.parametrize(
    ("method", "integer"),
    [("sum", None), ("decaying_average", 0), ("decaying_average", 100), ("standard_decaying_average", 49),
     ("n_mastery", 11), ("n_mastery", 0), ("highest", 1), ("latest", 10)],
)  # fmt: skip
def test_canvas_refuses_what_it_has_no_setting_for(method: str, integer: int | None):
    with pytest.raises(ValueError):
        rollup(method, integer, rows(3), **SCALE)


@pytest.mark.parametrize(
    ("own", "method", "integer", "scores"),
    [
        ({"type": "highest"}, "highest", None, [1, 4, 2]), ({"type": "latest"}, "latest", None, [1, 4, 2]),
        ({"type": "mean"}, "average", None, [1, 4, 2]),
        ({"type": "sda", "weight": 0.65}, "standard_decaying_average", 65, [2, 3, 4]),
        ({"type": "wda", "latest_weight": 0.65}, "decaying_average", 65, [2, 3, 4]),
        ({"type": "n_mastery", "n": 3, "at_or_above": 3}, "n_mastery", 3, [4, 5, 1, 3, 2, 3]),
    ],
)  # fmt: skip
def test_the_fold_has_a_method_for_each_of_canvas(
    own: dict[str, Any], method: str, integer: int | None, scores: list[float]
):
    """So a district may leave the compat mode without its numbers changing, but where rounding meets a tie."""
    built = method_from(own)
    score = built.score(built.replay(Value(float(score), score >= 3) for score in scores))

    assert round_half_up_repr(score, 2) == rollup(method, integer, rows(*scores), **SCALE)


NAMES = {"weighted_average": "decaying_average", "decaying_average": "standard_decaying_average"}
"""The file names the methods as Canvas' page does; the others are the same in both."""


def file_result(row: dict[str, Any]) -> Result:
    days = [row[name] for name in ("t_days", "submitted_days", "assessed_days") if name in row]
    quiz = (
        (row.get("association_type", "Quizzes::Quiz"), str(row["association_id"])) if "association_id" in row else None
    )
    # The days count from a now far from the epoch, at which rows without a time stand.
    time = 20_000 * DAY_S + days[0] * DAY_S if days else None
    return Result(row.get("score"), time, row.get("percent"), row.get("possible"), quiz)


def test_every_case_of_canvas_own_specifications_comes_out():
    content = json.loads(shared_file("data/formats/canvas/outcome_cases.json").read_text())
    wrong = {}
    for case in content["cases"]:
        results = [file_result(row) for row in case["results"]]
        method = NAMES.get(case["method"], case["method"])
        scale = {name: case[name] for name in ("points_possible", "mastery_points")}
        got = rollup(method, case["calculation_int"], results, **scale)
        if got != case["expected"]:
            wrong[case["id"]] = (got, case["expected"])

    assert len(content["cases"]) >= 20
    assert wrong == {}


def test_every_calculation_integer_of_the_file_is_taken_or_refused_as_it_says():
    content = json.loads(shared_file("data/formats/canvas/outcome_cases.json").read_text())
    for names, ranges in content["calc_int_ranges"].items():
        method = {
            "decaying_average(legacy)/weighted_average": "decaying_average",
            "highest|latest|average": "latest",
        }.get(names, names)
        for integer in ranges["valid"]:
            canvas.checked_integer(method, integer)
        for integer in ranges["invalid"]:
            # Left out, the integer is the default; Canvas refuses to store that, and rolls up as if it were.
            if integer is not None:
                with pytest.raises(ValueError):
                    canvas.checked_integer(method, integer)


@pytest.mark.parametrize(
    ("points", "proficient", "matches"),
    [(5, [2, 3], False), (5, [1, 3], True), (6, [1, 3], False), (5, [1, 2, 3], True)],
)
def test_moodle_asks_for_points_and_for_the_required_children(points: int, proficient: list[int], matches: bool):
    """Source: competency_rule_points.php; child 1 is required."""
    children = [moodle.Child(1, 3, True), moodle.Child(2, 3), moodle.Child(3, 2)]

    assert moodle.rule_points(points, children, proficient) == matches


@pytest.mark.parametrize(
    ("points", "children"),
    [(0, [(1, 3)]), (4, [(1, 3)]), (1, [(1, -1), (2, 3)]), (1, [(1, 1), (1, 1)])],
)
def test_moodle_refuses_a_rule_of_points_that_makes_no_sense(points: int, children: list[tuple[int, int]]):
    with pytest.raises(ValueError):
        moodle.rule_points(points, [moodle.Child(*child) for child in children], [])


def test_moodle_asks_for_all_children_and_a_leaf_never_follows():
    """Source: competency_rule_all.php."""
    assert [moodle.rule_all([1, 2], done) for done in ([1, 2, 3], [1], [])] == [True, False, False]
    assert not moodle.rule_all([], [1])
