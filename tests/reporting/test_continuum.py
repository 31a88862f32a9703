"""The continuum: levels in order, what is next, what needs a re-check."""

import pytest

from services.reporting.domain.continuum import Standard, level_order, remaining_of
from services.reporting.domain.needs import Stands, class_needs
from services.reporting.domain.record import Record, learner_record
from shared.contracts.internal_events import MasteryUpdated, Status
from tests.reporting.builders import state

GRAPH = {"m:add": ["m:count"], "m:fractions": ["m:add", "m:share"]}
STANDARDS = [
    Standard("m", "fractions", "Fractions", 4, "2", "Maths"),
    Standard("m", "count", "Count", 1, "K", "Maths"),
    Standard("m", "share", "Share", 3, "1", "Maths"),
    Standard("m", "add", "Add", 2, "1", "Maths"),
]


def record_of(*states: MasteryUpdated) -> Record:
    return learner_record("ada", states, STANDARDS, GRAPH)


def following(*states: MasteryUpdated) -> list[str]:
    return [step.competency for step in record_of(*states).next]


def test_roots_are_next_for_who_starts_in_order_of_level_and_ordinal() -> None:
    assert following() == ["m:count", "m:share"]


@pytest.mark.parametrize(
    ("status", "opens"),
    [
        ("no_evidence", False), ("insufficient_evidence", False), ("not_yet", False), ("provisional", False),
        ("mastered", True), ("credited", True), ("presumed", True), ("reverify_due", True),
    ],
)  # fmt: skip
def test_a_prerequisite_opens_what_follows_by_its_status(status: Status, opens: bool) -> None:
    assert ("m:add" in following(state("ada", "m:count", status))) is opens


def test_an_override_opens_what_follows_only_where_it_shows_mastery() -> None:
    up = state("ada", "m:count", "overridden", mastered_at="2026-01-01T00:00:00.000000Z")

    assert "m:add" in following(up)
    assert "m:add" not in following(state("ada", "m:count", "overridden", mastered_at=None))


def test_only_direct_prerequisites_count() -> None:
    """A gap far back closes nothing."""
    assert "m:fractions" in following(state("ada", "m:add"), state("ada", "m:share"))


def test_what_is_shown_or_needs_a_recheck_is_not_next() -> None:
    record = record_of(state("ada", "m:count", "reverify_due"), state("ada", "m:share"))

    assert [step.competency for step in record.next] == ["m:add"]
    assert [step.competency for step in record.review] == ["m:count"]


GROUPS = [
    Standard("m", "area", "Numbers", 0, None, "Maths", group=True),
    Standard("m", "seen", "Seen as a whole", 0, None, "Maths", group=True),
    Standard("m", "unit", "Unit 2", 5, "2", "Maths", group=True),
    Standard("m", "share", "Share", 0, None, "Maths", group=True),
]


def test_a_group_counts_only_with_a_level_prerequisites_or_a_state_of_its_own() -> None:
    graph = {"m:share": ["m:add"]}
    record = learner_record(
        "ada", [state("ada", "m:seen", "not_yet"), state("ada", "m:add")], [*STANDARDS[:2], *GROUPS], graph
    )

    assert [step.competency for step in record.next] == ["m:count", "m:fractions", "m:unit", "m:seen", "m:share"]
    assert record.subjects[0].total == 5
    assert record.items[0].title is not None


def test_a_class_and_a_projection_count_the_same_groups_as_the_record() -> None:
    held = {"m:count": Stands("mastered", None), "m:seen": Stands("reverify_due", None)}
    standards = [*STANDARDS[:2], *GROUPS]
    found = class_needs("k", "K", {"ada": held, "bo": {}}, standards, {"m:unit": ["m:seen"], "m:share": ["m:add"]}, [])

    assert [(each.learner, each.next, each.review) for each in found.learners] == [
        ("ada", ["m:fractions", "m:unit"], ["m:seen"]), ("bo", ["m:count", "m:fractions"], []),
    ]  # fmt: skip
    assert ("m:seen", ["ada"]) in [(each.competency, each.review) for each in found.competencies]
    assert remaining_of(standards, held, {}) == 2


def test_levels_count_what_is_on_the_record_and_a_recheck_takes_nothing_away() -> None:
    record = record_of(
        state("ada", "m:count", "reverify_due"), state("ada", "m:add"), state("ada", "m:share", "not_yet")
    )
    levels = record.subjects[0].levels

    assert [(level.level, level.mastered, level.total) for level in levels] == [("K", 1, 1), ("1", 1, 2), ("2", 0, 1)]
    assert levels[1].counts == {"not_yet": 1, "mastered": 1}
    assert (record.subjects[0].mastered, record.subjects[0].total) == (2, 4)


def test_presumed_is_never_counted_as_shown() -> None:
    assert record_of(state("ada", "m:count", "presumed")).subjects[0].mastered == 0


def test_the_current_level_is_the_first_open_one_that_the_record_speaks_about() -> None:
    assert record_of().subjects[0].current_level == "K"
    assert record_of(state("ada", "m:add", "not_yet")).subjects[0].current_level == "1"
    assert record_of(state("ada", "m:count")).subjects[0].current_level == "1"


def test_the_last_level_is_current_when_everything_is_shown() -> None:
    everything = [state("ada", standard.competency) for standard in STANDARDS]

    assert record_of(*everything).subjects[0].current_level == "2"


def test_a_retired_competency_stays_on_the_record_with_its_title() -> None:
    record = learner_record("ada", [state("ada", "m:old")], STANDARDS, GRAPH, titles={"m:old": "Old"})

    assert [(item.competency, item.title, item.level) for item in record.items] == [("m:old", "Old", None)]


def test_levels_come_by_number_with_kindergarten_first_and_names_in_the_order_of_the_framework() -> None:
    names = ["HS", "10", "2", "Grade 6-8", "K", "PK", None]
    standards = [Standard("m", str(n), "", n, level, None) for n, level in enumerate(names)]
    order = level_order(standards)

    assert sorted(names, key=lambda level: order[level]) == ["PK", "K", "2", "Grade 6-8", "10", "HS", None]
