"""
What a loss does, row by row of the table that subscribers build upon: to the competency, and to a level already advanced.

To the fold a re-alignment is a correction: that evidence tells it so is in its `test_alignments`. A policy that is applied
retroactively is in progression's `test_adoption`.
"""

from typing import Any

import msgspec
import pytest

from services.progression.domain.decisions import ClockTicked, CompetencyDecided, LevelDecided
from services.progression.domain.policy import Policy, policy_from
from shared.contracts.internal_events import EvidenceRecorded, EvidenceRetracted, Touched
from tests.support.frameworks import read_csv
from tests.support.journal import Decided, Journal, Record, hand_over, piece, restore, retract

NODES = "code,title,level,subject\nadd,Adding,1,math\nsub,Subtracting,1,math\nmul,Multiplying,2,math\n"
GRAPH, _ = read_csv("math", "Mathematics", NODES, "from,to\nadd,mul\nsub,mul\n")
LEVEL = "math#math/1"
UNTIL = "2026-04-20T00:00:00.000000Z"


def policy(n: int = 2, **more: Any) -> Policy:
    """Return a streak that contradiction (two below the cut) and 30 days without work make due for a re-check."""
    content: dict[str, Any] = {
        "id": "loss", "method": {"type": "streak", "n": n}, "decision": {"latch": "first_crossing"},
        "upkeep": {"on_contradiction": {"last": 2, "below": 1}, "reverify_after_days": 30},
    }  # fmt: skip
    return policy_from(content | more)


def shown(code: str, first: int, *, day: int = 10) -> list[EvidenceRecorded]:
    return [piece(n, competency=f"math:{code}", day=day) for n in (first, first + 1)]


@pytest.fixture
def advanced() -> Journal:
    """A learner who has shown level 1 and advanced."""
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy())]).fold([*shown("add", 1), *shown("sub", 11)])
    assert journal.kinds()[-2:] == ["level.advanced", "level.ready"]
    return journal


def told_by(journal: Journal, *records: Record) -> list[dict[str, Any]]:
    """Fold records; return what they told, the data with the short name as `kind`."""
    before = len(journal.told)
    journal.fold(records)
    kinds = journal.kinds()[before:]
    return [
        event.data | {"kind": kind, "id": event.id} for kind, event in zip(kinds, journal.told[before:], strict=True)
    ]


def kinds(told: list[dict[str, Any]]) -> list[str]:
    return [each["kind"] for each in told]


def test_newer_lower_evidence_makes_it_due_for_a_re_check_and_leaves_the_level(advanced: Journal):
    told = told_by(advanced, piece(21, 0, day=11), piece(22, 0, day=11))

    assert kinds(told) == ["competency.reverify_due"]
    assert (told[0]["why"], told[0]["before"], told[0]["after"]) == ("contradiction", "mastered", "reverify_due")
    assert advanced.state().mastered_at == piece(2, day=10).occurred_at, "it stays on the record"


def test_age_makes_it_due_for_a_re_check_and_leaves_the_level(advanced: Journal):
    told = told_by(advanced, ClockTicked("ada", "2026-04-22T12:00:00.000000Z", ("math:add",)))

    assert kinds(told) == ["competency.reverify_due"]
    assert told[0]["why"] == "age"
    assert advanced.state().mastered_at is not None


def test_an_override_that_expires_makes_it_due_for_a_re_check_and_leaves_the_level():
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy())]).fold(shown("sub", 11))
    override = CompetencyDecided("ada", "math:add", "override", "teacher", "t", "override", "seen", "mastered", UNTIL)
    assert "level.advanced" in kinds(told_by(journal, override))
    told = told_by(journal, ClockTicked("ada", "2026-04-20T00:00:01.000000Z", ("math:add",)))

    assert kinds(told) == ["competency.reverify_due"]
    assert told[0]["why"] == "expiry"


def late_wrong() -> EvidenceRecorded:
    """Build evidence that arrives late and sorts between the two pieces that mastery was shown by."""
    return piece(31, 0, occurred_at="2026-03-10T10:00:01.500000Z")


def corrected() -> EvidenceRecorded:
    """Build the correction of a piece that mastery was shown by: wrong instead of right, at the same time."""
    first = piece(1, day=10)
    return piece(
        32, 0, occurred_at=first.occurred_at, invalidates=(Touched(first.evidence_id, first.competencies),)
    )  # fmt: skip


def realigned() -> EvidenceRecorded:
    """Build a piece that mastery was shown by as it is recorded anew, for what it counts for now."""
    first = piece(1, day=10)
    return msgspec.structs.replace(
        first, evidence_id="anew", competencies=("math:mul",), invalidates=(Touched(first.evidence_id, first.competencies),)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "cause"),
    [
        (retract(piece(1, day=10)), "retraction"),
        (corrected(), "correction"),
        (realigned(), "correction"),
        (late_wrong(), "evidence"),
    ],
    ids=["a retraction", "a correction", "a re-alignment", "late evidence that undoes the crossing"],
)
def test_what_lay_under_the_crossing_is_gone_so_it_is_withdrawn_at_once_and_the_level_is_to_be_reviewed(
    advanced: Journal, loss: EvidenceRecorded | EvidenceRetracted, cause: str
):
    mastered = next(event for event in advanced.told if event.type == "attain.competency.mastered.v1")
    told = told_by(advanced, loss)

    assert kinds(told) == ["competency.withdrawn", "level.review_required"]
    assert (told[0]["cause"]["kind"], told[0]["replaces"]) == (cause, mastered.id)
    assert (told[1]["scope"]["id"], told[1]["missing"]) == (LEVEL, ["math:add"])
    assert LEVEL in advanced.learners["school", "ada"].advanced, "advanced until a named person decides"


def test_a_stricter_policy_changes_nothing_that_is_on_the_record(advanced: Journal):
    told = told_by(advanced, Decided(policy(5)))
    advanced.sweep()

    assert kinds(told) == []
    assert (advanced.state().status, advanced.state().policy) == ("mastered", policy().reference)
    assert advanced.kinds()[-2:] == ["level.advanced", "level.ready"]
    assert LEVEL in advanced.learners["school", "ada"].advanced


def test_the_cause_is_undone_so_both_are_reinstated_with_their_dates_and_the_review_is_over(advanced: Journal):
    first = next(event for event in advanced.told if event.type == "attain.level.advanced.v1")
    withdrawn, review = told_by(advanced, retract(piece(1, day=10)))
    told = told_by(advanced, restore(piece(1, day=10)))

    assert review["replaces"] == first.id
    assert kinds(told) == ["competency.reinstated", "level.reinstated"]
    assert told[0]["effective_at"] == piece(2, day=10).occurred_at, "the original date"
    assert told[0]["replaces"] == withdrawn["replaces"]
    assert (told[1]["replaces"], told[1]["original"]) == (review["id"], first.id)
    assert (told[1]["effective_at"], told[1]["episode"]) == (first.data["effective_at"], 1)
    assert (told[1]["by"], told[1]["basis"]["by"]) == ({"role": "", "ref": ""}, None), "nobody decided"
    assert advanced.learners["school", "ada"].reviews == {}
    assert kinds(told_by(advanced, retract(piece(2, day=10), by="r3"))) == [
        "competency.withdrawn", "level.review_required",
    ], "another loss is another review"  # fmt: skip


def test_what_another_learner_has_shown_is_withdrawn_by_identity_and_reinstated_once_they_are_one_again(
    advanced: Journal,
):
    """Of Ada's work half was Bo's until they were merged: it goes back, and comes again with the dates that it had."""
    bos = [piece(2, day=10)]
    first = next(event for event in advanced.told if event.type == "attain.level.advanced.v1")
    there, parted = hand_over(bos, "bo", "m1-undone", "undone")
    withdrawn, review = told_by(advanced, *parted)
    told = told_by(advanced, *hand_over(there, "ada", "m2", "undone")[1])

    assert (withdrawn["kind"], review["kind"]) == ("competency.withdrawn", "level.review_required")
    assert {event["cause"]["kind"] for event in (withdrawn, review, *told)} == {"identity"}
    assert [event["basis"]["kind"] for event in (withdrawn, review)] == ["identity", "identity"]
    assert (withdrawn["removed"], review["replaces"]) == ([bos[0].evidence_id], first.id)
    assert withdrawn["reason"]["text"] == "Evidence under this mastery belongs to another learner."
    assert kinds(told) == ["competency.reinstated", "level.reinstated"]
    assert told[0]["effective_at"] == bos[0].occurred_at, "the original date"
    assert told[0]["replaces"] == withdrawn["replaces"]
    assert (told[1]["original"], told[1]["effective_at"]) == (first.id, first.data["effective_at"])


def test_the_decision_of_a_person_to_take_a_level_back_is_undone_so_it_is_reinstated(advanced: Journal):
    first = next(event for event in advanced.told if event.type == "attain.level.advanced.v1")
    told_by(advanced, retract(piece(1, day=10)))
    by = ("ada", LEVEL)
    review = advanced.told[-1]
    withdrawn = told_by(advanced, LevelDecided(*by, "withdraw", "leader", "p", "reviewed"))
    told = told_by(advanced, LevelDecided(*by, "reinstate", "leader", "p", "heard again"))
    person = {"role": "leader", "ref": "p"}

    assert kinds(withdrawn) == ["level.withdrawn"]
    assert (withdrawn[0]["by"], withdrawn[0]["original"], withdrawn[0]["replaces"]) == (person, first.id, review.id)
    assert kinds(told) == ["level.reinstated"]
    assert (told[0]["by"], told[0]["original"], told[0]["replaces"]) == (person, first.id, withdrawn[0]["id"])
    assert told[0]["effective_at"] == first.data["effective_at"]
    again = told_by(advanced, LevelDecided(*by, "withdraw", "leader", "p", "after all"))
    assert (again[0]["original"], again[0]["replaces"]) == (first.id, told[0]["id"])


def test_what_a_person_took_back_in_a_review_is_reinstated_once_the_cause_of_that_is_undone(advanced: Journal):
    first = next(event for event in advanced.told if event.type == "attain.level.advanced.v1")
    told_by(advanced, retract(piece(1, day=10)))
    withdrawn = told_by(advanced, LevelDecided("ada", LEVEL, "withdraw", "leader", "p", "reviewed"))[0]
    told = told_by(advanced, restore(piece(1, day=10)))

    assert kinds(told) == ["competency.reinstated", "level.reinstated"]
    assert (told[1]["original"], told[1]["replaces"]) == (first.id, withdrawn["id"])
    assert (told[1]["effective_at"], told[1]["before"], told[1]["episode"]) == (
        first.data["effective_at"], "withdrawn", 1
    )  # fmt: skip


def test_what_a_person_took_back_without_a_review_or_what_is_shown_anew_is_the_persons_to_give_again(advanced: Journal):
    told_by(advanced, LevelDecided("ada", LEVEL, "withdraw", "leader", "p", "a mistake of mine"))
    told = told_by(advanced, retract(piece(1, day=10)), restore(piece(1, day=10)))
    assert kinds(told) == ["competency.withdrawn", "competency.reinstated"]

    told_by(advanced, LevelDecided("ada", LEVEL, "reinstate", "leader", "p", "it was right"))
    told_by(advanced, retract(piece(1, day=10), by="r3"))
    told_by(advanced, LevelDecided("ada", LEVEL, "withdraw", "leader", "p", "reviewed"))

    assert kinds(told_by(advanced, *shown("add", 51, day=12))) == ["competency.mastered"]


def test_a_review_under_a_rule_that_leaves_a_choice_names_competencies_and_is_told_to_be_over():
    """Three of four supporting standards are asked for, beside the power standard."""
    require = {"power": "mastered", "supporting": {"share": 0.75}}
    rule = policy(advancement={"require": require, "sign_off": {"by": "teacher"}})
    nodes = "code,title,level,subject,power\np,p,1,m,true\n" + "".join(f"{code},{code},1,m,false\n" for code in "abcd")
    graph, _ = read_csv("m", "M", nodes, "")
    work = {code: [piece(n + 10 * k, competency=f"m:{code}") for n in (1, 2)] for k, code in enumerate("pabc")}
    journal = Journal().fold(
        [Decided(framework=graph), Decided(rule), *(each for held in work.values() for each in held)]
    )
    journal.fold([LevelDecided("ada", "m#m/1", "sign_off", "teacher", "t")])
    assert journal.kinds()[-1] == "level.advanced"
    told = told_by(journal, retract(work["c"][0]))

    assert kinds(told) == ["competency.withdrawn", "level.review_required"]
    assert (told[1]["missing"], told[1]["asks_for"]) == (["m:c", "m:d"], ["1 more of m:c, m:d"])
    assert kinds(told_by(journal, restore(work["c"][0]))) == ["competency.reinstated", "level.reinstated"]


def test_late_evidence_that_only_moves_the_date_gives_no_second_mastered_and_a_raised_seq(advanced: Journal):
    seq = advanced.state().seq
    told = told_by(advanced, piece(41, day=9))

    assert kinds(told) == []
    assert advanced.state().mastered_at == piece(1, day=10).occurred_at, "one piece earlier than before"
    moved = advanced.state().seq
    assert moved > seq
    assert told_by(advanced, retract(piece(41, day=9), piece(1, day=10)))[0]["seq"] > moved


def test_for_one_cause_competency_events_come_before_level_events(advanced: Journal):
    pieces = (piece(1, day=10), piece(11, day=10, competency="math:sub"))
    told = told_by(advanced, retract(*pieces))

    assert kinds(told) == ["competency.withdrawn", "competency.withdrawn", "level.review_required"]


def test_access_that_provisional_opened_stays_open():
    two_tiers = policy_from(
        {
            "id": "tiers",
            "provisional": {"method": {"type": "latest_at_or_above", "cut": 1}},
            "mastered": {"any_of": [{"method": {"type": "streak", "n": 3}}]},
        }
    )
    journal = Journal().fold([Decided(two_tiers)])
    told = told_by(journal, piece(1)) + told_by(journal, retract(piece(1)))

    assert kinds(told) == ["competency.provisional"]
    assert "math:add" in journal.learners["school", "ada"].opened


def test_what_is_undone_while_a_level_settles_is_never_told():
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy(settle=60))])
    told_by(journal, *shown("add", 1), *shown("sub", 11), retract(piece(1, day=10)))
    told = told_by(journal, ClockTicked("ada", "2026-04-01T02:00:00.000000Z"))

    assert kinds(told) == []
    assert not any(kind.startswith("level.") for kind in journal.kinds())
