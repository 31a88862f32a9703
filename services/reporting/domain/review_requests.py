"""What a learner or family asks to have looked at again, as those may read it who see the record."""

import datetime
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from services.reporting.domain.needs import Waits, age_days
from services.reporting.domain.waiting import OWNER
from shared.errors import InvalidEvent
from shared.permissions import Role

TEXT_MAX = 500
"""Characters of what is asked, and of what was done: a note beside a talk, not in place of it."""


class RequestRow(NamedTuple):
    """A request as it is kept."""

    id: str
    learner: str
    competency: str
    asked_at: str
    asked_by: str
    asked_as: Role
    text: str
    done_at: str | None
    done_as: Role | None
    done: str | None


class OpenRequest(NamedTuple):
    """A request that waits, with the competency as its scope."""

    learner: str
    scope: str
    opened_at: str
    asked_as: Role
    text: str


class ReviewRequest(msgspec.Struct, frozen=True):
    """
    A request as it is told; the last three members are null together while it is open.

    `text` is null where it is another's: what a learner writes is for the learner and staff, and not for a guardian; so the other
    way round.
    """

    id: str
    competency: str
    title: str | None
    asked_at: str
    asked_as: Role
    text: str | None
    done_at: str | None
    done_as: Role | None
    done: str | None


def told(row: RequestRow, titles: Mapping[str, str], *, reader: str, to_staff: bool) -> ReviewRequest:
    """Return a request as a reader is told it."""
    text = row.text if to_staff or row.asked_by == reader else None
    return ReviewRequest(
        row.id, row.competency, titles.get(row.competency), row.asked_at, row.asked_as, text, row.done_at, row.done_as,
        row.done,
    )  # fmt: skip


def waits_for(row: OpenRequest, titles: Mapping[str, str], now: datetime.datetime, *, with_text: bool) -> Waits:
    """Return an open request as the queues tell it, in the words of who asked for those alone who may read them."""
    return Waits(
        learner=row.learner, queue="asked", scope=row.scope, title=titles.get(row.scope), opened_at=row.opened_at,
        age_days=age_days(row.opened_at, now), due_by=None, overdue=False, owner=OWNER,
        detail=(row.text,) if with_text and row.text else (), asked_as=row.asked_as,
    )  # fmt: skip


def bounded(text: str, pointer: str) -> str:
    """
    Return what a person writes, tidied.

    Raises:
        InvalidEvent: it is longer than `TEXT_MAX`, or has a character that cannot be kept.
    """
    tidy = "\n".join(text.split("\r\n")).strip()
    if len(tidy) > TEXT_MAX or "\0" in tidy:
        raise InvalidEvent(f"at most {TEXT_MAX} characters, none of them NUL", pointer=pointer)
    return tidy
