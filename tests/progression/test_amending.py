"""What amends a closed term: what is found out of what was shown by its end, once for each change, and nothing else."""

from typing import Any

import pytest

from services.progression.domain.decisions import ClockTicked, CompetencyDecided, LevelDecided, LevelDecisionKind
from services.progression.domain.policy import policy_from
from services.progression.domain.terms import TermDecided
from shared.contracts.internal_events import EvidenceRecorded
from shared.contracts.public_events import SNAPSHOT_AMENDED, SNAPSHOT_CLOSED
from shared.contracts.snapshots import Ended, digest_after, digest_of
from tests.progression.test_advancement import GRAPH, shown, with_graph
from tests.support.journal import STREAK_3, TENANT, Decided, Journal, Record, piece, restore, retract

SPRING = Decided(closes=TermDecided("spring", "2026-03-10T00:00:00.000000Z", "office"))
AUTUMN = Decided(closes=TermDecided("autumn", "2026-03-20T00:00:00.000000Z", "office"))
LEVEL = "math#math/1"


def amended(journal: Journal) -> list[tuple[str, str, str, str, str]]:
    """Return (session, scope, before, after, cause) of the amendments, in order."""
    data = [event.data for event in journal.told if event.type == SNAPSHOT_AMENDED]
    return [(d["session"], d["scope"]["id"], d["before"], d["after"], d["cause"]["kind"]) for d in data]


def pieces(*days: int, competency: str = "math:add") -> list[EvidenceRecorded]:
    return [piece(10 * day + n, day=day, competency=competency) for day in days for n in range(3)]


def test_newer_evidence_amends_nothing() -> None:
    journal = Journal().fold([Decided(STREAK_3), *pieces(1)[:2], SPRING]).fold(pieces(12))

    assert journal.state().status == "mastered"
    assert amended(journal) == []


def test_a_retraction_under_what_was_shown_amends_and_its_undoing_amends_again() -> None:
    given = pieces(1)
    journal = Journal().fold([Decided(STREAK_3), *given, SPRING]).fold([retract(given[0])]).fold([restore(given[0])])

    assert amended(journal) == [
        ("spring", "math:add", "mastered", "not_yet", "retraction"),
        ("spring", "math:add", "not_yet", "mastered", "retraction"),
    ]
    told = [event.data for event in journal.told if event.type == SNAPSHOT_AMENDED]
    assert told[0]["reason"]["code"] == "withdrawn"
    assert told[1]["effective_at"] == given[2].occurred_at
    assert told[0]["seq"] < told[1]["seq"]


def test_evidence_that_came_late_amends_where_it_shows_by_the_end() -> None:
    journal = Journal().fold([Decided(STREAK_3), *pieces(1)[:2], SPRING]).fold([pieces(1)[2]])

    assert [row[1:] for row in amended(journal)] == [("math:add", "not_yet", "mastered", "evidence")]


def test_evidence_that_moves_the_day_over_the_end_amends_though_no_mastery_is_told() -> None:
    """A piece before the end makes the row of three complete by then, which it was only after it."""
    journal = Journal().fold([Decided(STREAK_3), *pieces(1)[:2], SPRING]).fold([piece(30, day=12)])
    before = journal.kinds()
    journal.fold([pieces(1)[2]])

    assert journal.kinds()[len(before) :] == ["snapshot.amended"]
    assert [row[1:] for row in amended(journal)] == [("math:add", "not_yet", "mastered", "evidence")]
    assert journal.told[-1].data["reason"]["code"] == "moved"


def test_every_term_that_it_concerns_is_amended_and_no_other() -> None:
    journal = Journal().fold([Decided(STREAK_3), SPRING, *pieces(12), AUTUMN])
    journal.fold([retract(pieces(12)[0])]).fold([piece(200, day=3)])

    assert [row[0] for row in amended(journal)] == ["autumn", "autumn"]
    assert [row[3] for row in amended(journal)] == ["not_yet", "mastered"]


def test_what_is_decided_before_the_closing_never_amends_it() -> None:
    given = pieces(1)
    journal = Journal().fold([Decided(STREAK_3), *given, retract(given[0]), SPRING])

    assert amended(journal) == []
    assert [event.data["standings"] for event in journal.told if event.type == SNAPSHOT_CLOSED] == [1]


def test_a_level_that_is_complete_by_late_evidence_amends() -> None:
    journal = with_graph().fold([*shown("add", 1), SPRING]).fold(shown("sub", 4))

    assert [row[1:] for row in amended(journal)] == [
        ("math:sub", "not_yet", "mastered", "evidence"), (LEVEL, "in_progress", "advanced", "evidence")
    ]  # fmt: skip


def test_a_level_that_a_person_takes_back_and_gives_again_amends_twice() -> None:
    def decided(kind: LevelDecisionKind) -> LevelDecided:
        return LevelDecided("ada", LEVEL, kind, "teacher", "t-1", "looked at again")

    journal = with_graph().fold([*shown("add", 1), *shown("sub", 4), SPRING])
    journal.fold([decided("withdraw")]).fold([decided("reinstate")])

    assert [row[1:4] for row in amended(journal)] == [
        (LEVEL, "advanced", "withdrawn"), (LEVEL, "withdrawn", "advanced")
    ]  # fmt: skip
    assert journal.told[-1].data["reason"]["text"] == "looked at again"


def test_a_level_signed_off_after_the_end_is_of_the_next_term() -> None:
    journal = (
        with_graph()
        .fold([*shown("add", 1), SPRING])
        .fold([piece(n, competency="math:sub", day=12) for n in range(4, 7)])
    )

    assert journal.kinds()[-2:] == ["level.advanced", "level.ready"]
    assert amended(journal) == []


def test_the_digests_follow_from_the_standings_and_the_amendments_alone() -> None:
    given = [*shown("add", 1), *shown("sub", 4)]
    journal = with_graph().fold([*given, SPRING])
    closed = journal.told[-1].data
    told = {event.type: event.id for event in journal.told}
    standings = [
        Ended("competency", "math:add", "mastered", given[2].occurred_at),
        Ended("competency", "math:sub", "mastered", given[5].occurred_at),
        Ended("level", LEVEL, "advanced", told["attain.level.advanced.v1"]),
        Ended("level", "math#math/2", "ready", told["attain.level.ready.v1"]),
    ]
    journal.fold([retract(given[0])]).fold([retract(given[4], by="r9")])
    lines = [
        Ended("competency", d["scope"]["id"], d["after"], d["mark"])
        for d in (event.data for event in journal.told if event.type == SNAPSHOT_AMENDED)
    ]

    assert (closed["digest"], closed["standings"]) == (digest_of(reversed(standings)), 4)
    assert journal.told[-1].data["digest"] == digest_after(digest_after(closed["digest"], lines[0]), lines[1])
    assert journal.learners[TENANT, "ada"].ended == {"spring": journal.told[-1].data["digest"]}


def test_a_request_for_a_sign_off_that_is_over_is_not_what_the_term_ended_with() -> None:
    require = {"power": "mastered", "supporting": {"share": 1}}
    signed = policy_from({"id": "signed", "method": {"type": "streak", "n": 3},
                          "advancement": {"require": require, "sign_off": {"by": "teacher"}}})  # fmt: skip
    given = [*shown("add", 1), *shown("sub", 4)]
    journal = Journal().fold([Decided(framework=GRAPH), Decided(signed), *given, retract(given[0]), SPRING])
    standings = [
        Ended("competency", "math:add", "not_yet", ""), Ended("competency", "math:sub", "mastered", given[5].occurred_at)
    ]  # fmt: skip

    assert "level.sign_off_requested" in journal.kinds()
    assert journal.told[-1].data["digest"] == digest_of(standings)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_batches_of_any_size_tell_the_same(size: int) -> None:
    given = pieces(1)
    records: list[Record] = [
        Decided(STREAK_3), *given[:2], SPRING, piece(60, day=12), given[2], AUTUMN, retract(given[1]), piece(61, day=15)
    ]  # fmt: skip
    at_once, in_parts = Journal().fold(records), Journal()
    for first in range(0, len(records), size):
        in_parts.fold(records[first : first + size], drop_cache=True)

    assert in_parts.told == at_once.told
    assert len(amended(at_once)) == 2


def test_an_override_that_is_lifted_later_amends_what_it_had_put_on_the_record() -> None:
    def decide(kind: str, **more: str) -> CompetencyDecided:
        return CompetencyDecided("ada", "math:add", kind, "teacher", "t-1", "override", "seen", **more)  # type: ignore[arg-type]

    late = Decided(closes=TermDecided("late", "2026-05-01T00:00:00.000000Z", "office"))
    journal = Journal().fold([Decided(STREAK_3), decide("override", status="mastered"), late])
    journal.fold([decide("lift", undoes="input-2")])

    assert [row[1:4] for row in amended(journal)] == [("math:add", "overridden", "no_evidence")]


def test_newer_evidence_of_what_was_credited_or_set_by_hand_amends_nothing() -> None:
    late = Decided(closes=TermDecided("late", "2026-05-01T00:00:00.000000Z", "office"))
    newer = [piece(n, occurred_at=f"2026-05-0{n}T10:00:00.000000Z") for n in (2, 3, 4)]
    for kind, status in (("credit", None), ("override", "mastered")):
        decided = CompetencyDecided("ada", "math:add", kind, "teacher", "t-1", "transfer", "seen", status)  # type: ignore[arg-type]
        journal = Journal().fold([Decided(STREAK_3), decided, late]).fold(newer)
        journal.fold([retract(newer[0])]).fold([decided])

        assert journal.state().status == ("credited" if kind == "credit" else "overridden")
        assert amended(journal) == []
        if kind == "credit":
            assert [event.data["effective_at"] for event in journal.told if "mastered" in event.type] == [
                newer[2].occurred_at
            ]


def test_a_level_whose_date_late_evidence_moves_into_the_term_amends_until_that_is_undone() -> None:
    """Whether the late piece comes before or behind what completed the level after the end, the term is amended alike."""
    late = pieces(2, competency="math:sub")
    journal = with_graph().fold([*shown("add", 1), *pieces(12, competency="math:sub"), SPRING]).fold(late)
    before, standing = len(journal.told), journal.learners[TENANT, "ada"]
    reached, seq = standing.reached[LEVEL], standing.seqs[LEVEL]
    journal.fold([retract(*late)])

    assert [row[1:4] for row in amended(journal)] == [
        ("math:sub", "not_yet", "mastered"), (LEVEL, "in_progress", "advanced"),
        ("math:sub", "mastered", "not_yet"), (LEVEL, "advanced", "in_progress"),
    ]  # fmt: skip
    levels = [event.data for event in journal.told if event.type == SNAPSHOT_AMENDED and event.data["mark"] != ""]
    told = {event.type: event.id for event in journal.told}
    assert levels[1]["mark"] == told["attain.level.advanced.v1"]
    assert (
        (levels[1]["effective_at"], levels[1]["reason"]["code"]) == (late[2].occurred_at, "moved") == (reached, "moved")
    )
    assert {event.type for event in journal.told[before:]} == {SNAPSHOT_AMENDED}
    assert standing.reached[LEVEL] == pieces(12)[2].occurred_at
    assert standing.seqs[LEVEL] > seq > journal.told[3].data["seq"]


def test_a_correction_that_dates_a_level_later_than_was_told_leaves_it_in_its_term() -> None:
    """It is still advanced, and what takes a level away, from a term too, is a person."""
    given = pieces(2, competency="math:sub")
    journal = with_graph().fold([*shown("add", 1), *given, *pieces(12, competency="math:sub"), SPRING])
    journal.fold([retract(*given)])

    assert [row[1:4] for row in amended(journal)] == [("math:sub", "mastered", "not_yet")]
    assert journal.learners[TENANT, "ada"].reached[LEVEL] == given[2].occurred_at


@pytest.mark.parametrize(
    ("require", "by_then"),
    [({"any": ["add", "sub"]}, True), ({"any": ["mul"]}, False), ({"all": ["add", "mul"]}, False), (None, False)],
)
def test_a_level_is_of_the_term_in_which_all_was_there_that_it_asks_for_and_no_more(
    require: dict[str, Any] | None, by_then: bool
) -> None:
    content: dict[str, Any] = {"id": "one", "method": {"type": "streak", "n": 3}, "settle": 60}
    policy = policy_from(content | ({"advancement": {"require": require}} if require else {}))
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy), SPRING, *shown("add", 1)])
    journal.fold([*pieces(12, competency="math:sub"), *pieces(13, competency="math:mul")])
    journal.fold([ClockTicked("ada", "2026-04-02T00:00:00.000000Z")])

    assert (LEVEL in [row[1] for row in amended(journal)]) is by_then
