"""What a child has shown lately: the part of a digest that families read. The other is how much waits in a place, and is new."""

import msgspec

from services.reporting.domain.record import Record
from services.reporting.domain.standing import on_record

WEEK_DAYS, MONTH_DAYS = 7, 30
"""A week for those who teach, a month for those who lead and for families."""


class ShownLately(msgspec.Struct, frozen=True):
    """A competency that came onto the record, and when it was shown."""

    competency: str
    title: str | None
    mastered_at: str


def shown_since(record: Record, instant: str) -> list[ShownLately]:
    """Return what is on a record and was shown since an instant, the latest first."""
    found = [
        ShownLately(item.competency, item.title, item.mastered_at)
        for item in record.items
        if item.mastered_at is not None and item.mastered_at >= instant and on_record(item.status, item.mastered_at)
    ]
    return sorted(found, key=lambda each: (each.mastered_at, each.competency), reverse=True)
