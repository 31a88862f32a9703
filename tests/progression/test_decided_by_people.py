"""What people decide, and what time does, told once and undone by whom it may be undone."""

from typing import Any

import msgspec
import pytest

from services.progression.domain.decisions import ClockTicked, CompetencyDecided, LevelDecided
from services.progression.domain.learner_fold import deadline_of
from services.progression.domain.policy import policy_from, read_policy
from services.progression.domain.policy.templates import template
from services.progression.domain.standing import may_confirm
from shared.contracts.internal_events import EvidenceRecorded, Hold, Score
from tests.progression.test_advancement import GRAPH
from tests.support.frameworks import read_csv
from tests.support.journal import TENANT, Decided, Journal, piece, restore, retract

CLASSROOM = read_policy(template("classroom"))
STREAK = {"id": "s", "method": {"type": "streak", "n": 2}, "decision": {"latch": "first_crossing"}}
AGEING = policy_from(STREAK | {"upkeep": {"reverify_after_days": 30}})
LEVEL = "math#math/1"


def work(*marks: float, first: int = 1, competency: str = "math:add") -> list[EvidenceRecorded]:
    """Build one rubric piece a day, each from an activity of its own."""
    return [
        piece(n, day=n, score=Score(level=float(mark)), activity=f"task-{n}", competency=competency)
        for n, mark in enumerate(marks, start=first)
    ]


def decide(kind: Any, basis: Any = "override", *, competency: str = "math:add", **more: Any) -> CompetencyDecided:
    return CompetencyDecided("ada", competency, kind, "teacher", "t-1", basis, "seen in class", **more)


def level(kind: Any, **more: Any) -> LevelDecided:
    return LevelDecided("ada", LEVEL, kind, "teacher", "t-1", "reviewed", **more)


def test_a_sign_off_of_what_is_provisional_puts_it_on_the_record_and_names_who():
    journal = Journal().fold([Decided(CLASSROOM)]).fold(work(3, 3)).fold([decide("sign_off", "sign_off")])

    assert journal.kinds() == ["competency.provisional", "competency.mastered"]
    assert journal.told[1].data["basis"]["kind"] == "sign_off"
    assert journal.told[1].data["basis"]["by"] == {"role": "teacher", "ref": "t-1"}
    assert journal.told[1].data["cause"]["kind"] == "decision"
    assert journal.state().mastered_at == journal.told[1].time


def test_a_sign_off_that_is_lifted_takes_it_off_again_and_a_new_one_shows_it_anew():
    journal = Journal().fold([Decided(CLASSROOM)]).fold(work(3, 3)).fold([decide("sign_off", "sign_off")])
    journal.fold([decide("lift", undoes="input-4")]).fold([decide("sign_off", "sign_off")])

    assert journal.kinds()[2:] == ["competency.withdrawn", "competency.mastered"]


def test_an_override_stands_beside_the_computed_value_and_is_contested_by_two_newer_pieces():
    journal = Journal().fold([Decided(CLASSROOM)]).fold(work(2)).fold([decide("override", status="mastered")])
    later = [
        piece(n, score=Score(level=1.0), activity=f"later-{n}", occurred_at=f"2026-05-0{n}T10:00:00.000000Z")
        for n in (1, 2, 3)
    ]
    journal.fold(later[:1])
    assert journal.kinds() == ["competency.mastered"]

    journal.fold(later[1:])

    assert journal.kinds() == ["competency.mastered", "competency.override_contested"]
    assert journal.told[1].data["computed"] == "not_yet"
    assert journal.state().status == "overridden"


def test_two_rows_of_one_quiz_do_not_contest_an_override_and_another_activity_does():
    """A policy may count every row; what disagrees has to be independent all the same."""
    every_row = policy_from(STREAK | {"evidence": {"collapse": "none"}})
    journal = Journal().fold([Decided(every_row)]).fold([decide("override", status="mastered")])

    def low(n: int, activity: str) -> EvidenceRecorded:
        return piece(n, correct=0, activity=activity, occurred_at=f"2026-05-0{n}T10:00:00.000000Z")

    journal.fold([low(1, "quiz"), low(2, "quiz"), low(3, "quiz")])
    assert journal.kinds() == ["competency.mastered"]

    journal.fold([low(4, "talk")])
    assert journal.kinds() == ["competency.mastered", "competency.override_contested"]


def test_an_override_that_expires_asks_for_a_re_check_by_the_clock_alone():
    until = "2026-06-01T00:00:00.000000Z"
    journal = Journal().fold([Decided(CLASSROOM)]).fold([decide("override", status="mastered", until=until)])
    journal.fold([ClockTicked("ada", "2026-05-01T00:00:00.000000Z", ("math:add",))])
    assert journal.kinds() == ["competency.mastered"]

    journal.fold([ClockTicked("ada", "2026-06-02T00:00:00.000000Z", ("math:add",))])

    assert journal.kinds()[1:] == ["competency.reverify_due"]
    assert journal.told[1].data["why"] == "expiry"


def test_an_override_expires_also_where_no_policy_is_in_force():
    until = "2026-06-01T00:00:00.000000Z"
    journal = Journal().fold([decide("override", status="mastered", until=until)])
    journal.fold([ClockTicked("ada", "2026-06-02T00:00:00.000000Z", ("math:add",))])

    assert journal.kinds() == ["competency.mastered", "competency.reverify_due"]


def test_a_hold_is_told_with_its_end_and_ends_once_by_the_clock_with_the_original_date():
    until = "2026-04-10T12:00:00.000000Z"
    journal = Journal().fold([Decided(CLASSROOM)]).fold(work(3, 3, 3))
    journal.fold([decide("override", status="not_yet", until=until)])
    held = journal.told[-1].data
    journal.fold([ClockTicked("ada", "2026-04-10T11:59:59.000000Z", ("math:add",))])
    while_held = journal.state().status
    for day in (10, 11):
        journal.fold([ClockTicked("ada", f"2026-04-{day}T12:00:00.000000Z", ("math:add",))])
    back = journal.told[-1].data

    assert (held["review_at"], held["basis"]["by"], held["reason"]["text"]) == (
        until, {"role": "teacher", "ref": "t-1"}, "seen in class"
    )  # fmt: skip
    assert while_held == "overridden"
    assert journal.kinds()[-2:] == ["competency.withdrawn", "competency.reinstated"]
    assert (journal.state().status, back["effective_at"]) == ("mastered", journal.told[1].data["effective_at"])
    assert (back["cause"]["kind"], back["reason"]["text"]) == ("clock", "A hold on it has ended.")


def test_a_hold_on_what_is_not_on_the_record_yet_is_told_to_nobody():
    """No subscriber has an entry to take off, and what `provisional` has opened stays open; its state says until when."""
    until, later = "2026-06-01T00:00:00.000000Z", "2026-06-12T00:00:00.000000Z"
    journal = Journal().fold([Decided(CLASSROOM)]).fold(work(2, 3))
    assert journal.state().held is msgspec.UNSET

    journal.fold([decide("override", status="not_yet", until=until)])
    first = journal.state()
    journal.fold([decide("override", status="not_yet", until=later)])

    assert (journal.kinds(), first.status) == ([], "overridden")
    assert first.held == Hold("teacher", "2026-04-01T00:00:04.000000Z", until)
    assert journal.state().held == Hold("teacher", "2026-04-01T00:00:05.000000Z", later)

    journal.fold([decide("lift", undoes="input-5")])

    assert journal.state().held is msgspec.UNSET


def test_what_is_shown_while_it_is_held_goes_on_the_record_when_the_hold_ends():
    journal = Journal().fold([Decided(CLASSROOM)])
    journal.fold([decide("override", status="not_yet", until="2026-04-10T12:00:00.000000Z"), *work(3, 3, 3)])
    assert "competency.mastered" not in journal.kinds()

    journal.fold([ClockTicked("ada", "2026-04-10T12:00:00.000000Z", ("math:add",))])

    assert journal.kinds()[-1] == "competency.mastered"


def test_a_credit_satisfies_prerequisites_without_being_shown_and_never_expires():
    journal = Journal().fold([Decided(framework=GRAPH), Decided(AGEING)])
    journal.fold([decide("credit", "transfer"), decide("credit", "test_out", competency="math:sub")])
    journal.fold([ClockTicked("ada", "2046-06-02T00:00:00.000000Z", ("math:add", "math:sub"))])

    assert journal.kinds()[:3] == ["competency.credited", "competency.credited", "competency.ready"]
    assert journal.state().status == "credited"
    assert journal.state().mastered_at is None
    assert journal.told[0].data["basis"]["kind"] == "transfer"


def test_a_credit_that_is_lifted_is_taken_back_by_an_event_also_where_a_placement_presumes_it():
    journal = Journal().fold([Decided(CLASSROOM)]).fold([decide("presume", "placement"), decide("credit", "transfer")])
    journal.fold([decide("lift", undoes="input-3")])

    assert journal.kinds() == ["competency.credited", "competency.withdrawn"]
    assert journal.told[1].data["replaces"] == journal.told[0].id
    assert journal.state().status == "presumed"


def test_what_is_presumed_opens_what_follows_until_evidence_speaks_against_it():
    journal = Journal().fold([Decided(framework=GRAPH), Decided(CLASSROOM)])
    journal.fold([decide("presume", "placement"), decide("presume", "placement", competency="math:sub")])
    assert journal.kinds() == ["competency.ready"]
    assert journal.state().status == "presumed"

    journal.fold(work(1))

    assert journal.state().status == "insufficient_evidence"
    assert journal.kinds() == ["competency.ready"]


def test_age_asks_for_a_re_check_at_a_tick_and_newer_success_clears_it():
    journal = Journal().fold([Decided(AGEING)]).fold([piece(1), piece(2)])
    journal.fold([ClockTicked("ada", "2026-04-15T00:00:00.000000Z", ("math:add",))])
    assert journal.kinds() == ["competency.mastered", "competency.reverify_due"]
    assert journal.told[1].data["why"] == "age"
    assert journal.told[1].data["smallest_check"] == "one newer piece of evidence at 100% of full marks or above"

    journal.fold([piece(3, occurred_at="2026-04-16T10:00:00.000000Z")])

    assert journal.kinds()[2:] == ["competency.reverified"]


@pytest.fixture
def signed_levels() -> Journal:
    policy = policy_from(STREAK | {"advancement": {"require": {"power": "mastered", "supporting": {"share": 1}},
                                                   "sign_off": {"by": "teacher"}}, "settle": 60})  # fmt: skip
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy)])
    journal.fold([piece(1), piece(2), piece(3, competency="math:sub"), piece(4, competency="math:sub")])
    return journal.fold([ClockTicked("ada", "2026-04-01T01:01:00.000000Z")])


def test_a_level_waits_for_its_sign_off_and_settles_before_it_is_told(signed_levels: Journal):
    kinds = [kind for kind in signed_levels.kinds() if kind.startswith("level.")]
    assert kinds == ["level.sign_off_requested"]

    signed_levels.fold([level("sign_off")])
    assert [kind for kind in signed_levels.kinds() if kind.startswith("level.")] == kinds

    signed_levels.fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])

    assert signed_levels.kinds()[-2:] == ["level.advanced", "level.ready"]


def test_what_is_undone_while_a_level_settles_is_never_told(signed_levels: Journal):
    signed_levels.fold([level("sign_off"), retract(piece(1))])
    signed_levels.fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])

    assert "level.advanced" not in signed_levels.kinds()


def test_a_sign_off_that_is_lifted_while_a_level_settles_is_told_to_nobody_and_waits_again(signed_levels: Journal):
    before = signed_levels.kinds()
    signed_levels.fold([level("sign_off"), level("lift")])
    signed_levels.fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])
    assert signed_levels.kinds() == before
    assert LEVEL in signed_levels.learners[TENANT, "ada"].awaiting

    signed_levels.fold([level("sign_off")]).fold([ClockTicked("ada", "2026-04-02T02:30:00.000000Z")])

    assert signed_levels.kinds()[len(before) :] == ["level.advanced", "level.ready"]


def test_a_sign_off_that_is_lifted_after_it_was_told_withdraws_the_level_by_name(signed_levels: Journal):
    signed_levels.fold([level("sign_off")]).fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])
    signed_levels.fold([level("lift")]).fold([level("lift")])
    signed_levels.fold([ClockTicked("ada", "2026-04-01T03:31:00.000000Z")])

    assert signed_levels.kinds()[-1] == "level.withdrawn"
    assert signed_levels.told[-1].data["by"] == {"role": "teacher", "ref": "t-1"}


def test_who_signed_a_level_and_why_is_told_with_its_advancement(signed_levels: Journal):
    signed_levels.fold([level("sign_off")]).fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])
    data = signed_levels.told[-2].data

    assert data["basis"] == {"kind": "sign_off", "by": {"role": "teacher", "ref": "t-1"}}
    assert data["reason"] == {"code": "advanced", "text": "reviewed"}
    assert signed_levels.told[-1].data["basis"] == {"kind": "evidence", "by": None}


def test_a_signature_of_a_level_that_does_not_wait_for_one_is_none(signed_levels: Journal):
    """Not while something is lacking, and it does not come back with what it was given for."""
    early = Journal().fold([record for record in signed_levels.records if not isinstance(record, EvidenceRecorded)])
    early.fold([piece(1), piece(2)]).fold([level("sign_off")])
    early.fold([piece(3, competency="math:sub"), piece(4, competency="math:sub")])
    early.fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])
    assert early.kinds()[-1] == "level.sign_off_requested"

    signed_levels.fold([level("sign_off"), retract(piece(1)), restore(piece(1))])
    signed_levels.fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])
    assert "level.advanced" not in signed_levels.kinds()
    assert LEVEL in signed_levels.learners[TENANT, "ada"].awaiting, "it is asked for anew"


def test_a_level_that_was_taken_back_advances_anew_once_it_is_shown_and_signed_anew(signed_levels: Journal):
    signed_levels.fold([level("sign_off")]).fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])
    signed_levels.fold([retract(piece(1)), level("withdraw")])
    signed_levels.fold([piece(5, day=20), piece(6, day=20)]).fold([level("sign_off")])
    signed_levels.fold([ClockTicked("ada", "2026-04-02T02:30:00.000000Z")])
    advanced = next(event.data for event in reversed(signed_levels.told) if event.type == "attain.level.advanced.v1")

    assert (advanced["before"], advanced["after"], advanced["episode"]) == ("withdrawn", "advanced", 2)


def test_a_signature_of_a_competency_does_not_count_for_work_that_is_newer():
    journal = Journal().fold([Decided(CLASSROOM)]).fold(work(3, 3)).fold([decide("sign_off", "sign_off")])
    journal.fold([retract(*work(3, 3))])
    later = [
        piece(10 + n, score=Score(level=3.0), activity=f"later-{n}", occurred_at=f"2026-05-0{n}T10:00:00.000000Z")
        for n in (1, 2)
    ]
    journal.fold(later)
    assert journal.kinds()[-1] == "competency.withdrawn"
    assert (journal.state().status, waits(journal)) == ("provisional", {"math:add": "teacher"})

    journal.fold([restore(*work(3, 3))])

    assert journal.kinds()[-1] == "competency.reinstated", "what was signed is back"


@pytest.mark.parametrize(
    ("marks", "role", "expected"),
    [((3, 3), "teacher", True), ((3, 3), "counsellor", False), ((3,), "teacher", False), ((3, 3, 3), "teacher", False)],
    ids=["it waits", "another role", "not met yet", "on the record"],
)
def test_a_competency_is_signed_off_while_a_path_that_is_met_waits_for_that_role(marks, role, expected):
    journal = Journal().fold([Decided(CLASSROOM)]).fold(work(*marks))

    assert may_confirm(journal.held(), CLASSROOM.rule, role) is expected


def test_a_level_that_is_complete_no_more_waits_for_nobody_and_is_asked_for_anew(signed_levels: Journal):
    asked = signed_levels.told[-1]
    standing = signed_levels.fold([retract(piece(1))]).learners[TENANT, "ada"]
    withdrawn = signed_levels.told[-1].data

    assert withdrawn["levels_affected"] == [LEVEL]
    assert (waits(signed_levels), standing.told_of(LEVEL)) == ({}, ("in_progress", None))

    signed_levels.fold([restore(piece(1)), ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])

    again = signed_levels.told[-1]
    assert (signed_levels.kinds()[-1], again.data["replaces"]) == ("level.sign_off_requested", asked.id)
    assert standing.told_of(LEVEL) == ("sign_off_requested", again.id)


ALL_OF_IT = {"require": {"supporting": {"share": 1, "at": "mastered"}}, "sign_off": {"by": "teacher"}}
SIGNED = STREAK | {"advancement": ALL_OF_IT}
ALONE, GONE, OTHERS = (
    read_csv("math", "M", f"code,title,level,subject\nadd,Adding,{level},math\n{more}", "from,to\n")[0]
    for level, more in (("1", ""), ("2", ""), ("2", "sub,Subtracting,1,math\n"))
)


@pytest.fixture
def asked() -> Journal:
    """Asked to be signed off: a level of one competency."""
    journal = Journal().fold([Decided(framework=ALONE), Decided(policy_from(SIGNED))])
    return journal.fold([piece(1), piece(2)])


@pytest.mark.parametrize(
    "later",
    [
        Decided(policy_from(SIGNED | {"advancement": ALL_OF_IT | {"require": {"all": ["add", "sub"]}}})),
        Decided(framework=GRAPH),
        Decided(framework=OTHERS),
        Decided(framework=GONE),
    ],
    ids=["a policy asks more", "a framework has more", "others are in it", "it is gone"],
)
def test_a_level_that_other_rules_make_incomplete_waits_for_nobody_which_is_told_once(asked: Journal, later: Decided):
    request = asked.told[-1]
    assert request.type == "attain.level.sign_off_requested.v1"

    standing = asked.fold([later]).sweep().learners[TENANT, "ada"]
    ended = [event for event in asked.told if event.type == "attain.level.sign_off_lapsed.v1"]

    assert [(event.data["scope"]["id"], event.data["replaces"]) for event in ended] == [(LEVEL, request.id)]
    assert (ended[0].data["before"], ended[0].data["after"]) == ("sign_off_requested", "in_progress")
    assert (LEVEL in waits(asked), standing.told_of(LEVEL)) == (False, ("in_progress", None))

    asked.fold([Decided(framework=ALONE), Decided(policy_from(SIGNED))]).sweep()

    told = [event for event in asked.told if event.data["scope"]["id"] == LEVEL]
    assert [event.type for event in told] == [request.type, ended[0].type, request.type]
    assert told[-1].data["replaces"] == request.id


def test_a_withdrawal_that_names_the_level_is_all_that_is_told_of_the_end_of_its_request(asked: Journal):
    asked.fold([retract(piece(1))])

    assert asked.told[-1].data["levels_affected"] == [LEVEL]
    assert "level.sign_off_lapsed" not in asked.kinds()


def test_a_level_for_which_another_role_is_asked_now_waits_for_that_role(asked: Journal):
    asked.fold([Decided(policy_from(SIGNED | {"advancement": ALL_OF_IT | {"sign_off": {"by": "leader"}}}))]).sweep()

    assert (asked.told[-1].data["approver_roles"], waits(asked)[LEVEL]) == (["leader"], "leader")


def test_a_placement_without_gaps_ends_the_wait_that_ready_has_told_and_is_else_told_to_nobody():
    place = LevelDecided("ada", "math#math/2", "place", "registrar", "r")
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy_from(STREAK)), place])
    assert journal.kinds() == []

    journal.fold([piece(n, competency=f"math:{code}") for n, code in enumerate(("add", "add", "sub", "sub"))]).fold(
        [place]
    )

    data = journal.told[-1].data
    assert journal.kinds()[-2:] == ["level.ready", "level.gaps_cleared"]
    assert data["basis"] == {"kind": "placement", "by": {"role": "registrar", "ref": "r"}}
    assert data["reason"]["text"] == "The learner was placed, and nothing before it is open."


def test_only_a_person_takes_a_level_back_and_the_undoing_reinstates_it(signed_levels: Journal):
    signed_levels.fold([level("sign_off")]).fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])
    advanced = next(event for event in signed_levels.told if event.type == "attain.level.advanced.v1")
    signed_levels.fold([retract(piece(1)), ClockTicked("ada", "2026-04-01T04:00:00.000000Z")])
    assert signed_levels.kinds()[-2:] == ["competency.withdrawn", "level.review_required"]

    signed_levels.fold([level("withdraw"), ClockTicked("ada", "2026-04-01T05:00:00.000000Z")])
    signed_levels.fold([level("reinstate"), ClockTicked("ada", "2026-04-01T06:00:00.000000Z")])

    assert signed_levels.kinds()[-2:] == ["level.withdrawn", "level.reinstated"]
    assert signed_levels.told[-2].data["original"] == advanced.id


def test_a_placement_names_gaps_and_the_last_of_them_shown_clears_them():
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy_from(STREAK))])
    journal.fold([LevelDecided("ada", "math#math/2", "place", "registrar", "r", "moved here", unknown=("math:add",))])
    journal.fold([piece(1), piece(2)])

    kinds = journal.kinds()
    assert kinds[0] == "level.placed_with_gaps"
    assert journal.told[0].data["unknown"] == ["math:add"]
    assert "level.gaps_cleared" in kinds


def test_a_refusal_tells_what_is_missing_and_whom_to_ask():
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy_from(STREAK))])
    journal.fold([level("withhold", review_at="2026-05-01", appeal_to="head")])

    assert journal.kinds() == ["level.withheld"]
    told = journal.told[0].data
    assert (told["missing"], told["appeal_to"]) == (["math:add", "math:sub"], "head")
    assert told["decided_by"] == {"role": "teacher", "ref": "t-1"}


def contradicted(*competencies: str, policy: Any) -> Journal:
    """Return a journal in which competencies were shown, and contradicted by two newer pieces each."""
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy)])
    for number, competency in enumerate(competencies):
        first = 10 * number
        journal.fold([piece(first + n, competency=competency) for n in (1, 2)])
        journal.fold([piece(first + n, 0.0, competency=competency, day=2) for n in (3, 4)])
    return journal


def test_no_more_re_checks_are_asked_than_the_policy_has_for_a_week():
    policy = policy_from(STREAK | {"upkeep": {"on_contradiction": {"last": 2, "below": 1}, "max_per_week": 1}})
    journal = contradicted("math:add", "math:sub", policy=policy)
    assert journal.kinds().count("competency.reverify_due") == 1
    assert journal.state("math:sub").status == "reverify_due"

    journal.fold([ClockTicked("ada", "2026-04-07T00:00:00.000000Z")])
    assert journal.kinds().count("competency.reverify_due") == 1

    journal.fold([ClockTicked("ada", "2026-04-08T00:01:00.000000Z")])

    asked = [event.data["scope"]["id"] for event in journal.told if event.type == "attain.competency.reverify_due.v1"]
    assert asked == ["math:add", "math:sub"]
    told = journal.told[-1].data
    assert told["due_by"][:10] == "2026-05-06", (
        "20 school days from the day on which it was asked, not from that on which it fell due"
    )


def test_a_re_check_that_waits_is_asked_even_if_the_date_of_the_crossing_moves_meanwhile():
    policy = policy_from(STREAK | {"upkeep": {"on_contradiction": {"last": 2, "below": 1}, "max_per_week": 1}})
    journal = contradicted("math:add", "math:sub", policy=policy)
    journal.fold([piece(10, competency="math:sub")])

    journal.fold([ClockTicked("ada", "2026-04-08T00:01:00.000000Z")])

    assert journal.kinds().count("competency.reverify_due") == 2


def test_success_on_what_builds_on_it_is_a_re_check_passed():
    policy = policy_from(STREAK | {"upkeep": {"on_contradiction": {"last": 2, "below": 1}, "by_use": True}})
    journal = contradicted("math:add", "math:sub", policy=policy)
    journal.fold([piece(n, competency="math:mul", day=3) for n in (51, 52)])
    assert sorted((d.kind, d.competency) for _, d in journal.followed) == [("check", "math:add"), ("check", "math:sub")]

    journal.settle()

    assert journal.kinds()[-1] == "competency.reverified"
    assert journal.told[-1].data["by_use"] is True
    assert journal.state("math:add").status == "mastered"


def test_a_re_check_is_passed_no_longer_than_a_success_that_passed_it_is_shown():
    """What it builds on is due again, and passed as it was once that is undone."""
    policy = policy_from(STREAK | {"upkeep": {"on_contradiction": {"last": 2, "below": 1}, "by_use": True}})
    success = [piece(n, competency="math:mul", day=3) for n in (51, 52)]
    journal = contradicted("math:add", "math:sub", policy=policy).fold(success).settle()
    journal.fold([retract(success[0])]).settle()
    lost = journal.told[-1]

    assert (lost.type, lost.data["why"]) == ("attain.competency.reverify_due.v1", "contradiction")
    assert lost.data["reason"]["text"] == "success on math:mul is there no more"
    assert journal.state("math:add").status == journal.state("math:sub").status == "reverify_due"

    journal.fold([restore(success[0])]).settle()

    assert (journal.kinds()[-1], journal.told[-1].data["by_use"]) == ("competency.reverified", True)
    assert journal.state("math:add").status == journal.state("math:sub").status == "mastered"


def test_a_re_check_that_two_successes_have_passed_is_passed_as_long_as_one_of_them_is_shown():
    policy = policy_from(STREAK | {"upkeep": {"on_contradiction": {"last": 2, "below": 1}, "by_use": True}})
    nodes = "code,title\nadd,A\nmul,M\ndiv,D\n"
    graph, _ = read_csv("math", "M", nodes, "from,to\nadd,mul\nadd,div\n")
    by_one, by_other = (
        [piece(n, competency=f"math:{code}", day=3) for n in (at, at + 1)] for code, at in (("mul", 51), ("div", 61))
    )
    journal = contradicted("math:add", policy=policy).fold([Decided(framework=graph)]).fold(by_one + by_other).settle()
    statuses = []
    for undoing in (retract(by_other[0]), retract(by_one[0]), restore(by_one[0])):
        journal.fold([undoing]).settle()
        statuses.append(journal.state("math:add").status)

    assert statuses == ["mastered", "reverify_due", "mastered"]


def waits(journal: Journal) -> dict[str, str]:
    """Return what waits for a sign-off, with the role that gives it."""
    return {scope: role for scope, (role, _, _) in journal.learners["school", "ada"].awaiting.items()}


def test_what_lacks_nothing_but_a_sign_off_waits_for_it_until_it_is_given_or_not_needed():
    journal = Journal().fold([Decided(CLASSROOM)]).fold(work(3, 3))
    assert waits(journal) == {"math:add": "teacher"}
    journal.fold([retract(work(3, 3)[1])])
    assert waits(journal) == {}, "no longer provisional"
    journal.fold([restore(work(3, 3)[1])])
    assert waits(journal) == {"math:add": "teacher"}

    signed = Journal().fold([Decided(CLASSROOM)]).fold(work(3, 3)).fold([decide("sign_off", "sign_off")])
    journal.fold(work(3, 3, 3)[2:])

    assert (waits(signed), waits(journal)) == ({}, {})


def test_a_path_that_is_met_later_waits_for_its_own_sign_off():
    """Under the credit template provisional waits for nobody; a test or task on top waits for the teacher."""
    credit = read_policy(template("credit"))
    major = [piece(n, day=n, score=Score(level=3.0), activity=f"t{n}", kind="summative") for n in (1, 2, 3)]
    journal = Journal().fold([Decided(credit)]).fold(major[:2])
    assert (journal.state().status, waits(journal)) == ("provisional", {})

    journal.fold(major[2:])

    assert (journal.state().status, waits(journal)) == ("provisional", {"math:add": "teacher"})


def test_a_level_that_waits_five_school_days_for_its_sign_off_is_a_leaders_to_sign_as_well(signed_levels: Journal):
    """Asked on Wednesday, 1 April: five days from Monday to Friday later is Wednesday, 8 April."""
    asked = signed_levels.told[-1]
    assert asked.data["escalate_at"].startswith("2026-04-08T00:00:0")
    leader = LevelDecided("ada", LEVEL, "sign_off", "school_leader", "p-1", "reviewed")
    signed_levels.fold([leader]).fold([ClockTicked("ada", "2026-04-07T23:00:00.000000Z")])
    assert signed_levels.told[-1] == asked, "not a leader's yet"

    signed_levels.fold([ClockTicked("ada", "2026-04-08T00:01:00.000000Z")])
    again = signed_levels.told[-1]
    assert (signed_levels.kinds()[-1], again.data["approver_roles"]) == (
        "level.sign_off_requested",
        ["teacher", "school_leader"],
    )
    assert (again.data["escalate_at"], again.data["replaces"]) == (None, asked.id)
    assert deadline_of(signed_levels.learners["school", "ada"]) is None, "it escalates once"

    signed_levels.fold([leader]).fold([ClockTicked("ada", "2026-04-08T02:30:00.000000Z")])

    assert signed_levels.kinds()[-2:] == ["level.advanced", "level.ready"]
    assert waits(signed_levels) == {}


def test_a_sign_off_by_another_role_than_the_level_asks_for_changes_nothing(signed_levels: Journal):
    signed_levels.fold([LevelDecided("ada", LEVEL, "sign_off", "counsellor", "c-1", "reviewed")])
    signed_levels.fold([ClockTicked("ada", "2026-04-01T02:30:00.000000Z")])

    assert signed_levels.kinds()[-1] == "level.sign_off_requested"


def test_what_is_weakest_of_a_level_is_named_to_whom_signs_it():
    policy = policy_from(
        STREAK | {"advancement": {"require": {"supporting": {"share": 0.5}}, "sign_off": {"by": "teacher"}}}
    )
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy)]).fold([piece(1), piece(2)])

    assert journal.told[-1].data["weakest"] == ["math:sub"]
