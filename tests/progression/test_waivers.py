"""A piece that is waived credits its competency as long as it is valid, whatever comes before or after it."""

import itertools

from shared.contracts.internal_events import EvidenceRecorded, Score
from tests.support.journal import STREAK_3, Decided, Journal, piece, restore, retract


def waived(n: int, reason: str = "Administrative", day: int = 1) -> EvidenceRecorded:
    return piece(n, score=Score(level="waived", scale=f"cmi5 {reason}"), day=day)


def test_what_is_waived_is_credited_and_not_shown() -> None:
    journal = Journal().fold([Decided(STREAK_3), waived(1, "Tested Out")])

    state = journal.state()
    assert (state.status, state.mastered_at, state.score) == ("credited", None, None)
    assert journal.kinds() == ["competency.credited"]
    [event] = journal.told
    assert event.data["basis"]["kind"] == "test_out"
    assert event.data["effective_at"] == "2026-03-01T10:00:01.000000Z"


def test_credit_goes_with_the_piece_and_comes_back_with_it() -> None:
    one = waived(1)
    journal = Journal().fold([Decided(STREAK_3), one])
    assert journal.fold([retract(one)]).state().status == "no_evidence"
    assert journal.fold([restore(one)]).state().status == "credited"
    assert journal.kinds()[0] == "competency.credited"
    assert journal.kinds()[-1] == "competency.reinstated"
    assert journal.told[-1].data["effective_at"] == journal.told[0].data["effective_at"]


def test_what_is_shown_goes_before_what_is_waived() -> None:
    journal = Journal().fold([Decided(STREAK_3), waived(1), *(piece(n, day=2) for n in range(2, 5))])
    assert journal.state().status == "mastered"
    assert journal.kinds() == ["competency.credited", "competency.mastered"]


def test_any_order_of_arrival_gives_the_same() -> None:
    pieces = [waived(1, day=3), piece(2, 0.0, day=1), piece(3, 1.0, day=2), waived(4, "Tested Out", day=5)]
    found = set()
    for order in itertools.permutations(pieces):
        journal = Journal().fold([Decided(STREAK_3)])
        for one in order:
            journal.fold([one], drop_cache=True)
        found.add(repr(journal.values()))
    assert len(found) == 1
    assert "credited" in found.pop()
