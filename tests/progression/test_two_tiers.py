"""The classroom template: what opens the next content, what goes on the record, and what a later slip does."""

import itertools
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.progression.domain.explanation import explain_key
from services.progression.domain.mastery import KeyState, piece_of, replay
from services.progression.domain.minimal_change import MinimalChange
from services.progression.domain.policy import Policy, policy_from, read_policy
from services.progression.domain.policy.facts import said
from services.progression.domain.policy.lint import lint
from services.progression.domain.policy.templates import template
from services.progression.domain.probing import later, retake
from services.progression.domain.standing import due_at, is_contested, status_of
from services.progression.domain.states import Decided, Piece
from services.progression.domain.wanting import missing_of
from shared.contracts.internal_events import EvidenceRecorded, Score, Status
from tests.support.journal import Decided as InForce
from tests.support.journal import Journal, piece, retract
from tests.support.policies import policies, random_work

CLASSROOM = read_policy(template("classroom"))
LATER = "2026-06-01T10:00:00.000000Z"


def work(*marks: float, **more: Any) -> list[EvidenceRecorded]:
    """Build one rubric piece a day, each from an activity of its own."""
    return [
        piece(n, day=n, score=Score(level=float(mark)), activity=f"task-{n}", **more)
        for n, mark in enumerate(marks, start=1)
    ]


def state_of(evidence: list[EvidenceRecorded], policy: Policy = CLASSROOM, *decisions: Decided) -> KeyState:
    return replay(KeyState(), [piece_of(each) for each in evidence], policy.rule, policy.hash, decisions)


def statuses(marks: list[float], **more: object) -> list[Status]:
    """Return the status after each piece."""
    evidence = work(*marks, **more)
    return [status_of(state_of(evidence[:n]), CLASSROOM.rule) for n in range(1, len(evidence) + 1)]


def test_two_threes_are_provisional_and_three_are_mastered():
    assert statuses([3, 3, 3]) == ["insufficient_evidence", "provisional", "mastered"]


def test_two_twos_then_threes_are_provisional_at_the_fourth_piece_and_mastered_at_the_fifth():
    assert statuses([2, 2, 3, 3, 3]) == ["insufficient_evidence", "not_yet", "not_yet", "provisional", "mastered"]


def test_the_bar_of_mastery_is_no_bar_of_what_is_provisional():
    policy = policy_from(
        {
            "id": "grade-book",
            "scale": {"min": 1, "max": 4, "mastery": 3},
            "provisional": {"method": {"type": "latest_at_or_above", "cut": 2}},
            "method": {"type": "mean"},
            "decision": {"at_least": 3.5},
        }
    )
    state = state_of(work(2), policy)

    assert status_of(state, policy.rule) == "provisional"
    assert said(policy.rule.tracks[0].asked) == "the latest piece at 2 or above"
    assert status_of(state_of(work(3.5), policy), policy.rule) == "mastered"
    assert lint(policy_from(policy.content | {"provisional": {"method": {"type": "streak", "n": 2}}})) == []


def test_a_probability_that_is_asked_for_is_that_of_mastery_alone():
    tracing = {"type": "bkt", "p_l0": 0.3, "p_t": 0.1, "p_g": 0.2, "p_s": 0.1}
    content = {"id": "p", "method": tracing, "decision": {"min_probability": 0.9}}

    assert policy_from(content | {"provisional": {"method": {"type": "streak", "n": 2}}}).provisional is not None


def test_one_later_slip_changes_nothing_and_two_ask_for_a_re_check():
    assert statuses([3, 3, 3, 1, 1, 3])[2:] == ["mastered", "mastered", "reverify_due", "mastered"]


def test_untagged_depth_never_blocks_and_tagged_depth_is_held_to_the_standard():
    deep = CLASSROOM.rule_in(dok=3)
    untagged, shallow = work(3, 3, 3), work(3, 3, 3, dok=2)
    reached = [*work(3, 3, dok=2), piece(3, day=3, score=Score(level=3.0), activity="task-3", dok=3)]

    found = [replay(KeyState(), map(piece_of, each), deep, "") for each in (untagged, shallow, reached)]
    assert [status_of(state, deep) for state in found] == ["mastered", "insufficient_evidence", "mastered"]
    assert missing_of(found[1], deep) == ("1 more piece at depth of knowledge 3",)
    assert status_of(state_of(shallow), CLASSROOM.rule) == "mastered"


def test_accommodated_work_counts_like_any_other():
    assert statuses([3, 3, 3], accommodations=("scribe", "read-aloud")) == statuses([3, 3, 3])


def test_a_teachers_sign_off_of_what_is_provisional_masters_it_at_the_time_of_the_sign_off():
    signed = Decided("d1", "sign_off", LATER, by="teacher")
    state = state_of(work(3, 3), CLASSROOM, signed)

    assert (status_of(state, CLASSROOM.rule), state.crossed_at) == ("mastered", LATER)


@pytest.mark.parametrize(
    ("marks", "decisions"),
    [
        ([2, 2], [Decided("d1", "sign_off", LATER, by="teacher")]),
        ([3, 3], [Decided("d1", "sign_off", LATER, by="counsellor")]),
        ([3, 3], [Decided("d1", "sign_off", LATER, by="teacher"), Decided("d2", "lift", LATER, undoes="d1")]),
    ],
)
def test_a_sign_off_of_nothing_by_someone_else_or_undone_masters_nothing(marks: list[float], decisions: list[Decided]):
    assert status_of(state_of(work(*marks), CLASSROOM, *decisions), CLASSROOM.rule) in ("not_yet", "provisional")


def test_three_pieces_show_it_before_a_later_sign_off_does():
    state = state_of(work(3, 3, 3), CLASSROOM, Decided("d1", "sign_off", LATER, by="teacher"))

    assert state.crossed_at == work(3, 3, 3)[2].occurred_at


def test_a_slip_before_the_sign_off_is_not_held_against_it():
    late = [piece(n, day=n, score=Score(level=1.0), activity=f"late-{n}") for n in (8, 9)]
    signed = Decided("d1", "sign_off", "2026-03-08T23:00:00.000000Z", by="teacher")

    assert status_of(state_of([*work(3, 3), *late], CLASSROOM, signed), CLASSROOM.rule) == "mastered"


def test_what_is_provisional_is_told_once_and_its_loss_tells_nothing():
    first = work(3, 3)
    journal = Journal().fold([InForce(CLASSROOM)]).fold(first).fold([retract(first[1])])
    journal.fold(work(3, 3, 3)[2:])

    assert journal.kinds() == ["competency.provisional"]
    assert journal.state().status == "provisional"
    assert journal.told[0].data["confirms_by"] == [
        "a sign-off by a teacher, or 1 more piece of evidence"
    ]  # fmt: skip


def test_practice_and_self_assessment_never_gate():
    assert statuses([4, 4, 4], kind="practice") == ["insufficient_evidence"] * 3


def test_the_same_day_is_one_occasion():
    evidence = [piece(n, day=1, score=Score(level=3.0), activity=f"task-{n}") for n in (1, 2, 3)]

    assert missing_of(state_of(evidence), CLASSROOM.rule) == ("1 more other day",)


def test_a_school_day_is_the_local_one():
    """Monday 22:00 and Tuesday 02:00 UTC are one Monday in Chicago, two days in UTC."""
    evidence = [
        piece(n, score=Score(level=3.0), activity=f"task-{n}", occurred_at=f"2026-03-{at}:00:00.000000Z")
        for n, at in ((1, "02T22"), (2, "03T02"))
    ]
    pieces = [piece_of(each) for each in evidence]
    chicago = CLASSROOM.rule_in("America/Chicago")

    assert status_of(replay(KeyState(), pieces, chicago, ""), chicago) == "insufficient_evidence"
    assert status_of(replay(KeyState(), pieces, CLASSROOM.rule, ""), CLASSROOM.rule) == "provisional"


def test_an_override_is_shown_until_it_expires_and_is_contested_by_two_newer_pieces():
    override = Decided("d1", "override", "2026-02-01T00:00:00.000000Z", by="teacher", status="mastered", until=LATER)
    state = state_of(work(1, 1), CLASSROOM, override)

    assert status_of(state, CLASSROOM.rule) == "overridden"
    assert status_of(state, CLASSROOM.rule, LATER) == "reverify_due"
    assert is_contested(state)
    assert not is_contested(state_of(work(1), CLASSROOM, override))


def test_credit_and_presumption_stand_until_evidence_speaks():
    credit, presumed = Decided("d1", "credit", LATER), Decided("d2", "presume", LATER)

    assert status_of(state_of([], CLASSROOM, credit), CLASSROOM.rule) == "credited"
    assert status_of(state_of(work(3, 3, 3), CLASSROOM, credit), CLASSROOM.rule) == "mastered"
    assert status_of(state_of([], CLASSROOM, presumed), CLASSROOM.rule) == "presumed"
    assert status_of(state_of(work(3), CLASSROOM, presumed), CLASSROOM.rule) == "presumed"
    assert status_of(state_of(work(1), CLASSROOM, presumed), CLASSROOM.rule) == "insufficient_evidence"


def test_a_passed_check_starts_the_count_anew():
    check = Decided("d1", "check", work(3, 3, 3, 1, 1)[4].occurred_at)

    assert status_of(state_of(work(3, 3, 3, 1, 1), CLASSROOM, check), CLASSROOM.rule) == "mastered"
    assert status_of(state_of(work(3, 3, 3, 1, 1, 1, 1), CLASSROOM, check), CLASSROOM.rule) == "reverify_due"


def test_what_is_on_the_record_ages_only_by_the_instant_that_is_given():
    policy = policy_from(
        {"id": "aging", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"},
         "upkeep": {"reverify_after_days": 30}}
    )  # fmt: skip
    state = state_of([piece(1, day=1), piece(2, day=3), piece(3, 0, day=5)], policy)

    assert due_at(state, policy.rule) == "2026-04-14T10:00:02.000000Z"
    assert status_of(state, policy.rule) == status_of(state, policy.rule, "2026-04-14T00:00:00.000000Z") == "mastered"
    assert status_of(state, policy.rule, "2026-04-15T00:00:00.000000Z") == "reverify_due"


@pytest.mark.parametrize(
    ("marks", "text"),
    [
        ([], "2 more pieces at 3 or above, from other activities, on other days would make it provisional."),
        ([3], "One more piece at 3 or above, from another activity, on another day would make it provisional."),
        ([2, 2], "2 more pieces at 3 or above would make it provisional."),
        ([3, 3], "A sign-off by a teacher makes it mastered."),
        ([3, 3, 3], "2 more pieces in a row below 3 would make it reverify due."),
        ([3, 3, 3, 1], "One more piece below 3 would make it reverify due."),
        ([3, 3, 3, 1, 1], "One more piece at 3 or above would make it mastered."),
    ],
)
def test_the_smallest_thing_that_would_change_it_is_named(marks: list[float], text: str):
    assert said(explain_key(map(piece_of, work(*marks)), CLASSROOM.rule).minimal_change.fact) == text


ON_FOUR = {"id": "p", "scale": {"min": 1, "max": 4, "step": 1, "mastery": 3}}


@pytest.mark.parametrize(
    ("policy", "marks", "text", "kept", "lost"),
    [
        (read_policy(template("canvas-compat")), [5, 5], "One more piece at 0", [2], [0]),
        (policy_from(ON_FOUR | {"method": {"type": "mean"}}), [4] * 4, "3 more pieces in a row at 1", [2] * 3, [1] * 3),
        (policy_from(ON_FOUR | {"method": {"type": "mean"}}), [4, 4], "2 more pieces in a row below 2", [2] * 2, [1.9] * 2),
    ],
)  # fmt: skip
def test_what_would_take_it_off_the_record_is_told_with_a_mark_at_which_it_is_so(
    policy: Policy, marks: list[float], text: str, kept: list[float], lost: list[float]
):
    change = explain_key(map(piece_of, work(*marks)), policy.rule).minimal_change
    found = [status_of(state_of(work(*marks, *more), policy), policy.rule) for more in (kept, lost)]

    assert said(change.fact) == f"{text} would make it reverify due."
    assert found == ["mastered", "reverify_due"]
    assert (change.pieces, _mark_of(change)) == (len(lost), float(text.rpartition(" ")[2]))


def _mark_of(change: MinimalChange) -> float:
    """Return the mark below which, or at which, work takes something off the record."""
    mark = change.at_most if change.below is None else change.below
    assert mark is not None
    return mark


def _kind_of(change: MinimalChange) -> dict[str, Any]:
    """Return the kind of work that is told, where it has to be of one: another may weigh less."""
    return {name: value for part in change.fact.parts[0].parts for name, value in part.values if part.code == "of_kind"}


RETAKEN_ON_TWO_DAYS = policy_from(
    ON_FOUR | {
        "method": {"type": "sda", "weight": 0.65},
        "evidence": {"reassess": "replace_latest"},
        "sufficiency": {"min_occasions": 2},
    }
)  # fmt: skip


@given(policy=policies(), seed=st.integers(0, 10_000), count=st.integers(2, 12))
@example(policy=RETAKEN_ON_TWO_DAYS, seed=0, count=2)
def test_whatever_work_is_below_the_mark_that_is_told_takes_it_off_the_record(policy: Policy, seed: int, count: int):
    held = random_work(seed, count)
    change = explain_key(map(piece_of, held), policy.rule).minimal_change
    if change.gives == "reverify_due":
        chance = random.Random(seed)
        highest = _mark_of(change) - (0 if change.below is None else 1e-3)
        lower = [chance.uniform(1, highest) for _ in range(change.pieces)]
        activities = {each.evidence_id: each.activity for each in held}
        retaken = [activities[id] for id in change.retakes]
        more = [
            piece(50 + n, day=n, score=Score(level=value), activity=activity or f"new-{n}", **_kind_of(change))
            for n, (value, activity) in enumerate(itertools.zip_longest(lower, retaken), start=14)
        ]

        assert status_of(state_of([*held, *more], policy), policy.rule) == "reverify_due"


SUMMATIVE_TOO = {"kinds_all": ["performance", "summative"], "min_evidence": 3}
BY_KINDS = policy_from(
    ON_FOUR | {
        "provisional": {"method": {"type": "latest_at_or_above", "cut": 3}},
        "mastered": {"any_of": [
            {"method": {"type": "mean_of_last", "k": 3, "at_or_above": 3}, "sufficiency": SUMMATIVE_TOO},
        ]},
    }
)  # fmt: skip
EITHER = policy_from(
    ON_FOUR | {"mastered": {"any_of": [
        {"method": {"type": "mean_of_last", "k": 5, "at_or_above": 3}},
        {"method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 3},
         "sufficiency": {"kinds_all": ["summative"]}},
    ]}}
)  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "kind", "marks", "text"),
    [
        (BY_KINDS, "summative", [3, 3, 3], "One more piece at 3 or above, a piece of performance evidence"),
        (BY_KINDS, "performance", [3, 3, 3], "One more piece at 3 or above, a piece of summative evidence"),
        (EITHER, "formative", [3, 3], "One more piece at 1 or above, a piece of summative evidence"),
        (EITHER, "summative", [3], "One more piece at 3 or above"),
    ],
)
def test_the_kind_of_work_that_is_missing_is_tried_and_told(policy: Policy, kind: str, marks: list[float], text: str):
    change = explain_key(map(piece_of, work(*marks, kind=kind)), policy.rule).minimal_change

    assert said(change.fact) == f"{text} would make it mastered."


@example(
    policy=policy_from(
        {"id": "p", "scale": {"min": 1, "max": 4, "mastery": 3}, "decision": {"latch": "current"},
         "method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 3},
         "evidence": {"window": {"since": "2026-03-10"}}}
    ), seed=1, count=1,
)  # fmt: skip
@given(policy=policies(), seed=st.integers(0, 10_000), count=st.integers(0, 12))
def test_whatever_work_is_as_it_is_told_brings_what_is_told(policy: Policy, seed: int, count: int):
    """At any value at or above the one that is told, with the kinds, depth, assessors and items that are named, no more."""
    held = [piece_of(each) for each in random_work(seed, count)]
    change = explain_key(held, policy.rule).minimal_change
    if change.at_least is not None:
        told = [wanted for part in change.fact.parts for wanted in part.parts]
        kinds = [str(dict(each.values)["kind"]) for each in told if each.code == "lack.kinds_all"]
        of_all = next((str(dict(each.values)["kind"]) for each in told if each.code == "of_kind"), None)
        named = {each.code for each in told}
        # Work that is still to come is in the window, also where what there is lies before it.
        begins = f"{policy.rule.since}T10:00:00.000000Z" if policy.rule.since else ""
        start = max(held[-1].order[0] if held else LATER, begins)
        chance, again = random.Random(seed), len(change.retakes)
        taken_again = {each.evidence_id: each for each in held}
        more = [
            retake(
                taken_again[id],
                Score(level=chance.uniform(change.at_least, 4)),
                later(start, 24 * n if change.other_day else n / 3600),
            )
            for n, id in enumerate(change.retakes, start=1)
        ]
        more += [
            Piece(
                (later(start, 24 * n if change.other_day else n / 3600), 1, "urn:lms", f"more-{n}"), f"more-{n}",
                f"more-{n}" if change.other_activity or not held else held[-1].activity,
                Score(level=chance.uniform(change.at_least, 4)), assisted=False,
                kind=kinds[n - again - 1] if n - again <= len(kinds) else of_all, dok=4 if "lack.dok" in named else None,
                assessor=f"more-{n}" if "lack.min_assessors" in named else None, items=20 if "lack.min_items" in named else None,
            )
            for n in range(again + 1, change.pieces + 1)
        ]  # fmt: skip

        assert explain_key([*held, *more], policy.rule).status in (change.gives, "mastered")


@pytest.mark.parametrize(
    ("marks", "text"),
    [
        ((2, 2, 2, 2), "One more piece at 4 or above, of kind performance would make it mastered."),
        ((3, 3, 3, 3), "One more piece below 3 would make it reverify due."),
        ((4, 4, 4, 4, 4, 4), "One more piece at 1, of kind performance would make it reverify due."),
    ],
)
def test_one_piece_of_a_kind_that_weighs_more_is_a_smaller_change_than_many(marks: tuple[int, ...], text: str):
    """Of any kind it takes four at 4 to bring a mean of 2 to 3, and four at 1 to bring six of 4 below it."""
    policy = policy_from(
        {"id": "heavy", "scale": {"min": 1, "max": 4, "mastery": 3, "step": 1}, "method": {"type": "mean"},
         "evidence": {"kinds": {"performance": 5, "formative": 2}}, "decision": {"latch": "current"}}
    )  # fmt: skip

    assert said(explain_key(map(piece_of, work(*marks)), policy.rule).minimal_change.fact) == text


def test_what_changes_it_is_work_that_is_looked_at_also_where_all_there_is_is_older():
    """The window begins after the only piece, as in a new school year."""
    policy = policy_from(
        {"id": "year", "method": {"type": "streak", "n": 1}, "evidence": {"window": {"since": "2026-08-20"}}}
    )
    presumed = Decided("d", "presume", LATER)

    assert explain_key(map(piece_of, work(1)), policy.rule).minimal_change.gives == "mastered"
    assert explain_key([piece_of(each) for each in work(1)], policy.rule, [presumed]).enough is None


def test_an_explanation_shows_each_piece_with_what_it_counted_for_and_each_rule_with_what_was_found():
    retaken = piece(9, day=9, score=Score(level=4.0), activity="task-1", attempt=2)
    assisted = piece(8, day=8, score=Score(level=4.0), activity="task-8", assisted=True)
    short = piece(7, day=7, score=Score(level=3.0), activity="quiz", items=5, kind="formative")
    gone = piece(6, day=6, score=Score(level=1.0), activity="task-6")
    shown = explain_key(map(piece_of, [*work(2, 3), short, assisted, retaken]), CLASSROOM.rule, void=[piece_of(gone)])

    told = [each.why_not and said(each.why_not) for each in shown.evidence]
    weighed = zip(shown.evidence, told, strict=True)
    assert [(each.evidence_id, each.value, each.weight, why_not) for each, why_not in weighed] == [
        ("eada1", 2.0, 0.0, "a later attempt at the same activity replaces it"),
        ("eada2", 3.0, 1.0, None),
        ("eada6", 1.0, 0.0, "it was retracted or superseded"),
        ("eada7", 3.0, 0.5, None),
        ("eada8", None, 0.0, "it was done with assistance on the construct itself"),
        ("eada9", 4.0, 1.0, None),
    ]
    assert [check.rule for check in shown.trace if not check.met] == [
        "/mastered/any_of/1/sufficiency/min_evidence", "/mastered/any_of/0/sign_off", "/decision/latch",
    ]  # fmt: skip
    assert (shown.status, [said(each) for each in shown.missing]) == (
        "provisional", ["a sign-off by a teacher, or 0.5 more piece of evidence"],
    )  # fmt: skip


def test_an_explanation_says_what_a_credit_is_for():
    shown = explain_key([], CLASSROOM.rule, [Decided("d1", "credit", LATER, by="registrar", basis="test_out")])

    assert shown.status == "credited"
    assert [(check.rule, said(check.found)) for check in shown.trace if check.met] == [
        ("/credit", "credited on 2026-06-01 for test out")
    ]


def test_an_explanation_names_local_days():
    credit = Decided("d1", "credit", "2026-06-01T02:00:00.000000Z", by="registrar", basis="test_out")
    shown = explain_key(map(piece_of, work(3)), CLASSROOM.rule, [credit], time_zone="America/Los_Angeles")

    assert "credited on 2026-05-31 for test out" in [said(check.found) for check in shown.trace]


@pytest.mark.parametrize(("pieces", "said_of_it"), [(1, "Provisional since 2026-03-04; "), (3, "Shown on 2026-03-06 ")])
def test_the_sentence_of_a_state_names_local_days_of_the_tenant(pieces: int, said_of_it: str):
    """Whatever its policy counts, which knows no days here, and also where the zone is set later."""
    nights = [piece(n, score=Score(level=3.0), activity=f"t{n}", occurred_at=f"2026-03-0{4 + n}T02:00:00.000000Z")
              for n in range(1, pieces + 1)]  # fmt: skip
    mean = {"method": {"type": "mean_of_last", "k": 3, "at_or_above": 3}, "sufficiency": {"min_evidence": 3}}
    policy = policy_from({
        "id": "p", "scale": {"min": 1, "max": 4, "mastery": 3}, "provisional": {"method": {"type": "latest"}},
        "mastered": {"any_of": [mean]}, "decision": {"latch": "first_crossing"},
    })  # fmt: skip
    zone = [InForce(time_zone="America/Los_Angeles", breaks="")]

    for before, after in ((zone, []), ([], zone)):
        journal = Journal().fold([InForce(policy), *before]).fold(nights).fold(after).sweep()
        assert journal.described["school", "ada", "math:add"].why.startswith(said_of_it)
