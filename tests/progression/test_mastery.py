"""The fold of one competency: what a set of evidence gives, and what happens to the standing."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.mastery import KeyState, add, piece_of
from services.progression.domain.policy import Policy, policy_from
from shared.contracts.internal_events import EvidenceRecorded, Score
from shared.school_calendar import school_day_after
from tests.support.journal import STREAK_3, Decided, Journal, piece, restore, retract

CURRENT = policy_from({"id": "average", "method": {"type": "sda", "weight": 0.65}, "decision": {"at_least": 0.8}})
CONTRADICTED = policy_from(
    {
        "id": "watched",
        "method": {"type": "streak", "n": 2},
        "decision": {"latch": "first_crossing"},
        "upkeep": {"on_contradiction": {"last": 2, "below": 1}},
    }
)
ENOUGH = policy_from(
    {
        "id": "enough",
        "method": {"type": "sda", "weight": 1},
        "decision": {"at_least": 0.5},
        "sufficiency": {"min_evidence": 3, "min_activities": 2, "min_occasions": 2},
    }
)


def under(policy: Policy) -> Journal:
    return Journal().fold([Decided(policy)])


def test_the_third_correct_answer_in_a_row_shows_mastery_when_it_was_given():
    journal = under(STREAK_3).fold([piece(1, 0), piece(2), piece(3), piece(4)])

    assert journal.state().status == "mastered"
    assert journal.state().mastered_at == piece(4).occurred_at
    assert journal.state().basis == ("eada2", "eada3", "eada4")
    assert journal.kinds() == ["competency.mastered"]


def test_the_score_keeps_running_after_mastery():
    journal = under(STREAK_3).fold([piece(1), piece(2), piece(3), piece(4, 0), piece(5)])

    assert (journal.state().status, journal.state().score) == ("mastered", pytest.approx(1 / 3))


def test_late_evidence_that_breaks_the_row_withdraws_and_names_what_it_replaces():
    journal = under(STREAK_3).fold([piece(1), piece(3), piece(5)]).fold([piece(4, 0)])

    assert journal.kinds() == ["competency.mastered", "competency.withdrawn"]
    assert journal.state().status == "not_yet"
    assert journal.told[1].data["replaces"] == journal.told[0].id


def test_newer_evidence_never_takes_mastery_off_the_record():
    journal = under(CURRENT).fold([piece(1), piece(2, 0), piece(3, 0)])

    assert journal.state().status == "reverify_due"
    assert journal.kinds() == ["competency.mastered", "competency.reverify_due"]


def test_a_check_that_succeeds_clears_the_flag():
    journal = under(CONTRADICTED).fold([piece(1), piece(2), piece(3, 0), piece(4, 0), piece(5)])

    assert journal.kinds() == ["competency.mastered", "competency.reverify_due", "competency.reverified"]
    assert journal.state().status == "mastered"


def test_a_re_check_says_which_evidence_passes_it_and_by_when():
    row = under(CONTRADICTED).fold([piece(1), piece(2), piece(3, 0), piece(4, 0)])
    current = under(CURRENT).fold([piece(1), piece(2, 0), piece(3, 0)])

    asked = row.told[-1].data
    assert asked["smallest_check"] == "one newer piece of evidence at 100% of full marks or above"
    day = datetime.date.fromisoformat(asked["decided_at"][:10])
    assert asked["due_by"][:10] == school_day_after(day, 20, "").isoformat()
    assert current.told[-1].data["smallest_check"] == "an average in which newer pieces weigh more at 0.8 or above"
    assert row.fold([piece(5)]).kinds()[-1] == "competency.reverified"


def test_one_lower_piece_after_mastery_changes_nothing():
    journal = under(CONTRADICTED).fold([piece(1), piece(2), piece(3, 0)])

    assert journal.state().status == "mastered"
    assert journal.kinds() == ["competency.mastered"]


def test_a_retraction_under_the_crossing_withdraws_and_its_undoing_reinstates_with_the_first_date():
    pieces = [piece(1), piece(2), piece(3)]
    journal = under(STREAK_3).fold(pieces).fold([retract(pieces[1])]).fold([restore(pieces[1])])

    assert journal.kinds() == ["competency.mastered", "competency.withdrawn", "competency.reinstated"]
    assert journal.state().mastered_at == pieces[2].occurred_at
    assert journal.told[1].data["cause"]["kind"] == "retraction"


def test_a_withdrawn_mastery_that_is_shown_anew_is_mastered_again():
    pieces = [piece(1), piece(2), piece(3)]
    journal = under(STREAK_3).fold(pieces).fold([retract(pieces[1])]).fold([piece(4), piece(5)])

    assert journal.kinds() == ["competency.mastered", "competency.withdrawn", "competency.mastered"]
    assert len({event.id for event in journal.told}) == 3


def test_late_evidence_that_only_moves_the_date_tells_nothing_but_raises_the_sequence():
    journal = under(STREAK_3).fold([piece(2), piece(4), piece(6)])
    before = journal.state()
    journal.fold([piece(1)])

    assert journal.kinds() == ["competency.mastered"]
    assert journal.state().mastered_at == piece(4).occurred_at
    assert journal.state().seq > before.seq


def test_a_learner_whose_only_evidence_is_retracted_has_no_evidence():
    only = piece(1)
    journal = under(STREAK_3).fold([only]).fold([retract(only)])

    assert (journal.state().status, journal.state().evidence_count, journal.state().score) == ("no_evidence", 0, None)


def test_without_a_policy_nothing_is_decided_and_the_reason_is_named():
    journal = Journal().fold([piece(1), piece(2), piece(3)])

    assert journal.state().status == "insufficient_evidence"
    assert journal.state().missing == ("a policy that applies to this competency",)
    assert journal.told == []


@pytest.mark.parametrize(
    ("pieces", "missing"),
    [
        ([piece(1)], ("2 more pieces of evidence", "1 more different activity", "1 more other day")),
        (
            [piece(1, activity="a"), piece(2, activity="a"), piece(3, activity="a")],
            ("1 more different activity", "1 more other day"),
        ),
        ([piece(1, day=1), piece(2, day=1), piece(3, day=2)], ()),
    ],
)
def test_what_is_missing_is_named(pieces: list[EvidenceRecorded], missing: tuple[str, ...]):
    journal = under(ENOUGH).fold(pieces)

    assert journal.state().missing == missing
    assert journal.state().status == ("insufficient_evidence" if missing else "mastered")


def test_assisted_work_is_kept_but_not_counted_and_accommodations_change_nothing():
    assisted = [piece(n, assisted=True) for n in (1, 2, 3)]
    accommodated = [piece(n, accommodations=("scribe",)) for n in (4, 5, 6)]

    assert under(STREAK_3).fold(assisted).state().missing == ("1 more piece of evidence",)
    assert under(STREAK_3).fold(accommodated).state().status == "mastered"


def test_one_piece_may_speak_to_several_competencies():
    both = [piece(n, competencies=("math:add", "math:sub")) for n in (1, 2, 3)]
    journal = under(STREAK_3).fold(both)

    assert (journal.state("math:add").status, journal.state("math:sub").status) == ("mastered", "mastered")


def test_evidence_that_arrives_void_does_not_count():
    journal = under(STREAK_3).fold([piece(1), piece(2), piece(3, valid=False)])

    assert (journal.state().status, journal.state().evidence_count) == ("not_yet", 2)


@pytest.mark.parametrize(
    ("score", "value"),
    [
        (Score(raw=3, max=4), 3.25),
        (Score(raw=6, max=4), 4.0),
        (Score(raw=3, max=5, min=1), 2.5),
        (Score(scaled=0.5), 2.5),
        (Score(scaled=-1), 1.0),
        (Score(level=3), 3.0),
        (Score(level="B"), None),
    ],
)
def test_scores_are_put_on_the_scale_of_the_policy(score: Score, value: float | None):
    policy = policy_from(
        {"id": "r", "scale": {"min": 1, "max": 4, "mastery": 3}, "method": {"type": "sda", "weight": 1}}
    )

    assert policy.rule.place(score) == value


def test_the_marks_of_one_activity_that_are_all_at_the_cut_are_at_the_cut_together():
    """In binary the mean of three times 0.7 is below 0.7."""
    policy = policy_from(
        {"id": "c", "scale": {"min": 0, "max": 1, "mastery": 0.7}, "evidence": {"collapse": "activity_occasion"},
         "method": {"type": "streak", "n": 1}}
    )  # fmt: skip
    journal = under(policy).fold([piece(n, score=Score(scaled=0.7), activity="quiz") for n in (1, 2, 3)])

    assert journal.state().status == "mastered"


@given(marks=st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60))
def test_the_cost_of_a_piece_does_not_grow_with_the_history(marks: list[float]):
    """Whatever came before, the state holds a bounded number of ids and activities."""
    journal = under(ENOUGH).fold([piece(n, mark, activity=f"a{n}") for n, mark in enumerate(marks)])

    assert len(journal.states[("school", "ada", "math:add")][1]) < 1500


def test_activities_of_two_sources_are_two_whatever_they_are_called():
    content = {"id": "two", "method": {"type": "latest"}, "sufficiency": {"min_activities": 2}}
    pieces = [piece(1, activity="42"), piece(2, activity="42", source="urn:other")]

    assert under(policy_from(content)).fold(pieces[:1]).state().status == "insufficient_evidence"
    assert under(policy_from(content)).fold(pieces).state().status == "mastered"


def test_the_same_activity_again_is_none_more_for_a_state_that_has_it_without_its_source():
    rule = policy_from({"id": "two", "method": {"type": "latest"}, "sufficiency": {"min_activities": 2}}).rule
    state = KeyState(activities=("42",), count=1, methods=((1.0,),))
    add(state, piece_of(piece(2, activity="42")), rule)

    assert state.crossed_at is None


@pytest.mark.parametrize("helped", [0, 1])
def test_each_row_of_a_quiz_that_is_kept_counts_by_its_own_strength(helped: int):
    """Of two rows one was worked with help: 1.5 pieces, in either order."""
    policy = policy_from(
        {
            "id": "rows",
            "method": {"type": "mean"},
            "evidence": {"collapse": "canvas_compat", "assisted": "half"},
        }
    )
    rows = [piece(n, activity="quiz", assisted=n == helped) for n in (0, 1)]
    state = under(policy).fold(rows).held()

    assert (state.count, state.halves) == (2, 1)
    assert state.methods == ((1.5, 1.5),)


RETAKEN = {
    "id": "retaken",
    "method": {"type": "streak", "n": 1},
    "decision": {"latch": "first_crossing"},
    "evidence": {"reassess": "replace_latest"},
}


@pytest.mark.parametrize("third", ["b", "c"])
def test_pieces_of_the_instant_of_the_crossing_are_newer_in_their_order_also_behind_a_retake(third: str):
    """`b` is retaken: what stands is held anew against what is on the record, and comes to the same."""
    policy = policy_from(RETAKEN | {"upkeep": {"on_contradiction": {"last": 2, "below": 1}}})
    at = piece(1).occurred_at
    early = piece(0, 0, activity="b", occurred_at="2026-02-01T10:00:00.000000Z")
    pieces = [piece(1, activity="a"), piece(2, 0, activity="d", occurred_at=at), piece(3, 0, activity=third, attempt=2)]

    assert under(policy).fold([early, *pieces]).state().status == "reverify_due"


def test_a_re_check_by_age_is_counted_from_what_stands():
    """The success on the fifth was retaken the day after, without success: it was last shown on the second."""
    policy = policy_from(RETAKEN | {"upkeep": {"reverify_after_days": 3}})
    marks = [(2, "a", 1.0), (5, "b", 1.0), (6, "b", 0.0)]
    journal = under(policy).fold([piece(day, mark, day=day, activity=name) for day, name, mark in marks])

    assert journal.held().fresh_at == piece(2, day=2).occurred_at
