"""What a status means for the record, for what comes next, and in counts."""

from shared.contracts.internal_events import STATUSES, Status

NO_EVIDENCE: Status = "no_evidence"
ON_RECORD: tuple[Status, ...] = ("mastered", "credited", "reverify_due")
"""The statuses that are on the record, whatever else is known of the competency."""
_ORDER = {status: place for place, status in enumerate(STATUSES)}


def on_record(status: Status, mastered_at: str | None) -> bool:
    """
    Tell whether a competency is on the learner's record.

    A re-check that is due takes nothing away. A person's override counts where it says when mastery was shown. Presumed
    is a start, not a record: it is never counted.
    """
    return status in ON_RECORD or (status == "overridden" and mastered_at is not None)


def satisfies(status: Status, mastered_at: str | None) -> bool:
    """Tell whether a competency opens those that it is a direct prerequisite of."""
    return status == "presumed" or on_record(status, mastered_at)


def in_order(counts: dict[Status, int]) -> dict[Status, int]:
    """Return counts in the order of `STATUSES`, without zeros."""
    return {status: counts[status] for status in sorted(counts, key=_ORDER.__getitem__) if counts[status]}
