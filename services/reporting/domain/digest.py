"""What is new on a child's record: the part of a digest that families read. The other is how much waits, and how much is new."""

from collections.abc import Mapping

import msgspec

from services.reporting.domain.record import Record
from services.reporting.domain.standing import on_record

WEEK_DAYS, MONTH_DAYS = 7, 30
"""A week for those who teach, a month for those who lead and for families."""


class ShownLately(msgspec.Struct, frozen=True):
    """A competency that came onto the record, when it was shown, and when that was told, which a late grade is later."""

    competency: str
    title: str | None
    mastered_at: str
    told_at: str


def shown_since(record: Record, told_at: Mapping[str, str], instant: str) -> list[ShownLately]:
    """Return what is on a record and was told since an instant to be shown, the latest first; `told_at` by competency."""
    found = [
        ShownLately(
            item.competency, item.title, item.mastered_at, max(item.mastered_at, told_at.get(item.competency, ""))
        )
        for item in record.items
        if item.mastered_at is not None and on_record(item.status, item.mastered_at)
    ]
    lately = [each for each in found if each.told_at >= instant]
    return sorted(lately, key=lambda each: (each.told_at, each.mastered_at, each.competency), reverse=True)
