"""Handed-in work that waits for a grade: the adult's turn, told once, and over by itself; never a value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.curriculum.importing import read_import
from services.progression.domain.decisions import ClockTicked, SupportDecided
from services.progression.domain.policy import policy_from
from services.progression.domain.policy.phrases import LANGUAGES, phrases
from shared.contracts.handed_in import WorkUngraded
from shared.contracts.internal_events import Score
from shared.events import encode_json
from tests.support.journal import Decided, Journal, Record, piece

GRAPH, _ = read_import(encode_json({"id": "math", "nodes": "code,title\nadd,Adding\nsub,Subtracting\n"}), "2026-01-01")
PLAIN: dict[str, Any] = {"id": "p", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"}}
ASKS = policy_from(PLAIN | {"support": {"waits": {"ungraded": 10}}})
ASKS_BOTH = policy_from(PLAIN | {"support": {"waits": {"ungraded": 10}, "class_work": {"pieces": 2, "below": 2}}})
HANDED_IN = "2026-04-01T12:00:00.000000Z"
TOO_LONG = ClockTicked("ada", "2026-04-15T12:00:00.000000Z")
"""Ten school days after Wednesday 1 April."""


def work(
    name: str = "essay", *competencies: str, waits: bool = True, since: str = HANDED_IN, learner: str = "ada"
) -> WorkUngraded:
    return WorkUngraded(learner, f"w-{name}", "urn:lms", name, since, waits, competencies or ("math:add",))


def begun(policy=ASKS) -> Journal:
    return Journal().fold([Decided(framework=GRAPH), Decided(policy)])


def told(journal: Journal) -> list[dict[str, Any]]:
    return [event.data for event in journal.told if event.type.startswith("attain.support.")]


def outcomes(journal: Journal) -> list[object]:
    return [data.get("outcome", data.get("need")) for data in told(journal)]


def test_after_ten_school_days_its_owner_is_asked_for_support_on_the_side_of_the_school():
    journal = begun().fold([work()]).fold([ClockTicked("ada", "2026-04-15T11:59:00.000000Z")])
    assert told(journal) == []

    journal.fold([TOO_LONG])
    found = told(journal)[0]
    assert (found["side"], found["need"], found["owner"]) == ("school", "ungraded", "teacher")
    assert (found["waiting_since"], found["respond_by"]) == (HANDED_IN, "2026-04-22")
    assert (found["scope"]["id"], found["tried"]) == ("math:add", ["essay"])
    assert found["reason"]["text"] == phrases("en")("support.ungraded")


def test_a_grade_ends_it_and_one_that_came_in_time_leaves_nothing_behind():
    late = begun().fold([work()]).fold([TOO_LONG]).fold([work(waits=False)])
    in_time = begun().fold([work(), work(waits=False)]).fold([TOO_LONG])

    assert outcomes(late) == ["ungraded", "done"]
    assert told(late)[1]["replaces"] == late.told[0].id
    assert outcomes(in_time) == []
    assert in_time.learners["school", "ada"].ungraded == {}


def test_work_that_is_handed_in_again_waits_from_then():
    journal = begun().fold([work()]).fold([work(since="2026-04-10T12:00:00.000000Z")]).fold([TOO_LONG])
    assert told(journal) == []

    assert outcomes(journal.fold([ClockTicked("ada", "2026-04-24T12:00:00.000000Z")])) == ["ungraded"]


def test_one_suggestion_speaks_for_all_the_work_of_a_competency_until_the_last_that_is_late_is_graded():
    journal = begun().fold([work("essay"), work("poster")]).fold([TOO_LONG])
    assert [data["tried"] for data in told(journal)] == [["essay", "poster"]]

    journal.fold([work("essay", waits=False), work("fresh", since="2026-04-15T12:00:00.000000Z")])
    assert outcomes(journal) == ["ungraded"]
    assert outcomes(journal.fold([work("poster", waits=False)])) == ["ungraded", "done"]


def test_work_on_two_competencies_is_told_of_both():
    journal = begun().fold([work("essay", "math:add", "math:sub")]).fold([TOO_LONG])

    assert [data["scope"]["id"] for data in told(journal)] == ["math:add", "math:sub"]


def test_work_without_an_alignment_waits_unsaid_and_is_told_once_the_map_names_a_competency():
    unaligned = WorkUngraded("ada", "w-essay", "urn:lms", "essay", HANDED_IN, waits=True)
    journal = begun().fold([unaligned]).fold([TOO_LONG])
    assert told(journal) == []
    assert journal.learners["school", "ada"].ungraded["w-essay"].activity == "essay"

    journal.fold([work()]).fold([ClockTicked("ada", "2026-04-16T12:00:00.000000Z")])
    assert [(data["need"], data["waiting_since"]) for data in told(journal)] == [("ungraded", HANDED_IN)]


def test_it_is_over_with_the_school_year_and_work_of_a_year_that_is_over_is_never_held():
    journal = begun().fold([work()]).fold([TOO_LONG]).fold([ClockTicked("ada", "2026-07-01T00:00:00.000000Z")])
    assert outcomes(journal) == ["ungraded", "year_ended"]
    assert journal.learners["school", "ada"].ungraded == {}

    journal.fold([work("old")])
    assert journal.learners["school", "ada"].ungraded == {}
    journal.fold([ClockTicked("ada", "2026-09-10T00:00:00.000000Z")])
    assert outcomes(journal) == ["ungraded", "year_ended"]


def test_a_later_end_of_the_year_that_is_set_meanwhile_is_when_it_is_over():
    later_end = policy_from(PLAIN | {"support": {"waits": {"ungraded": 10}, "year_ends": "07-31"}})
    journal = begun().fold([work()]).fold([TOO_LONG]).fold([Decided(later_end)]).sweep()
    journal.fold([ClockTicked("ada", "2026-07-01T00:00:00.000000Z")])
    assert outcomes(journal) == ["ungraded"]
    assert journal.learners["school", "ada"].ungraded["w-essay"].ends == "2026-08-01T00:00:00.000000Z"

    journal.fold([ClockTicked("ada", "2026-08-01T00:00:00.000000Z")])
    assert outcomes(journal) == ["ungraded", "year_ended"]


def test_days_without_school_are_not_waited_also_where_a_break_is_set_meanwhile():
    journal = begun().fold([work()]).fold([Decided(breaks="2026-04-06/2026-04-10")]).fold([TOO_LONG])
    assert told(journal) == []

    assert outcomes(journal.fold([ClockTicked("ada", "2026-04-22T12:00:00.000000Z")])) == ["ungraded"]


def test_what_a_person_dismissed_does_not_come_again_by_the_same_work():
    journal = begun().fold([work()]).fold([TOO_LONG])
    journal.fold([SupportDecided("ada", "math:add", "dismissed", "teacher", "t-1")])
    journal.fold([ClockTicked("ada", "2026-05-15T12:00:00.000000Z")])

    assert outcomes(journal) == ["ungraded", "dismissed"]


def beside_low_work(*, first: str) -> Journal:
    """Late work and work below the cut on one competency, asked about both."""
    low = [piece(n, 0.0, kind="formative", activity=f"quiz-{n}", day=n) for n in (1, 2)]
    journal = begun(ASKS_BOTH).fold([work()])
    steps: list[Record] = [*low, TOO_LONG] if first == "work_below_the_cut" else [TOO_LONG, *low]
    return journal.fold(steps, drop_cache=True)


@pytest.mark.parametrize("first", ["work_below_the_cut", "ungraded"])
def test_late_work_and_low_work_are_each_asked_about_and_end_each_by_what_it_waits_for(first):
    [second] = {"work_below_the_cut", "ungraded"} - {first}
    journal = beside_low_work(first=first)
    assert [(data["need"], data["side"]) for data in told(journal)] == [
        (need, "school" if need == "ungraded" else "learning") for need in (first, second)
    ]

    journal.fold([work(waits=False), piece(3, kind="formative", activity="quiz-3", day=3)])
    ids = {event.data.get("need"): event.id for event in journal.told if event.type.startswith("attain.support.")}
    assert [(data["outcome"], data["replaces"]) for data in told(journal)[2:]] == [
        ("done", ids["ungraded"]), ("progress", ids["work_below_the_cut"])
    ]  # fmt: skip
    assert journal.learners["school", "ada"].suggestions() == []


@pytest.mark.parametrize("first", ["work_below_the_cut", "ungraded"])
def test_of_two_on_a_competency_a_person_closes_the_one_that_is_named_or_the_first(first):
    for named in ("", "work_below_the_cut", "ungraded"):
        journal = beside_low_work(first=first)
        journal.fold([SupportDecided("ada", "math:add", "dismissed", "teacher", "t-1", cause=named)])
        journal.fold([ClockTicked("ada", "2026-05-15T12:00:00.000000Z")])
        left = [open_.cause for _, open_ in journal.learners["school", "ada"].suggestions()]

        assert outcomes(journal)[2:] == ["dismissed"]
        assert left == [cause for cause in ("work_below_the_cut", "ungraded") if cause != (named or first)]


def test_two_on_a_competency_end_with_the_year_by_events_of_their_own():
    journal = beside_low_work(first="ungraded").fold([ClockTicked("ada", "2026-07-01T00:00:00.000000Z")])

    assert outcomes(journal)[2:] == ["year_ended", "year_ended"]
    assert len({event.id for event in journal.told}) == len(journal.told)


@pytest.mark.parametrize("rule", [{}, {"support": {}}, {"support": {"waits": {"sign_off": 5}}}])
def test_without_a_rule_for_it_nothing_is_asked(rule: dict[str, Any]):
    assert told(begun(policy_from(PLAIN | rule)).fold([work()]).fold([TOO_LONG])) == []


def test_a_rule_that_is_adopted_later_asks_about_work_that_was_handed_in_before():
    journal = begun(policy_from(PLAIN)).fold([piece(1), work()]).fold([Decided(ASKS)]).sweep().fold([TOO_LONG])
    assert outcomes(journal) == ["ungraded"]
    assert told(journal)[0]["waiting_since"] == HANDED_IN

    journal.fold([SupportDecided("ada", "math:add", "dismissed", "teacher", "t-1"), Decided(ASKS_BOTH)]).sweep()
    journal.fold([ClockTicked("ada", "2026-05-15T12:00:00.000000Z")])
    assert outcomes(journal) == ["ungraded", "dismissed"]


def test_it_is_no_evidence_and_changes_no_value():
    graded = [piece(n, score=Score(raw=1.0, max=1.0)) for n in range(2)]
    with_work = begun().fold([graded[0], work(), graded[1]]).fold([TOO_LONG])

    assert with_work.values() == begun().fold(graded).values()
    assert begun().fold([work()]).states == {}


_STEPS = st.lists(
    st.tuples(st.sampled_from(["essay", "poster", "quiz"]), st.booleans(), st.integers(1, 28)), min_size=1, max_size=12
)


@given(steps=_STEPS, sizes=st.integers(1, 5))
def test_however_the_batches_fall_and_with_caches_dropped_the_same_is_told(steps, sizes):
    records: list[Record] = []
    for n, (name, waits, day) in enumerate(steps):
        graded = piece(n, float(waits), kind="formative", activity=f"quiz-{n}", day=day)
        since = f"2026-04-{day:02}T12:00:00.000000Z"
        records.append(graded if name == "quiz" else work(name, waits=waits, since=since))
    records += [TOO_LONG, ClockTicked("ada", "2026-05-20T12:00:00.000000Z")]
    together, apart = begun(ASKS_BOTH).fold(records), begun(ASKS_BOTH)
    for start in range(0, len(records), sizes):
        apart.fold(records[start : start + sizes], drop_cache=True)

    assert [(event.id, event.data) for event in apart.told] == [(event.id, event.data) for event in together.told]
    assert len({event.id for event in together.told}) == len(together.told)
    standing = together.learners["school", "ada"]
    assert bool(standing.ungraded) == (standing.suggestion_on("math:add", "ungraded") is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cause_is_said_in_every_language(language):
    say = phrases(language)

    assert "essay" in say("ungraded", activity="essay", day="2026-04-01")
    for cause in ("work_below_the_cut", "practice_without_progress", "sign_off_waits", "ready_and_waiting", "ungraded"):
        assert say(f"support.{cause}")
