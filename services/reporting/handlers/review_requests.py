"""Asking that a standing is looked at again, telling what was done about it, and stating something where that was refused."""

import datetime
from uuid import uuid4

from services.reporting.domain.needs import Waits
from services.reporting.domain.record import Statement, titled
from services.reporting.domain.review_requests import (
    STATEMENT_MAX,
    OpenRequest,
    RequestRow,
    ReviewRequest,
    bounded,
    changes,
    check_author,
    told,
    waits_for,
)
from services.reporting.handlers.access import AccessLog, check_learner
from services.reporting.tables import review_requests
from services.reporting.tables.reads import Rows, Snapshot, snapshot
from shared.auth import Identity
from shared.cursors import Page, read_cursor, write_cursor
from shared.database import Database
from shared.errors import InvalidEvent, NotFound, Refused
from shared.events import now
from shared.permissions import PERMISSIONS, Role, View
from shared.settings import Settings
from shared.shards import stable_id

COMPETENCY_MAX = 512
LATEST = ("~", "~")
"""Sorts behind every (asked at, id)."""


class ReviewRequests:
    """
    Takes what families ask, tells it to those who may read it, and keeps what was done.

    What was asked for of whoever is merged into a learner is told, answered and stated about with what was of that learner.
    """

    def __init__(self, database: Database, settings: Settings, log: AccessLog) -> None:
        self._database = database
        self._settings = settings
        self._log = log

    async def ask(
        self, caller: Identity, *, learner: str, competency: str, text: str, key: str = ""
    ) -> tuple[ReviewRequest, bool]:
        """
        Return the open request for a competency, and whether it is new: asking again while one is open changes nothing.

        Asked again under the `key` of a request, it is that one, also where something was done about it since.

        Raises:
            NotFound: there is no such learner, or no such competency.
            Forbidden: the caller is neither the learner nor a guardian.
            Refused: the caller has asked for something else under this key.
            InvalidEvent: the text is too long.
        """
        text = bounded(text, "/text")
        if len(competency) > COMPETENCY_MAX:
            raise InvalidEvent(f"at most {COMPETENCY_MAX} characters", pointer="/competency")
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "ask")
            titles = await view.titles(caller.tenant, [competency])
            if competency not in titles and not await view.has_state(caller.tenant, learner, competency):
                raise NotFound("there is no such competency")
        await self._log.note_each(caller, role, "ask", learner, [learner])
        id = stable_id(caller.tenant, caller.subject, "review request", key) if key else str(uuid4())
        async with self._database.transaction() as connection:
            row, is_new = await review_requests.ask(
                connection, caller.tenant, learner, competency,
                id=id, at=now(), person=caller.subject, role=role, text=text,
            )  # fmt: skip
        if is_new and (row.learner, row.competency, row.text) != (learner, competency, text):
            raise Refused("something else was asked for under this Idempotency-Key", reason="other_content")
        return told(row, titles, reader=caller.subject, to_staff=False), is_new

    async def finish(
        self, caller: Identity, *, learner: str, id: str, done: str, refused: bool = False
    ) -> ReviewRequest:
        """
        Return a request with what was done about it, or why the school `refused` to do anything; the first answer stays.

        Raises:
            NotFound: there is no such learner or request.
            Forbidden: the caller does not answer for the learner.
            InvalidEvent: it does not say what was done, or at too great a length.
        """
        done = bounded(done, "/done")
        if not done:
            raise InvalidEvent("say what was done", pointer="/done")
        role, everyone = await self._may(caller, learner, "answer")
        async with self._database.transaction() as connection:
            row = await review_requests.finish(
                connection, caller.tenant, everyone, id, at=now(), person=caller.subject, role=role, done=done,
                refused=refused,
            )  # fmt: skip
        if row is None:
            raise NotFound("there is no such request")
        return await self._told(caller, row, to_staff=True)

    async def state(self, caller: Identity, *, learner: str, id: str, text: str, key: str = "") -> ReviewRequest:
        """
        Return a refused request with what the caller states about it, in place of what the caller stated before.

        Raises:
            NotFound: there is no such learner or request.
            Forbidden: the caller is neither the learner nor a guardian.
            Refused: see `domain.review_requests.changes`.
            InvalidEvent: it states nothing, or that at too great a length.
        """
        text = bounded(text, "/statement", STATEMENT_MAX)
        if not text:
            raise InvalidEvent("say what you state", pointer="/statement")
        tenant, person = caller.tenant, caller.subject
        role, everyone = await self._may(caller, learner, "ask")
        under = stable_id(tenant, person, "statement", key) if key else ""
        async with self._database.transaction() as connection:
            row, elsewhere = await review_requests.to_be_stated(connection, tenant, everyone, id, under)
            if row is None:
                raise NotFound("there is no such request")
            if changes(row, person=person, text=text, under=under, elsewhere=elsewhere):
                row = await review_requests.state(
                    connection, tenant, row, at=now(), person=person, role=role, text=text, under=under
                )
        return await self._told(caller, row, to_staff=False)

    async def withdraw(self, caller: Identity, *, learner: str, id: str) -> ReviewRequest:
        """
        Return a request without what the caller stated about it; where nothing is stated, nothing changes.

        Raises:
            NotFound: there is no such learner or request.
            Forbidden: the caller is neither the learner nor a guardian.
            Refused: the statement is another's.
        """
        tenant, person = caller.tenant, caller.subject
        role, everyone = await self._may(caller, learner, "ask")
        async with self._database.transaction() as connection:
            row, _ = await review_requests.to_be_stated(connection, tenant, everyone, id, "")
            if row is None:
                raise NotFound("there is no such request")
            check_author(row, person)
            if row.statement is not None:
                row = await review_requests.withdraw(connection, tenant, row, at=now(), person=person, role=role)
        return await self._told(caller, row, to_staff=False)

    async def of_learner(self, caller: Identity, learner: str, after: str, limit: int) -> Page[ReviewRequest]:
        """Return a page of what was asked for a learner, the latest first; raises `NotFound` or `Forbidden`."""
        before = read_cursor(after, tuple[str, str]) or LATEST
        limit = min(limit, self._settings.page_rows_max)
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "asked")
            everyone = await _everyone(view, caller.tenant, learner)
            rows = await review_requests.requests_of(view, caller.tenant, everyone, before, limit + 1)
            titles = await view.titles(caller.tenant, {row.competency for row in rows})
        await self._log.note(caller, role, "asked", learner, everyone)
        to_staff = "ask" not in PERMISSIONS[role]
        items = [told(row, titles, reader=caller.subject, to_staff=to_staff) for row in rows[:limit]]
        return Page(items, write_cursor(rows[limit - 1].asked_at, rows[limit - 1].id) if len(rows) > limit else None)

    async def _may(self, caller: Identity, learner: str, what: View) -> tuple[Role, list[str]]:
        """Log that the caller does something about what was asked for a learner; return in which role, and of whom that was."""
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, what)
            everyone = await _everyone(view, caller.tenant, learner)
        await self._log.note_each(caller, role, what, learner, everyone)
        return role, everyone

    async def _told(self, caller: Identity, row: RequestRow, *, to_staff: bool) -> ReviewRequest:
        async with snapshot(self._database) as view:
            titles = await view.titles(caller.tenant, [row.competency])
        return told(row, titles, reader=caller.subject, to_staff=to_staff)


async def stated(view: Snapshot, tenant: str, learner: str) -> list[Statement]:
    """Return what is stated beside a learner's record, the oldest first; the caller has checked who looks."""
    found = await review_requests.statements_of(view, tenant, learner)
    return titled(found, await view.titles(tenant, {each.competency for each in found})) if found else []


async def asked(view: Snapshot, tenant: str, learners: list[str] | None, *, with_text: bool) -> list[Waits]:
    """Return what is open of learners, or with None of the tenant, the oldest first; the caller has checked who looks."""
    rows = await review_requests.open_requests(view, tenant, learners=learners)
    return await presented(view, tenant, rows, with_text=with_text)


async def presented(view: Snapshot, tenant: str, rows: Rows, *, with_text: bool) -> list[Waits]:
    """Return open requests as the queues tell them."""
    found = [OpenRequest(*row) for row in rows]
    titles = await view.titles(tenant, {row.scope for row in found})
    at = datetime.datetime.now(datetime.UTC)
    return [waits_for(row, titles, at, with_text=with_text) for row in found]


async def _everyone(view: Snapshot, tenant: str, learner: str) -> list[str]:
    return [learner, *await view.merged_into(tenant, learner)]
