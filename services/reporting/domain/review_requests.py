"""What a learner or family asks to have looked at again, or states where that was refused, as those read it who may."""

import datetime
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from services.reporting.domain.needs import Waits, age_days
from services.reporting.domain.waiting import OWNER
from shared.errors import InvalidEvent, Refused
from shared.permissions import Role

TEXT_MAX = 500
"""Characters of what is asked, and of what was done: a note beside a talk, not in place of it."""
STATEMENT_MAX = 2000
"""Characters of a statement, which stands for itself: about a page."""
KEYS_MAX = 20
"""So many of the latest keys under which something was stated are known again."""


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
    refused: bool
    statement: str | None
    stated_at: str | None
    stated_as: Role | None
    stated_by: str | None
    stated_under: list[str]


class OpenRequest(NamedTuple):
    """A request that waits, with the competency as its scope."""

    learner: str
    scope: str
    opened_at: str
    asked_as: Role
    text: str


class ReviewRequest(msgspec.Struct, frozen=True):
    """
    A request as it is told; the members on what was `done` are null together while it is open.

    `text` is null where it is another's: what a learner writes is for the learner and staff, and not for a guardian; so the other
    way round. A statement is for all who see the record. `may_state` is whether the reader may make it, replace it or take it
    back; `withdrawn_at` is when one was taken back, which leaves nothing of what it said.
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
    refused: bool = False
    statement: str | None = None
    stated_at: str | None = None
    stated_as: Role | None = None
    may_state: bool = False
    withdrawn_at: str | None = None


def told(row: RequestRow, titles: Mapping[str, str], *, reader: str, to_staff: bool) -> ReviewRequest:
    """Return a request as a reader is told it."""
    text = row.text if to_staff or row.asked_by == reader else None
    is_stated = row.statement is not None
    stated_at, stated_as = (row.stated_at, row.stated_as) if is_stated else (None, None)
    return ReviewRequest(
        row.id, row.competency, titles.get(row.competency), row.asked_at, row.asked_as, text, row.done_at, row.done_as,
        row.done, row.refused, row.statement, stated_at, stated_as, row.refused and not to_staff and may_change(row, reader),
        None if is_stated else row.stated_at,
    )  # fmt: skip


def may_change(row: RequestRow, person: str) -> bool:
    """Return whether a person of the family may put something in the place of what is stated, or of nothing."""
    return row.statement is None or row.stated_by == person


def changes(row: RequestRow, *, person: str, text: str, under: str, elsewhere: bool) -> bool:
    """
    Return whether what a person of the family states is to be kept: not where it is kept already, or comes again.

    Args:
        under: what the key of this becomes, empty without one.
        elsewhere: something was stated under it about another request.

    Raises:
        Refused: the school did not refuse it, the statement is another's, or the key is of something else.
    """
    if not row.refused:
        raise Refused("a statement is about what the school has refused to change", reason="not_refused")
    check_author(row, person)
    again = under in row.stated_under
    if elsewhere or (again and row.statement != text):
        # A late copy of what its author has replaced since would bring it back.
        raise Refused(
            "something else was stated under this Idempotency-Key, or it was replaced since", reason="other_content"
        )
    return not again and (bool(under) or row.statement != text)


def check_author(row: RequestRow, person: str) -> None:
    """
    Refuse to change what somebody else states.

    Raises:
        Refused: the statement is another's.
    """
    if not may_change(row, person):
        raise Refused("somebody else of the family has made the statement", reason="another_stated")


def waits_for(row: OpenRequest, titles: Mapping[str, str], now: datetime.datetime, *, with_text: bool) -> Waits:
    """Return an open request as the queues tell it, in the words of who asked for those alone who may read them."""
    return Waits(
        learner=row.learner, queue="asked", scope=row.scope, title=titles.get(row.scope), opened_at=row.opened_at,
        age_days=age_days(row.opened_at, now), due_by=None, overdue=False, owner=OWNER,
        detail=(row.text,) if with_text and row.text else (), asked_as=row.asked_as,
    )  # fmt: skip


def bounded(text: str, pointer: str, most: int = TEXT_MAX) -> str:
    """
    Return what a person writes, tidied.

    Raises:
        InvalidEvent: it has more than `most` characters, or one that cannot be kept.
    """
    tidy = "\n".join(text.split("\r\n")).strip()
    if len(tidy) > most or "\0" in tidy:
        raise InvalidEvent(f"at most {most} characters, none of them NUL", pointer=pointer)
    return tidy
