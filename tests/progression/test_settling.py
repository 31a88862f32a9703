"""
What is told of levels where they settle: each thing once it has stood for as long, with its cause and date; nothing of what was
undone before.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import ClockTicked, LevelDecided, LevelDecisionKind
from services.progression.domain.learner import LearnerState
from services.progression.domain.learner_fold import deadline_of
from services.progression.domain.policy import policy_from
from services.progression.domain.policy.rule import minutes_later
from services.progression.domain.telling import Told
from services.progression.domain.terms import TermDecided, level_standings
from services.progression.handlers.memory import pack, unpack_learner
from shared.contracts.internal_events import Competency, EvidenceRecorded
from tests.progression.test_level_properties import CODES, GRAPH
from tests.support.journal import TENANT, Decided, Journal, Record, piece, restore, retract

LEVEL, NEXT_LEVEL = "math#/0", "math#/1"
MEMBERS = GRAPH.levels[LEVEL]
START = "2026-04-01T02:00:00.000000Z"
SETTLE = 60
CONTENT: dict[str, Any] = {
    "id": "one", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}, "settle": SETTLE
}  # fmt: skip


def policy(settle: int = SETTLE, *, signed: bool = False) -> Decided:
    require = {"power": "mastered", "supporting": {"share": 1}}
    sign_off = {"advancement": {"require": require, "sign_off": {"by": "teacher"}}}
    return Decided(policy_from(CONTENT | {"settle": settle} | (sign_off if signed else {})))


class Hours:
    """A journal with a clock: `after` so many minutes something is folded, and `settled` folds the wake-ups that are due."""

    def __init__(self, *rules: Decided) -> None:
        self.journal = Journal().fold([Decided(framework=GRAPH), *rules])
        self.now = START
        self.at(START)

    def at(self, instant: str) -> None:
        self.now = instant
        self.journal.fold([ClockTicked("ada", instant)])

    def after(self, minutes: int, *records: Record) -> "Hours":
        """Pass the time, as the owner of a shard does: with a tick at each deadline that is stored; then fold records."""
        until = minutes_later(self.now, minutes)
        while (deadline := deadline_of(self.standing)) is not None and deadline <= until:
            self.at(deadline)
        self.at(until)
        self.journal.fold(records)
        return self

    @property
    def standing(self) -> LearnerState:
        return self.journal.learners[TENANT, "ada"]

    @property
    def told(self) -> list[Told]:
        return [event for event in self.journal.told if event.type.startswith("attain.level.")]

    def kinds(self) -> list[str]:
        return [event.type.split(".")[2] for event in self.told if event.data["scope"]["id"] == LEVEL]


def decided(kind: LevelDecisionKind, **more: Any) -> LevelDecided:
    return LevelDecided("ada", LEVEL, kind, "teacher", "t-1", "seen", **more)


SHOWN = tuple(piece(n, competencies=(code,)) for n, code in enumerate(MEMBERS))
LOSS, BACK = retract(SHOWN[0]), restore(SHOWN[0])


def advanced(*, signed: bool = False) -> Hours:
    """Return a learner who has advanced and was told so."""
    hours = Hours(policy(signed=signed)).after(0, *SHOWN)
    if signed:
        hours.after(0, decided("sign_off"))
    hours.after(SETTLE)
    assert hours.kinds() == ["advanced"]
    return hours


def reviewed() -> Hours:
    return advanced().after(0, LOSS).after(SETTLE)


def taken_back() -> Hours:
    return advanced().after(0, decided("withdraw")).after(SETTLE)


def asked() -> Hours:
    return Hours(policy(signed=True)).after(0, *SHOWN).after(SETTLE)


BEGUN: dict[str, Callable[[], Hours]] = {
    "nothing": lambda: Hours(policy()),
    "to be signed": lambda: Hours(policy(signed=True)).after(0, *SHOWN[1:]),
    "asked": asked,
    "advanced": advanced,
    "reviewed": reviewed,
    "taken back": taken_back,
    "taken back in a review": lambda: reviewed().after(0, decided("withdraw")).after(SETTLE),
}
UNDONE: list[tuple[str, Sequence[Record], Sequence[Record], str]] = [
    ("nothing", SHOWN, (LOSS,), "advanced"),
    ("nothing", SHOWN, (decided("withdraw"),), "advanced"),
    ("nothing", [decided("withhold")], [decided("lift")], "withheld"),
    ("to be signed", SHOWN[:1], (LOSS,), "sign_off_requested"),
    ("to be signed", SHOWN[:1], (LOSS, BACK, LOSS), "sign_off_requested"),
    ("asked", [decided("sign_off")], [decided("lift")], "advanced"),
    ("asked", [decided("sign_off")], [decided("withdraw")], "advanced"),
    ("asked", [decided("withhold")], [decided("lift")], "withheld"),
    ("advanced", (LOSS,), (BACK,), "review_required"),
    ("advanced", (LOSS,), [piece(9, competencies=MEMBERS[:1])], "review_required"),
    ("advanced", [decided("withdraw")], [decided("reinstate")], "withdrawn"),
    ("advanced", [LOSS, decided("withdraw")], (BACK,), "review_required"),
    ("advanced", [LOSS, decided("withdraw")], [decided("reinstate"), BACK], "review_required"),
    ("reviewed", (BACK,), (LOSS,), "reinstated"),
    ("reviewed", [decided("withdraw")], [decided("reinstate")], "withdrawn"),
    ("taken back", [decided("reinstate")], [decided("withdraw")], "reinstated"),
    ("taken back", [decided("reinstate")], [decided("lift")], "reinstated"),
    ("taken back in a review", (BACK,), (LOSS,), "reinstated"),
]


@pytest.mark.parametrize(
    ("begun", "done", "undone", "kind"), UNDONE, ids=[f"{begun}: {kind} {n}" for n, (begun, *_, kind) in enumerate(UNDONE)]
)  # fmt: skip
def test_what_is_undone_while_it_settles_is_told_to_nobody_and_neither_is_its_reversal(begun, done, undone, kind):
    undoing, standing = BEGUN[begun](), BEGUN[begun]().standing
    told = undoing.kinds()
    undoing.after(10, *done).after(SETTLE - 1, *undone).after(20 * SETTLE)

    assert undoing.kinds() == told
    assert undoing.standing.told_of(LEVEL) == standing.told_of(LEVEL)
    assert (undoing.standing.held, undoing.standing.settling) == ({}, {})

    kept = BEGUN[begun]().after(10, *done).after(SETTLE)

    assert kept.kinds()[len(told) :][:1] == [kind], "where it is not undone, it is told"


def test_what_waited_tells_the_cause_and_the_date_that_it_has_and_comes_behind_all_that_was_told_meanwhile():
    hours = advanced()
    earlier = hours.told[-1]
    hours.after(10, LOSS)
    withdrawn, lost_at = hours.journal.told[-1], hours.now
    hours.after(SETTLE)
    review = hours.told[-1]

    assert withdrawn.type == "attain.competency.withdrawn.v1", "competencies do not wait"
    assert review.data["cause"] == withdrawn.data["cause"]
    assert (review.data["decided_at"], review.data["effective_at"]) == (lost_at, lost_at)
    assert review.data["seq"] > max(withdrawn.data["seq"], earlier.data["seq"])
    assert (review.data["before"], review.data["after"]) == ("advanced", "review_required")
    assert (review.data["replaces"], hours.standing.told_of(LEVEL)) == (
        hours.told[0].id, ("review_required", review.id)
    )  # fmt: skip
    assert hours.standing.seqs[LEVEL] == review.data["seq"]


def test_a_withdrawal_in_a_review_that_nobody_was_told_of_yet_comes_behind_it():
    hours = advanced().after(0, LOSS).after(20, decided("withdraw")).after(2 * SETTLE)
    review, withdrawn = (event for event in hours.told if event.type.split(".")[2] in ("review_required", "withdrawn"))

    assert hours.kinds() == ["advanced", "review_required", "withdrawn"]
    assert (withdrawn.data["replaces"], withdrawn.data["before"]) == (review.id, "review_required")


def test_who_reinstated_a_level_and_lost_what_it_stands_on_meanwhile_is_told_both():
    hours = taken_back().after(0, decided("reinstate")).after(10, LOSS).after(2 * SETTLE)

    assert hours.kinds() == ["advanced", "withdrawn", "reinstated", "review_required"]


def test_what_is_signed_before_its_sign_off_was_asked_for_is_not_asked_for():
    hours = Hours(policy(signed=True)).after(0, *SHOWN).after(10, decided("sign_off")).after(2 * SETTLE)

    assert hours.kinds() == ["advanced"]


def test_a_signature_takes_back_a_refusal_that_nobody_was_told_of():
    hours = asked().after(0, decided("withhold")).after(10, decided("sign_off")).after(2 * SETTLE)

    assert hours.kinds() == ["sign_off_requested", "advanced"]


def test_a_level_that_was_taken_back_before_anybody_was_told_is_the_persons_to_give():
    hours = Hours(policy()).after(0, *SHOWN).after(10, decided("withdraw")).after(0, piece(7, competencies=MEMBERS))
    hours.after(2 * SETTLE)
    assert (hours.kinds(), hours.standing.told_of(LEVEL)) == ([], ("in_progress", None))

    hours.after(0, decided("reinstate")).after(SETTLE)

    assert hours.kinds() == ["advanced"]


def placed(unknown: Sequence[str] = MEMBERS) -> LevelDecided:
    return LevelDecided("ada", NEXT_LEVEL, "place", "registrar", "r", unknown=tuple(unknown))


def told_of_next(hours: Hours) -> list[tuple[str, Any]]:
    """Return what was told of the level that the learner was placed on, with what is unknown."""
    found = [event for event in hours.told if event.data["scope"]["id"] == NEXT_LEVEL]
    return [(event.type.split(".")[2], event.data.get("unknown")) for event in found]


def test_of_placements_the_last_is_told_with_what_is_not_shown_by_then():
    hours = Hours(policy()).after(0, placed(MEMBERS[:1])).after(10, placed()).after(10, SHOWN[0]).after(SETTLE)

    assert told_of_next(hours) == [("placed_with_gaps", [MEMBERS[1]])]
    assert told_of_next(Hours(policy()).after(0, placed()).after(9, *SHOWN).after(SETTLE)) == [("ready", None)]


def test_gaps_are_told_to_be_cleared_once_all_of_them_are_shown_at_once():
    """Neither is one told that is open again before anybody heard of it, nor where another opened before the last was closed."""
    hours = Hours(policy()).after(0, placed()).after(SETTLE).after(0, *SHOWN).after(10, LOSS).after(3 * SETTLE)
    assert told_of_next(hours) == [("placed_with_gaps", list(MEMBERS))]

    hours.after(0, BACK).after(SETTLE)
    assert told_of_next(hours)[1:] == [("gaps_cleared", None), ("ready", None)]

    at_once = Hours(policy(0)).after(0, placed()).after(0, SHOWN[0], LOSS, SHOWN[1])
    assert told_of_next(at_once) == [("placed_with_gaps", list(MEMBERS))]
    assert told_of_next(at_once.after(0, BACK))[1:] == [("gaps_cleared", None), ("ready", None)]


def of(role: str = "") -> Decided:
    """Return the policy with another role to sign off, or none."""
    require = {"require": {"power": "mastered", "supporting": {"share": 1}}}
    return Decided(policy_from(CONTENT | {"advancement": require | ({"sign_off": {"by": role}} if role else {})}))


def test_another_role_is_asked_also_where_that_is_asked_for_while_nobody_waits():
    """It was signed, or no role was to sign, when the rule came to name another."""
    signed = asked().after(0, decided("sign_off"), of("school_leader")).after(10, decided("lift")).after(SETTLE)
    needless = asked().after(0, of()).after(10, of("school_leader")).after(0, decided("withhold")).after(SETTLE)

    for hours in (signed, needless):
        told = [event.data for event in hours.told if event.type == "attain.level.sign_off_requested.v1"]
        assert [data["approver_roles"] for data in told] == [["teacher"], ["school_leader"]]
        assert told[1]["before"] == "sign_off_requested", "it takes the place of the first"


def test_a_role_that_is_asked_for_again_before_another_was_told_is_asked_once():
    hours = asked().after(0, of("school_leader")).after(10, of("teacher")).after(2 * SETTLE)

    assert hours.kinds() == ["sign_off_requested"]


DAY = 24 * 60


@pytest.mark.parametrize("meanwhile", ["counselor", ""])
def test_a_leader_who_was_asked_as_well_may_sign_where_another_role_was_to_be_asked_in_between(meanwhile: str):
    """Nobody was told of the other, so what was told still holds: to whom, and since when it waits."""
    hours = asked().after(8 * DAY)
    assert hours.told[-1].data["approver_roles"] == ["teacher", "school_leader"]
    hours.after(0, of(meanwhile)).after(10, of("teacher")).after(0)
    hours.after(0, LevelDecided("ada", LEVEL, "sign_off", "school_leader", "l-1")).after(2 * SETTLE)

    assert hours.kinds() == ["sign_off_requested", "sign_off_requested", "advanced"]


SMALLER = Framework("math", "Mathematics", (Competency("a", "math:a", 1, level="9"),), ())


def test_a_request_is_over_where_the_framework_drops_a_level_that_was_signed_and_settles():
    hours = asked().after(0, decided("sign_off")).after(10, Decided(framework=SMALLER)).after(2 * SETTLE)
    assert hours.kinds() == ["sign_off_requested", "sign_off_lapsed"]

    hours.after(0, Decided(framework=GRAPH)).after(2 * SETTLE)
    assert hours.kinds()[2:] == ["sign_off_requested"], "what was signed was not this"


@pytest.mark.parametrize("over", [LOSS, Decided(framework=SMALLER)])
def test_a_term_does_not_end_with_a_request_that_is_over(over: Record):
    """Told as lapsed, or by the withdrawal that names the level."""
    hours = asked()
    assert [ended.status for ended in level_standings(hours.standing)] == ["sign_off_requested"]

    assert level_standings(hours.after(0, over).after(0).standing) == []


def test_what_a_person_took_back_is_told_also_where_the_framework_drops_the_level_meanwhile():
    hours = advanced().after(0, decided("withdraw")).after(10, Decided(framework=SMALLER)).after(SETTLE)

    assert hours.kinds() == ["advanced", "withdrawn"]


def test_a_withdrawal_in_a_review_amends_the_term_in_which_the_level_was_complete_as_its_reinstatement_does():
    closing = Decided(closes=TermDecided("fall", "2026-04-01T02:30:00.000000Z", "office"))
    hours = advanced().after(0, closing, LOSS).after(SETTLE, decided("withdraw")).after(SETTLE, decided("reinstate"))
    hours.after(SETTLE)
    amended = [event.data for event in hours.journal.told if event.type == "attain.snapshot.amended.v1"]

    assert hours.kinds()[1:] == ["review_required", "withdrawn", "reinstated"]
    assert [(data["before"], data["after"]) for data in amended if data["scope"]["id"] == LEVEL] == [
        ("advanced", "withdrawn"), ("withdrawn", "advanced")
    ]  # fmt: skip


def test_what_a_recalculation_causes_is_told_within_it():
    """Everything with its batch comes between its start and its end."""
    hours = Hours(policy(signed=True)).after(0, *SHOWN[:1]).after(SETTLE)
    lenient = policy_from(CONTENT | {"advancement": {"require": {"any": ["a", "b"]}}})
    hours.journal.fold([Decided(lenient, batch="b2")]).sweep()

    assert [(event.type.split(".")[2], event.data.get("batch")) for event in hours.told] == [
        ("advanced", "b2"), ("ready", "b2"), ("advanced", "b2")
    ]  # fmt: skip


def test_a_standing_that_waits_reads_back_as_it_was_stored():
    hours = (
        advanced().after(0, LOSS).after(5, decided("withdraw")).after(0, decided("withhold", review_at="2026-04-20"))
    )

    assert len(hours.standing.held[LEVEL]) == 3
    assert unpack_learner(pack(hours.standing)) == hours.standing


def histories(chance: random.Random) -> Iterator[Record]:
    """Yield what may happen to a learner: work, corrections that are undone or not, and what people decide."""
    held: list[EvidenceRecorded] = []
    gone: list[EvidenceRecorded] = []
    kinds: tuple[LevelDecisionKind, ...] = ("sign_off", "withhold", "withdraw", "reinstate", "lift", "place")
    for n in range(chance.randint(4, 16)):
        match chance.randint(0, 5):
            case 0 if held:
                gone.append(held.pop(chance.randrange(len(held))))
                yield retract(gone[-1], by=f"r{n}")
            case 1 if gone:
                held.append(gone.pop(chance.randrange(len(gone))))
                yield restore(held[-1], by=f"b{n}")
            case 0 | 1 | 2:
                held.append(piece(n, competencies=(chance.choice(CODES),)))
                yield held[-1]
            case _:
                level = chance.choice([LEVEL, NEXT_LEVEL])
                unknown = MEMBERS if level == NEXT_LEVEL else ()
                yield LevelDecided("ada", level, chance.choice(kinds), "teacher", "t", "seen", unknown=unknown)


def said(hours: Hours) -> list[tuple[Any, ...]]:
    """Return what was told of levels but for what depends on when and by which rule."""
    left_out = {
        "seq", "decided_at", "cause", "policy", "waiting_since", "original", "replaces", "review_at", "effective_at",
        "decide_by", "escalate_at",
    }  # fmt: skip
    return [(e.type, *((name, e.data[name]) for name in sorted(e.data) if name not in left_out)) for e in hours.told]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), signed=st.booleans())
def test_where_nothing_is_undone_in_time_the_same_is_told_as_where_nothing_waits(seed, signed):
    waits, at_once = Hours(policy(signed=signed)), Hours(policy(0, signed=signed))
    for record in histories(random.Random(seed)):
        for hours in (waits, at_once):
            hours.after(SETTLE, record)
    waits.after(SETTLE)

    assert said(waits) == said(at_once)
    assert {level: waits.standing.told_of(level)[0] for level in GRAPH.levels} == {
        level: at_once.standing.told_of(level)[0] for level in GRAPH.levels
    }
