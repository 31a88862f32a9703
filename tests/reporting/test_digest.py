"""A digest says what is new on a child's record; what waits in places, and who is told of which, is tried over HTTP."""

from services.reporting.domain.digest import shown_since
from services.reporting.domain.record import learner_record
from shared.contracts.internal_events import STATUSES, Status
from tests.reporting.builders import state

SINCE = "2026-02-20T00:00:00.000000Z"


def test_what_was_told_lately_is_on_the_record_and_the_latest_comes_first() -> None:
    """Of everything shown on three days, in every status: before the day, on it, and after it; and of what was told late."""
    days = ("2026-02-19T23:59:59.999999Z", SINCE, "2026-03-01T09:00:00.000000Z")
    states = [
        state("ada", f"m:{status}-{number}", status, mastered_at=day)
        for status in STATUSES
        for number, day in enumerate(days)
    ]
    states.append(state("ada", "m:never", "not_yet", mastered_at=None))
    told_at = {f"m:{status}-0": "2026-03-02T09:00:00.000000Z" for status in ("mastered", "not_yet")}
    found = [each.competency for each in shown_since(learner_record("ada", states, [], {}), told_at, SINCE)]
    on: tuple[Status, ...] = ("credited", "mastered", "overridden", "reverify_due")

    assert found == ["m:mastered-0"] + [
        f"m:{status}-{number}" for number in (2, 1) for status in sorted(on, reverse=True)
    ]
