"""The marks of an observation, by the scale of the policy."""

from services.reporting.domain.marks import PLAIN, marks_of


def test_a_scale_gives_its_points_with_its_words() -> None:
    marks = marks_of({"min": 1, "max": 3, "step": 1, "labels": {"1": "beginning", "3.0": "secure"}})

    assert [(mark.value, mark.label) for mark in marks.points] == [(1, "beginning"), (2, ""), (3, "secure")]
    assert marks.score(2) == {"raw": 2, "min": 1, "max": 3}
    assert marks.score(2.5) is None


def test_half_steps_are_marks_and_steps_that_do_not_meet_the_top_are_not() -> None:
    assert [mark.value for mark in marks_of({"min": 0, "max": 2, "step": 0.5, "labels": {}}).points] == [
        0,
        0.5,
        1,
        1.5,
        2,
    ]
    assert marks_of({"min": 0, "max": 2, "step": 0.8, "labels": {}}) is PLAIN


def test_without_a_scale_or_with_one_too_fine_to_tap_there_are_three() -> None:
    assert marks_of(None) is PLAIN
    assert marks_of({"min": 0, "max": 100, "step": 1, "labels": {}}) is PLAIN
    assert [PLAIN.score(mark.value) for mark in PLAIN.points] == [{"raw": n, "min": 0, "max": 2} for n in (0, 1, 2)]
