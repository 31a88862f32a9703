"""What amends a closed term: what is found out of what was shown by then, and nothing else."""

import pytest

from services.reporting.domain.amended import amendments
from services.reporting.domain.timeline import Happened

END = "2026-03-10T00:00:00Z"
BY_THEN, LATER = "2026-03-02T00:00:00Z", "2026-03-11T00:00:00Z"


def event(kind: str, effective_at: str = BY_THEN, scope: str = "m:a") -> Happened:
    return Happened("e", "ada", f"competency.{kind}", scope, None, effective_at, LATER, "", 1)


@pytest.mark.parametrize(
    ("on_record", "events", "amending"),
    [
        ((), [event("mastered")], [0]),
        ((), [event("credited")], [0]),
        ((), [event("mastered", LATER), event("withdrawn", LATER)], []),
        (("m:a",), [event("withdrawn"), event("reinstated")], [0, 1]),
        (("m:a",), [event("withdrawn"), event("mastered", LATER)], [0]),
        (("m:a",), [event("mastered"), event("reverify_due"), event("reverified")], []),
        ((), [event("mastered"), event("withdrawn", LATER), event("withdrawn")], [0, 1]),
        (("m:b",), [event("withdrawn")], []),
        ((), [event("provisional"), event("ready")], []),
    ],
)
def test_what_amends_a_term(on_record: tuple[str, ...], events: list[Happened], amending: list[int]) -> None:
    assert amendments(on_record, events, END) == [events[number] for number in amending]
