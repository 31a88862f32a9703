"""What a term ended with of levels, and how its tables tell what amends it."""

import pytest

from services.reporting.domain.amended import (
    Amendment,
    Cause,
    LevelTold,
    TermClass,
    TermLevel,
    TermRecord,
    levels_of,
)
from services.reporting.domain.counting import class_mastery
from services.reporting.domain.record import Statement, learner_record
from services.reporting.entrypoints.terms import grid_table, record_table
from tests.reporting.builders import SHOWN_AT, state

LEVEL = "m#Maths/1"
LATER = "2026-06-20T08:00:00.000000Z"


def amendment(scope: str, after: str, kind: str = "competency", learner: str = "ada") -> Amendment:
    return Amendment(
        "e9", learner, kind, scope, "A title", "mastered", after, LATER, LATER, "Gone.", Cause("x", "y"), "1b"
    )


@pytest.mark.parametrize(
    ("kinds", "status", "event"),
    [
        (["ready"], "ready", 0),
        (["ready", "sign_off_requested", "advanced", "ready"], "advanced", 2),
        (["advanced", "withdrawn", "sign_off_requested"], "withdrawn", 1),
        (["advanced", "withdrawn", "reinstated"], "advanced", 2),
        (["sign_off_requested", "sign_off_requested"], "sign_off_requested", 1),
        (["ready", "sign_off_requested", "sign_off_lapsed"], "ready", 0),
        (["sign_off_requested", "sign_off_lapsed", "sign_off_requested"], "sign_off_requested", 2),
    ],
)
def test_a_level_stands_where_its_events_leave_it(kinds: list[str], status: str, event: int) -> None:
    told = [LevelTold("ada", f"e{no}", f"level.{kind}", LEVEL, "m", SHOWN_AT) for no, kind in enumerate(kinds)]

    assert levels_of(told) == {"ada": [TermLevel(LEVEL, "m", "Maths, level 1", status, SHOWN_AT, f"e{event}")]}


def test_a_withdrawal_ends_the_sign_off_of_the_levels_that_it_names() -> None:
    asked, over = (
        LevelTold("ada", "e0", "level.sign_off_requested", LEVEL, "m", SHOWN_AT),
        LevelTold("ada", "e1", "competency.withdrawn", "m:a", "m", SHOWN_AT, (LEVEL,)),
    )

    assert levels_of([asked, over]) == {}
    assert levels_of([asked, over._replace(levels=())])["ada"][0].status == "sign_off_requested"


def test_the_table_of_a_record_has_a_row_a_standing_with_its_last_amendment() -> None:
    items = learner_record("ada", [state("ada", "m:a"), state("ada", "m:b")], [], {}).items
    level = TermLevel(LEVEL, "m", "Maths, level 1", "advanced", SHOWN_AT, "e2")
    amendments = [amendment("m:a", "not_yet"), amendment("m:a", "mastered"), amendment("m:c", "mastered"),
                  amendment(LEVEL, "withdrawn", "level")]  # fmt: skip
    stated = [Statement("r", "m:a", text, SHOWN_AT, "guardian") for text in ("One.", "Two.")]
    columns, rows = record_table(TermRecord("t", SHOWN_AT, "ada", "0a", items, [level], amendments, stated))
    told = [dict(zip(columns, row, strict=True)) for row in rows]

    assert [(row["kind"], row["scope"], row["status"], row["amended_status"]) for row in told] == [
        ("competency", "m:a", "mastered", "mastered"), ("competency", "m:b", "mastered", None),
        ("level", LEVEL, "advanced", "withdrawn"), ("competency", "m:c", None, "mastered"),
    ]  # fmt: skip
    assert (told[0]["amended_at"], told[0]["amended_reason"], told[1]["amended_reason"]) == (LATER, "Gone.", None)
    assert [row["statement"] for row in told] == ["One.\n\nTwo.", None, None, None]
    assert [(row["since"], row["evidence_count"]) for row in told[1:]] == [
        (SHOWN_AT, 3),
        (SHOWN_AT, None),
        (None, None),
    ]


def test_the_grid_of_a_class_has_its_levels_and_says_what_amends_each_row() -> None:
    grid = class_mastery("c", "Room", {"ada": {"m:a": "mastered"}, "bo": {}}, order=[], titles={})
    level = TermLevel(LEVEL, "m", None, "advanced", SHOWN_AT, "e2")
    columns, rows = grid_table(TermClass("t", SHOWN_AT, grid, {"ada": [level]}, [amendment("m:a", "not_yet")]), "UTC")

    assert tuple(columns) == ("learner", "m:a", LEVEL, "amendments")
    assert list(rows) == [
        ("ada", "mastered", "advanced", "m:a mastered -> not_yet on 2026-06-20: Gone."), ("bo", "no_evidence", None, "")
    ]  # fmt: skip
