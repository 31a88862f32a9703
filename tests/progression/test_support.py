"""Support instead of "stuck": what asks for it, who owns it, that it clears itself, and that it is the same on every run."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.curriculum.importing import read_import
from services.progression.domain.decisions import ClockTicked, CompetencyDecided, LevelDecided, SupportDecided
from services.progression.domain.explanation import explain_key
from services.progression.domain.known import Known
from services.progression.domain.mastery import piece_of, replay
from services.progression.domain.plans import Plan
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.policy.facts import fact
from services.progression.domain.policy.reading import read_policy
from services.progression.domain.policy.templates import template
from services.progression.domain.probing import later
from services.progression.domain.settled import is_settled
from services.progression.domain.standing import needs_of
from services.progression.domain.states import KeyState
from services.progression.domain.support_fold import next_due, weakest_of
from services.progression.domain.work import school_year
from shared.contracts.internal_events import EvidenceRecorded, Score
from shared.events import encode_json
from tests.support.journal import TENANT, Decided, Journal, piece, retract
from tests.support.policies import KINDS, policies, random_work

CLASSROOM = read_policy(template("classroom"))
PRACTICE = read_policy(template("practice"))
CREDIT = read_policy(template("credit"))
GRAPH, _ = read_import(
    encode_json(
        {
            "id": "math",
            "nodes": "code,title,level,power\nadd,Adding,1,true\nsub,Subtracting,1,true\nmul,Multiplying,2,true\n",
            "edges": "from,to\nadd,mul\nsub,mul\n",
        }
    ),
    "2026-01-01",
)
NOON = "T12:00:00.000000Z"


def work(
    *marks: float, kind: str = "formative", start: int = 1, competency: str = "math:mul", day: int | None = None
) -> list[EvidenceRecorded]:
    """Marks on the scale of the classroom, one a day in March, each an activity of its own."""
    return [
        piece(start + n, day=(day or start) + n, score=Score(level=mark), kind=kind, activity=f"task-{start + n}",
              items=8, competency=competency)
        for n, mark in enumerate(marks)
    ]  # fmt: skip


def drill(*answers: int, days: int = 2) -> list[EvidenceRecorded]:
    return [
        piece(n, float(right), day=1 + n % days, kind="practice", activity=f"item-{n}", competency="math:mul")
        for n, right in enumerate(answers)
    ]


def begun(policy=CLASSROOM) -> Journal:
    return Journal().fold([Decided(framework=GRAPH), Decided(policy)])


def told(journal: Journal, name: str = "") -> list[dict[str, Any]]:
    """Return what was told of support, as data."""
    return [event.data for event in journal.told if event.type.startswith(f"attain.support.{name}")]


def outcomes(journal: Journal) -> list[object]:
    return [data.get("outcome", data.get("need")) for data in told(journal)]


def test_five_pieces_with_none_of_the_last_three_at_the_cut_name_an_owner_a_date_and_what_was_tried():
    """The journal's day is Wednesday 1 April: five school days later is the 8th."""
    journal = begun().fold(work(1, 2, 1, 2, 2, competency="math:sub", day=10)).fold(work(3, 2, 2, 2, 2))
    found = told(journal, "suggested")[-1]

    assert (found["side"], found["need"], found["owner"]) == ("learning", "work_below_the_cut", "teacher")
    assert (found["respond_by"], found["weakest_prerequisite"]) == ("2026-04-08", "math:sub")
    assert found["tried"] == ["task-3", "task-4", "task-5"]
    assert found["scope"]["id"] == "math:mul"


@pytest.mark.parametrize(
    "marks", [(2, 2, 2, 2), (2, 2, 3, 2, 2), (2, 2, 2, 2, 3), (3, 3, 3, 2, 2, 2), (2, 2, 2, 3, 3)],
    ids=["four pieces", "one of three", "the last", "on the record", "provisional"],
)  # fmt: skip
def test_less_than_that_asks_for_nothing(marks: Sequence[float]):
    assert told(begun().fold(work(*marks))) == []


def test_without_a_rule_nothing_is_suggested():
    plain = policy_from({name: value for name, value in CLASSROOM.content.items() if name != "support"})

    assert told(begun(plain).fold(work(2, 2, 2, 2, 2, 2))) == []


def test_it_clears_itself_with_the_next_piece_at_the_cut_and_comes_again_if_it_must():
    journal = begun().fold(work(2, 2, 2, 2, 2)).fold(work(3, start=6))

    assert outcomes(journal) == ["work_below_the_cut", "progress"]
    assert told(journal)[1]["replaces"] == journal.told[0].id

    journal.fold(work(2, 2, 2, start=7))
    assert outcomes(journal)[2:] == ["work_below_the_cut"]
    assert len({event.id for event in journal.told}) == len(journal.told)


def test_a_piece_that_is_taken_back_takes_the_suggestion_with_it():
    pieces = work(2, 2, 2, 2, 2)

    assert outcomes(begun().fold(pieces).fold([retract(pieces[0])])) == ["work_below_the_cut", "corrected"]


def test_what_is_credited_or_set_by_hand_is_not_suggested_any_more():
    credit = CompetencyDecided("ada", "math:mul", "credit", "teacher", "t-1", "transfer")

    assert outcomes(begun().fold(work(2, 2, 2, 2, 2)).fold([credit])) == ["work_below_the_cut", "decided"]


def test_it_ends_with_the_school_year_and_nothing_of_last_year_is_held_against_anyone():
    journal = begun().fold(work(2, 2, 2, 2, 2))
    journal.fold([ClockTicked("ada", "2026-06-30T23:59:00.000000Z")])
    assert outcomes(journal) == ["work_below_the_cut"]

    journal.fold([ClockTicked("ada", "2026-07-01T00:00:00.000000Z")])
    assert outcomes(journal)[1:] == ["year_ended"]

    september = [
        piece(20 + n, score=Score(level=2.0), kind="formative", activity=f"new-{n}", items=8, competency="math:mul",
              occurred_at=f"2026-09-0{1 + n}{NOON}")
        for n in range(5)
    ]  # fmt: skip
    journal.fold([ClockTicked("ada", "2026-09-10T00:00:00.000000Z")]).fold(september[:4])
    assert len(told(journal)) == 2
    journal.fold(september[4:])
    assert outcomes(journal)[2:] == ["work_below_the_cut"]


def test_a_later_end_of_the_year_that_is_set_meanwhile_is_when_it_ends():
    """What is asked of a learner who goes on to need it would be closed in July, and not asked again by more of the same."""
    later_end = policy_from(CLASSROOM.content | {"support": CLASSROOM.content["support"] | {"year_ends": "07-31"}})
    journal = begun().fold(work(2, 2, 2, 2, 2)).fold([Decided(later_end)]).sweep()
    journal.fold([ClockTicked("ada", "2026-07-01T00:00:00.000000Z")])
    assert outcomes(journal) == ["work_below_the_cut"]
    assert next_due(journal.learners[TENANT, "ada"]) == ["2026-08-01T00:00:00.000000Z"]

    journal.fold([ClockTicked("ada", "2026-08-01T00:00:00.000000Z")])
    assert outcomes(journal) == ["work_below_the_cut", "year_ended"]


def test_work_of_a_year_that_is_over_is_no_cause():
    old = [
        piece(n, score=Score(level=2.0), kind="formative", activity=f"old-{n}", items=8, competency="math:mul",
              occurred_at=f"2025-05-0{1 + n}{NOON}")
        for n in range(5)
    ]  # fmt: skip

    assert told(begun().fold(old)) == []


@pytest.mark.parametrize(
    ("day", "ends", "year"),
    [
        ("2026-06-30", "06-30", "2026-06-30"),
        ("2026-07-01", "06-30", "2027-06-30"),
        ("2026-03-02", "12-20", "2026-12-20"),
    ],
)
def test_a_school_year_ends_on_the_day_that_is_set(day: str, ends: str, year: str):
    assert school_year(day, ends) == year


def test_ten_practice_items_on_two_days_without_the_bar_ask_for_another_approach():
    answers = (0, 1, 0, 1, 1, 0, 0, 1, 0, 1)

    assert outcomes(begun(PRACTICE).fold(drill(*answers))) == ["practice_without_progress"]
    assert told(begun(PRACTICE).fold(drill(*answers[:9]))) == []
    assert told(begun(PRACTICE).fold(drill(*answers, days=1))) == []


def test_a_set_of_twelve_practice_items_beside_class_work_is_no_prompt():
    """The rule of ten opportunities is one of practice alone: it flagged everybody with a worksheet."""
    journal = begun().fold(work(3, 2, start=20)).fold(drill(*[0] * 12))

    assert told(journal) == []


def test_the_weakest_prerequisite_is_that_of_the_moment_however_the_batches_fall():
    """In one batch with what comes after it, in batches of one with empty caches: the same name."""
    before = [*work(2, 2, competency="math:add"), *work(1, 1, competency="math:sub", start=5)]
    after = [*work(1, 1, competency="math:add", start=20), *work(3, 3, competency="math:sub", start=25)]
    records = [*before, *work(2, 2, 2, 2, 2, start=10), *after]
    together, apart = begun().fold(records), begun()
    for record in records:
        apart.fold([record], drop_cache=True)

    assert told(together, "suggested")[0]["weakest_prerequisite"] == "math:sub"
    assert [(event.id, event.data) for event in apart.told] == [(event.id, event.data) for event in together.told]


def test_what_is_unknown_is_no_gap():
    assert weakest_of({"a": None, "b": 3.0}) == "b"
    assert weakest_of({"a": None}) == "a"
    assert weakest_of({}) is None


def test_a_person_closes_it_and_it_does_not_come_again_by_more_of_the_same():
    journal = begun().fold(work(2, 2, 2, 2, 2))
    journal.fold([SupportDecided("ada", "math:mul", "plan_changed", "teacher", "t-1", "small group")])
    journal.fold(work(2, start=6))
    closed = told(journal)[1]

    assert outcomes(journal) == ["work_below_the_cut", "plan_changed"]
    assert (closed["by"], closed["reason"]["text"]) == ({"role": "teacher", "ref": "t-1"}, "small group")


def signable() -> Journal:
    """What lacks a sign-off alone: three pieces at the cut, one of them summative, under the policy of a course."""
    pieces = [*work(3, 3, competency="math:add"), *work(3, kind="summative", start=3, competency="math:add")]
    return begun(CREDIT).fold(pieces)


def test_a_sign_off_that_waits_six_school_days_is_a_leaders_matter_and_ends_when_it_is_given():
    """Waiting since Wednesday 1 April: five school days have passed on the 8th."""
    journal = signable().fold([ClockTicked("ada", "2026-04-07T23:00:00.000000Z")])
    assert told(journal) == []

    journal.fold([ClockTicked("ada", "2026-04-08T12:00:00.000000Z")])
    found = told(journal)[0]
    assert (found["side"], found["need"], found["owner"]) == ("school", "sign_off_waits", "school_leader")
    assert found["waiting_since"].startswith("2026-04-01")

    journal.fold([CompetencyDecided("ada", "math:add", "sign_off", "teacher", "t-1", "sign_off")])
    assert outcomes(journal) == ["sign_off_waits", "done"]


def test_a_sign_off_is_waited_for_also_where_the_piece_that_asks_for_it_ends_another_suggestion():
    signed = policy_from({
        "id": "signed", "scale": {"min": 1, "max": 4, "mastery": 3}, "method": {"type": "latest_at_or_above", "cut": 3},
        "decision": {"latch": "first_crossing"}, "sign_off": {"by": "teacher"},
        "support": {"class_work": {"pieces": 2, "below": 2}, "waits": {"sign_off": 5}},
    })  # fmt: skip
    journal = begun(signed).fold(work(2, 2, 3, competency="math:add"))
    assert outcomes(journal) == ["work_below_the_cut", "progress"]

    journal.fold([ClockTicked("ada", "2026-04-08T12:00:00.000000Z")])
    assert outcomes(journal) == ["work_below_the_cut", "progress", "sign_off_waits"]


def test_a_wait_that_was_dismissed_does_not_ask_again_while_the_same_sign_off_waits():
    """A plan is made meanwhile, so the competency is looked at again."""
    plan = CompetencyDecided("ada", "math:add", "plan", "case_manager", "cm-1", "override",
                             plan=Plan("extend", "iep", "2027-01-01", pieces=1))  # fmt: skip
    journal = signable().fold([ClockTicked("ada", "2026-04-08T12:00:00.000000Z")])
    journal.fold([SupportDecided("ada", "math:add", "dismissed", "school_leader", "l-1"), plan])
    journal.fold([ClockTicked("ada", "2026-05-08T12:00:00.000000Z")])
    assert outcomes(journal) == ["sign_off_waits", "dismissed"]

    journal.fold([CompetencyDecided("ada", "math:add", "sign_off", "teacher", "t-1", "sign_off")])
    assert outcomes(journal) == ["sign_off_waits", "dismissed"]
    assert journal.learners["school", "ada"].waits == {}


def test_a_wait_that_a_correction_ends_was_answered_by_nobody():
    journal = signable().fold([ClockTicked("ada", "2026-04-08T12:00:00.000000Z")])
    journal.fold([retract(*work(3, 3, competency="math:add"))])

    assert outcomes(journal) == ["sign_off_waits", "corrected"]


def test_a_rule_that_is_adopted_later_asks_about_what_waits_already_from_when_it_began():
    """It waits since Wednesday 1 April, without a rule until the 20th: five school days were over on the 8th."""
    silent = policy_from({name: value for name, value in CREDIT.content.items() if name != "support"})
    pieces = [*work(3, 3, competency="math:add"), *work(3, kind="summative", start=3, competency="math:add")]
    journal = begun(silent).fold(pieces).fold([ClockTicked("ada", "2026-04-20T12:00:00.000000Z")])
    assert next_due(journal.learners[TENANT, "ada"]) == []

    journal.fold([Decided(CREDIT)]).sweep()
    assert next_due(journal.learners[TENANT, "ada"])[0] < "2026-04-09"
    journal.fold([ClockTicked("ada", "2026-04-20T12:01:00.000000Z")])
    assert outcomes(journal) == ["sign_off_waits"]
    assert told(journal)[0]["waiting_since"].startswith("2026-04-01")


def test_a_rule_that_is_adopted_later_asks_about_who_is_ready_and_placed_nowhere():
    journal = ready_for_the_next(placement=None).fold([ClockTicked("ada", "2026-05-04T12:00:00.000000Z")])
    journal.fold([Decided(placed_within(10))]).sweep().fold([ClockTicked("ada", "2026-05-04T12:01:00.000000Z")])

    assert outcomes(journal) == ["ready_and_waiting"]
    assert told(journal)[0]["waiting_since"].startswith("2026-04-01")


def test_a_rule_that_is_adopted_later_asks_nothing_about_a_school_year_that_is_over_until_something_happens_again():
    journal = ready_for_the_next(placement=None).fold([ClockTicked("ada", "2026-08-24T12:00:00.000000Z")])
    journal.fold([Decided(placed_within(10))]).sweep().fold([ClockTicked("ada", "2026-10-05T12:00:00.000000Z")])

    assert told(journal) == []


def test_what_was_dismissed_is_not_asked_again_by_another_rule():
    journal = ready_for_the_next().fold([ClockTicked("ada", "2026-04-15T12:00:00.000000Z")])
    journal.fold([SupportDecided("ada", "math#/2", "dismissed", "school_leader", "l-1"), Decided(placed_within(5))])
    journal.sweep().fold([ClockTicked("ada", "2026-05-15T12:00:00.000000Z")])

    assert outcomes(journal) == ["ready_and_waiting", "dismissed"]


def test_days_without_school_are_not_waited():
    journal = begun(CREDIT).fold([Decided(breaks="2026-04-02/2026-04-10")])
    journal.fold([*work(3, 3, competency="math:add"), *work(3, kind="summative", start=3, competency="math:add")])
    journal.fold([ClockTicked("ada", "2026-04-16T12:00:00.000000Z")])
    assert told(journal) == []

    journal.fold([ClockTicked("ada", "2026-04-17T12:00:00.000000Z")])
    assert outcomes(journal) == ["sign_off_waits"]


def test_a_break_that_is_set_while_somebody_waits_counts_as_well():
    journal = signable().fold([Decided(breaks="2026-04-06/2026-04-10")])
    journal.fold([ClockTicked("ada", "2026-04-08T12:00:00.000000Z")])
    assert told(journal) == []
    assert journal.learners["school", "ada"].awaiting["math:add"][2].startswith("2026-04-15")

    journal.fold([ClockTicked("ada", "2026-04-15T12:00:00.000000Z")])
    assert outcomes(journal) == ["sign_off_waits"]
    assert journal.learners["school", "ada"].awaiting["math:add"][2] == ""


def test_where_the_work_itself_can_still_show_it_nobody_waits_for_adults_alone():
    journal = begun().fold(work(3, 3, competency="math:add"))
    journal.fold([ClockTicked("ada", "2026-05-01T12:00:00.000000Z")])

    assert told(journal) == []
    assert journal.learners["school", "ada"].awaiting["math:add"][0] == "teacher"
    assert journal.learners["school", "ada"].awaiting["math:add"][2] == "", "a leader may give it as well"


def test_a_leader_signs_off_in_place_of_who_let_wait():
    journal = signable().fold([ClockTicked("ada", "2026-04-08T12:00:00.000000Z")])
    by_leader = CompetencyDecided(
        "ada", "math:add", "sign_off", "school_leader", "l-1", "sign_off", instead_of="teacher"
    )
    journal.fold([by_leader])

    assert journal.state("math:add").status == "mastered"
    shown = next(event.data for event in journal.told if event.type == "attain.competency.mastered.v1")
    assert shown["basis"]["by"] == {"role": "school_leader", "ref": "l-1"}


def placed_within(days: int | None) -> Policy:
    """A rule that asks after so many school days of waiting for a place, or never."""
    waits = {"placement": days} if days is not None else {}
    return policy_from(
        {
            "id": "p",
            "method": {"type": "streak", "n": 1},
            "decision": {"latch": "first_crossing"},
            "support": {"waits": waits},
        }
    )


def ready_for_the_next(placement: int | None = 10) -> Journal:
    """Level 1 is signed off at once: level 2 is ready."""
    return begun(placed_within(placement)).fold([piece(1), piece(2, competency="math:sub")])


def test_who_is_ready_and_placed_nowhere_for_ten_school_days_is_asked_about():
    journal = ready_for_the_next()
    assert "level.ready" in journal.kinds()
    journal.fold([ClockTicked("ada", "2026-04-15T12:00:00.000000Z")])

    assert outcomes(journal) == ["ready_and_waiting"]
    assert told(journal)[0]["scope"]["kind"] == "level"
    journal.fold([LevelDecided("ada", told(journal)[0]["scope"]["id"], "place", "counselor", "c-1")])
    assert outcomes(journal) == ["ready_and_waiting", "done"]


def test_nobody_is_asked_to_place_anybody_on_a_level_that_is_gone():
    journal = ready_for_the_next().fold([ClockTicked("ada", "2026-04-15T12:00:00.000000Z")])
    journal.fold([Decided(framework=msgspec.structs.replace(GRAPH, competencies=GRAPH.competencies[:2]))]).sweep()

    assert outcomes(journal) == ["ready_and_waiting", "rules_changed"]
    assert journal.learners["school", "ada"].suggestions() == []


def test_who_has_begun_the_next_level_waits_for_nobody():
    journal = ready_for_the_next().fold([piece(3, competency="math:mul")])
    journal.fold([ClockTicked("ada", "2026-05-15T12:00:00.000000Z")])

    assert told(journal) == []


SIGNED_LEVELS = policy_from({
    "id": "p", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"},
    "advancement": {"require": {"power": "mastered"}, "sign_off": {"by": "teacher"}},
    "support": {"waits": {"placement": 10, "sign_off": 5}},
})  # fmt: skip


def signed_level_1(*first: EvidenceRecorded) -> Journal:
    """Level 2 is ready by a signature, after other pieces."""
    journal = begun(SIGNED_LEVELS).fold([*first, piece(1), piece(2, competency="math:sub")])
    journal.fold([LevelDecided("ada", "math#/1", "sign_off", "teacher", "t-1")])
    assert journal.kinds()[-1] == "level.ready"
    return journal


def test_a_signature_that_is_refused_is_asked_for_again_after_the_day_of_its_review_and_not_before():
    """Asked for on Wednesday 1 April, a leader would be asked as well on the 8th, and for support."""
    journal = begun(SIGNED_LEVELS).fold([piece(1), piece(2, competency="math:sub")])
    journal.fold([LevelDecided("ada", "math#/1", "withhold", "teacher", "t-1", "not yet", "2026-04-20")])
    asked = len(journal.told)
    for at in ("2026-04-08T12:00", "2026-04-20T23:59"):
        journal.fold([ClockTicked("ada", f"{at}:00.000000Z")])
    assert journal.kinds()[asked:] == []

    journal.fold([ClockTicked("ada", "2026-04-21T00:00:00.000000Z")])
    assert journal.kinds()[asked:] == ["level.sign_off_requested"]
    assert journal.told[-1].data["approver_roles"] == ["teacher", "school_leader"]
    journal.fold([ClockTicked("ada", "2026-04-28T00:00:00.000000Z")])
    assert outcomes(journal) == ["sign_off_waits"]


def test_who_refuses_has_answered_the_support_that_was_asked():
    journal = begun(SIGNED_LEVELS).fold([piece(1), piece(2, competency="math:sub")])
    journal.fold([ClockTicked("ada", "2026-04-08T12:00:00.000000Z")])
    journal.fold([LevelDecided("ada", "math#/1", "withhold", "school_leader", "l-1", "not yet", "2026-04-20")])
    journal.fold([piece(3), ClockTicked("ada", "2026-04-24T12:00:00.000000Z")])
    assert outcomes(journal) == ["sign_off_waits", "done"]

    journal.fold([LevelDecided("ada", "math#/1", "sign_off", "teacher", "t-1")])
    assert "level.advanced" in journal.kinds()


def test_who_has_begun_a_level_before_it_is_ready_waits_for_no_place_there():
    journal = signed_level_1(piece(3, competency="math:mul")).fold([ClockTicked("ada", "2026-05-15T12:00:00.000000Z")])

    assert outcomes(journal) == ["sign_off_waits"]


def test_a_place_that_is_waited_for_hides_no_sign_off_of_the_same_level():
    """Level 2 is complete by a plan that asks for what is shown in the place of its one competency."""
    plan = Plan("substitute", "iep", "2027-01-01", "math:add")
    journal = signed_level_1()
    journal.fold([CompetencyDecided("ada", "math:mul", "plan", "case_manager", "cm-1", "override", plan=plan)])
    journal.fold([ClockTicked("ada", "2026-04-15T12:00:00.000000Z")])

    assert sorted((data["scope"]["id"], data["need"]) for data in told(journal)) == [
        ("math#/2", "ready_and_waiting"), ("math#/2", "sign_off_waits")
    ]  # fmt: skip
    journal.fold([LevelDecided("ada", "math#/2", "sign_off", "teacher", "t-1")])
    assert outcomes(journal)[2:] == ["done", "done"]


def test_enough_evidence_is_where_no_single_test_changes_the_verdict():
    mean = policy_from(
        {"id": "mean", "method": {"type": "mean"}, "decision": {"at_least": 0.5, "latch": "current"}}
    ).rule

    def right(*answers: int):
        return list(map(piece_of, drill(*answers)))

    def marked(*marks: float):
        return list(map(piece_of, work(*marks)))

    assert is_settled(Known(right(1, 1, 1, 1), mean))
    assert not is_settled(Known(right(1, 0), mean))
    assert is_settled(Known(marked(3, 3, 3), CLASSROOM.rule)), "one slip later changes nothing"
    assert not is_settled(Known(marked(3), CLASSROOM.rule)), "another 3 makes it provisional"
    assert not is_settled(Known([], CLASSROOM.rule))
    assert not is_settled(Known(marked(4), THREE_OF_THREE)), "after a second piece there is still too little"
    assert is_settled(Known(marked(1, 1, 1), THREE_OF_THREE)), "one more 4 leaves two below"


def test_there_is_not_enough_where_a_test_of_some_kind_would_change_the_verdict():
    """One that is asked for and missing, or that weighs more than others."""
    scale = {"min": 1, "max": 4, "mastery": 3}
    both = {
        "method": {"type": "mean_of_last", "k": 3, "at_or_above": 3},
        "sufficiency": {"min_evidence": 3, "kinds_all": ["performance", "summative"]},
    }
    asked = policy_from({
        "id": "kinds", "scale": scale, "provisional": {"method": {"type": "latest_at_or_above", "cut": 3}},
        "mastered": {"any_of": [both]}, "decision": {"latch": "first_crossing"},
    })  # fmt: skip
    weighed = policy_from({
        "id": "heavy", "scale": scale, "evidence": {"kinds": {"performance": 5}}, "method": {"type": "mean"},
        "decision": {"latch": "first_crossing"},
    })  # fmt: skip
    plain = policy_from(
        {"id": "plain", "scale": scale, "method": {"type": "mean"}, "decision": {"latch": "first_crossing"}}
    )

    def marked(kind: str, *marks: float):
        return [msgspec.structs.replace(piece_of(each), kind=kind) for each in work(*marks)]

    for kind in ("summative", "performance"):
        assert not is_settled(Known(marked(kind, 3, 3, 3), asked.rule))
    assert not is_settled(Known(marked("formative", 2, 2, 2, 2), weighed.rule))
    assert is_settled(Known(marked("formative", 2, 2, 2, 2), plain.rule))


@given(policy=policies(), seed=st.integers(0, 10_000), count=st.integers(1, 12), kind=st.sampled_from([None, *KINDS]),
       mark=st.floats(1, 4), hours=st.sampled_from([1 / 3600, 2, 24, 60, 100, 144, 150, 500]))  # fmt: skip
def test_where_there_is_enough_one_more_test_of_any_kind_changes_nothing(policy, seed, count, kind, mark, hours):
    held = [piece_of(each) for each in random_work(seed, count)]
    test = piece(
        3000, score=Score(level=mark), activity="new", kind=kind, dok=4, items=20, assessor="t-9",
        occurred_at=later(held[-1].order[0], hours),
    )  # fmt: skip
    known = Known(held, policy.rule)

    if is_settled(known):
        assert Known([*held, piece_of(test)], policy.rule).status == known.status


def test_there_is_not_enough_where_a_later_test_would_find_the_rest_too_old():
    """A fourth piece at once leaves a mean below 3; one in two months is alone, and too little."""
    asks = {
        "scale": {"min": 1, "max": 4, "mastery": 3},
        "method": {"type": "mean"},
        "decision": {"latch": "first_crossing"},
    }
    lasting, aging = (
        policy_from({"id": "aging", **asks, "sufficiency": {"min_evidence": 3, **age}}).rule
        for age in ({}, {"max_age_days": 30})
    )
    low, shown = (list(map(piece_of, work(*marks))) for marks in ((1, 1, 1), (3, 3, 3)))

    assert [is_settled(Known(low, rule)) for rule in (lasting, aging)] == [True, False]
    assert is_settled(Known(shown, aging)), "what is on the record does not grow old"


THREE_OF_THREE = policy_from({
    "id": "three", "scale": {"min": 1, "max": 4, "mastery": 3},
    "method": {"type": "n_of_last", "n": 3, "window": 3, "at_or_above": 3}, "sufficiency": {"min_evidence": 3},
}).rule  # fmt: skip


def test_what_is_due_by_age_is_never_enough_and_one_newer_piece_settles_it():
    """The same evidence was enough before it was due, and further evidence is thought to come after that."""
    ages = policy_from({
        "id": "ages", "scale": {"min": 1, "max": 4, "mastery": 3}, "method": {"type": "latest"},
        "decision": {"latch": "first_crossing"}, "upkeep": {"reverify_after_days": 20},
    }).rule  # fmt: skip
    shown = list(map(piece_of, work(4)))
    fresh, due = (
        explain_key(shown, ages, at=at) for at in ("2026-03-03T12:00:00.000000Z", "2026-06-03T12:00:00.000000Z")
    )

    assert (fresh.status, fresh.enough) == ("mastered", fact("enough.shown"))
    assert (due.status, due.enough) == ("reverify_due", None)
    assert (due.minimal_change.gives, due.minimal_change.pieces, due.minimal_change.at_least) == ("mastered", 1, 3)


@settings(max_examples=25)
@given(policy=policies(), seed=st.integers(0, 10_000), count=st.integers(1, 12))
def test_of_what_is_enough_no_single_piece_is_the_smallest_change(policy, seed, count):
    """Two answers to one question: where one more piece changes the status, nobody is told that there is enough."""
    told = explain_key(map(piece_of, random_work(seed, count)), policy.rule)

    if told.enough is not None and told.minimal_change.sign_off is None:
        assert told.minimal_change.pieces != 1


@given(policy=policies(), seed=st.integers(0, 10_000), count=st.integers(1, 25), sizes=st.integers(1, 7))
def test_under_any_policy_what_is_counted_step_by_step_is_what_the_set_of_evidence_gives(policy, seed, count, sizes):
    """Delivered in another order, in batches: the same work, and what is open is what the state asks for."""
    rule = {"class_work": {"pieces": 2, "below": 2}, "practice": {"items": 3, "days": 1}}
    supported = policy_from(policy.content | {"support": rule})
    pieces = random_work(seed, count)
    mixed = sorted(pieces, key=lambda each: each.evidence_id[::-1])
    journal = Journal().fold([Decided(framework=GRAPH), Decided(supported)])
    for start in range(0, count, sizes):
        journal.fold(mixed[start : start + sizes])
    state = journal.held("math:add")
    whole = replay(KeyState(), map(piece_of, pieces), supported.rule, "")
    open_ = journal.learners["school", "ada"].support if ("school", "ada") in journal.learners else {}

    assert state.work == whole.work
    assert [open_[scope].cause for scope in open_ if scope == "math:add"] == [
        cause for cause in [needs_of(whole, supported.rule)] if cause
    ]
