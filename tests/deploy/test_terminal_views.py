"""Records and classes on a terminal."""

from typing import Any

from deploy.local.client.drawing import share_bar, sparkline, steps_of
from deploy.local.commands.class_ import text
from deploy.local.commands.learner import growth_lines


def test_a_sparkline_has_a_block_a_value_and_shows_what_is_above_nothing() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert sparkline([0.01, 100]) == "▁█"
    assert sparkline([0, 0]) == "  "
    assert sparkline([]) == ""


def test_steps_are_what_there_was_at_the_end_of_each_part() -> None:
    assert steps_of([("2026-01-01", 1), ("2026-01-06", 3), ("2026-01-11", 5)], 2) == [3.0, 5.0]


def test_a_bar_is_as_long_as_its_share() -> None:
    assert share_bar(10, 10) == "█" * 10
    assert share_bar(0, 10) == " " * 10
    assert share_bar(1, 16, 10) == "▋".ljust(10)
    assert share_bar(1, 0) == " " * 10


def test_growth_tells_the_pace_and_no_projection() -> None:
    grown = {
        "points": [["2026-01-01", 1], ["2026-03-01", 4]],
        "overall": {"per_30_days": 1.5, "low": 1, "high": 2}, "recent": {"per_30_days": 2, "low": 1, "high": 3},
        "earlier": {"per_30_days": 1, "low": 1, "high": 1}, "projection": {"remaining": 5, "least": 9, "most": 30},
    }  # fmt: skip
    lines = "\n".join(growth_lines(grown))

    assert "4 on the record, 2026-01-01 to 2026-03-01" in lines
    assert "1.5 in 30 days (1 to 2); in the last 90 days 2, before 1" in lines
    assert "30 days or" not in lines
    assert growth_lines(grown | {"points": [["2026-01-01", 1]]}) == []


def test_a_class_shows_counts_marks_and_what_waits() -> None:
    grid: dict[str, Any] = {
        "title": "Room 3", "learners": ["ada", "bo"], "competencies": ["m:a"], "titles": {"m:a": "Halves"},
        "counts": {"m:a": {"mastered": 1, "no_evidence": 1}},
        "rows": [{"learner": "ada", "statuses": {"m:a": "mastered"}}, {"learner": "bo", "statuses": {}}],
    }  # fmt: skip
    waits = {"learner": "bo", "queue": "ready", "scope": "m:a", "title": "Halves", "age_days": 1, "owner": "teacher"}
    asked = {"queue": "support", "cause": "sign_off_waits", "owner": "school_office", "in_place_of": "teacher"}
    shown = text(grid, {"attention": [waits | asked, *[waits] * 12]}, {"ada": "Ada Lovelace"})

    assert "a Halves" in shown
    assert "1 of 2" in shown
    assert "  Ada Lovelace              ●" in shown
    assert "  bo                        ·" in shown
    assert "needs attention (13):" in shown
    assert "ready for: Halves" in shown
    assert "1 day  teacher" in shown
    assert "support (sign off waits): Halves" in shown
    assert "1 day  school_office (no teacher)" in shown
    assert "and 1 more" in shown
    assert "Nothing waits" in text(grid, {"attention": []}, {})
