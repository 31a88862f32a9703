"""Support instead of "stuck": what asks for it, who owns it, and that it clears itself."""

import pytest

from services.progression.mastery import piece_of
from services.progression.policy import policy_from, read_policy
from services.progression.policy.templates import template
from services.progression.states import Decided, Piece
from services.progression.support import Calendar, Suggestion, is_settled, learning_support, school_support, weakest_of
from shared.contracts import Score
from tests.support.journal import piece

CLASSROOM = read_policy(template("classroom")).rule
PRACTICE = read_policy(template("practice")).rule
YEAR = Calendar("2026-06-20", "2026-03-16/2026-03-16")
TODAY = "2026-03-13"


def work(*marks: float, kind: str = "formative", start: int = 1) -> list[Piece]:
    """Marks on the scale of the classroom, one a day, each an activity of its own."""
    return [
        piece_of(piece(n, day=start + n, score=Score(level=mark), kind=kind, activity=f"task-{n}", items=8))
        for n, mark in enumerate(marks)
    ]


def drill(*answers: int, days: int = 2) -> list[Piece]:
    return [
        piece_of(piece(n, float(right), day=1 + n % days, kind="practice", activity=f"item-{n}"))
        for n, right in enumerate(answers)
    ]


def suggested(rule, pieces: list[Piece], today: str = TODAY, **more) -> Suggestion | None:
    return learning_support(rule, pieces, today, YEAR, "teacher", more.pop("prerequisites", {}), **more)


def test_five_pieces_with_none_of_the_last_three_at_the_cut_name_an_owner_a_date_and_what_was_tried():
    found = suggested(CLASSROOM, work(3, 2, 2, 2, 2), prerequisites={"math:c0": 2.5, "math:b0": 1.5, "math:a0": None})

    assert found == Suggestion(
        "learning", "work_below_the_cut", "teacher", "2026-03-23", "math:b0", ("task-2", "task-3", "task-4")
    )


@pytest.mark.parametrize(
    "marks", [(2, 2, 2, 2), (2, 2, 3, 2, 2), (2, 2, 2, 2, 3), (3, 3, 3, 2, 2, 2), (2, 2, 2, 3, 3)],
    ids=["four pieces", "one of three", "the last", "on the record", "provisional"],
)  # fmt: skip
def test_less_than_that_asks_for_nothing(marks):
    assert suggested(CLASSROOM, work(*marks)) is None


def test_it_clears_itself_with_the_next_piece_at_the_cut_and_comes_again_if_it_must():
    assert suggested(CLASSROOM, work(2, 2, 2, 2, 2)) is not None
    assert suggested(CLASSROOM, work(2, 2, 2, 2, 2, 3)) is None
    assert suggested(CLASSROOM, work(2, 2, 2, 2, 2, 3, 2, 2, 2)) is not None


def test_it_ends_with_the_school_year():
    assert suggested(CLASSROOM, work(2, 2, 2, 2, 2), today="2026-06-19") is not None
    assert suggested(CLASSROOM, work(2, 2, 2, 2, 2), today="2026-06-20") is None


def test_ten_practice_items_on_two_days_without_the_bar_ask_for_another_approach():
    answers = (0, 1, 0, 1, 1, 0, 0, 1, 0, 1)

    found = suggested(PRACTICE, drill(*answers))
    assert found is not None
    assert (found.cause, found.side) == ("practice_without_progress", "learning")
    assert suggested(PRACTICE, drill(*answers[:9])) is None
    assert suggested(PRACTICE, drill(*answers, days=1)) is None


def test_a_set_of_twelve_practice_items_beside_class_work_is_no_prompt():
    """The rule of ten opportunities is one of practice alone: it flagged everybody with a worksheet."""
    assert suggested(CLASSROOM, [*drill(*[0] * 12), *work(3, 2, start=5)]) is None


def test_who_is_credited_or_set_by_hand_is_not_suggested():
    credit = Decided("d1", "credit", "2026-03-01T00:00:00.000000Z")

    assert suggested(CLASSROOM, work(2, 2, 2, 2, 2), decisions=[credit]) is None


@pytest.mark.parametrize(
    ("wait", "cause", "days"),
    [("sign_off", "sign_off_waits", 5), ("ungraded", "grade_waits", 10), ("ready_not_placed", "ready_and_waiting", 10)],
)
def test_adults_who_let_wait_are_asked_after_so_many_school_days(wait, cause: str, days: int):
    since = "2026-03-02T10:00:00.000000Z"
    last_day = YEAR.after(since, days)
    found = school_support(wait, since, YEAR.after(since, days + 1), YEAR, "counsellor")

    assert school_support(wait, since, last_day, YEAR, "counsellor") is None
    assert found is not None
    assert (found.side, found.cause, found.owner) == ("school", cause, "counsellor")
    assert found.weakest_prerequisite is None


def test_weekends_and_breaks_are_no_school_days():
    assert YEAR.school_days("2026-03-13", "2026-03-17") == 1
    assert YEAR.after("2026-03-13", 1) == "2026-03-17"


def test_what_is_unknown_is_no_gap():
    assert weakest_of({"a": None, "b": 3.0}) == "b"
    assert weakest_of({"a": None}) == "a"
    assert weakest_of({}) is None


def test_enough_evidence_is_where_no_single_test_changes_the_verdict():
    mean = policy_from(
        {"id": "mean", "method": {"type": "mean"}, "decision": {"at_least": 0.5, "latch": "current"}}
    ).rule

    assert is_settled(mean, drill(1, 1, 1, 1))
    assert not is_settled(mean, drill(1, 0))
    assert is_settled(CLASSROOM, work(3, 3, 3)), "one slip later changes nothing"
    assert not is_settled(CLASSROOM, work(3)), "another 3 makes it provisional"
    assert not is_settled(CLASSROOM, [])
