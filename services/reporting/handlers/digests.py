"""The digest of whoever asks: of the classes, schools, districts and learners that the roster gives them, and of own children."""

import datetime
from collections.abc import Sequence
from typing import Any

from services.reporting.domain.digest import MONTH_DAYS, WEEK_DAYS, shown_since
from services.reporting.domain.page_paths import page_of
from services.reporting.handlers.access import CLASSES, READ_SCOPES, SELF, TENANT, if_permitted, opens
from services.reporting.handlers.people import People
from services.reporting.handlers.queues import QueueReader
from services.reporting.handlers.reading import Reader
from services.reporting.tables import happened
from services.reporting.tables.reads import snapshot
from services.reporting.tables.rights import assigned_learners, classes_of, roles_towards_classes, schools_of
from shared.auth import Identity
from shared.database import Database
from shared.errors import NotFound
from shared.events import utc
from shared.permissions import Role, role_of


class DigestReader:
    """Makes digests: numbers and titles, of what the same person may open, and reads there with names."""

    def __init__(self, database: Database, *, records: Reader, queues: QueueReader, people: People) -> None:
        self._database = database
        self._records = records
        self._queues = queues
        self._people = people

    async def digest(self, caller: Identity) -> dict[str, Any]:
        """Return the caller's digest, of now: what waits in places of which the caller sees the queues, and children."""
        caller.require(*READ_SCOPES)
        places = []
        assigned = await self._assigned(caller)
        for kind, id, title in await self._places(caller):
            class_id, school = (id if kind == "class" else None), (id if kind in ("school", "district") else None)
            queues = await if_permitted(self._queues.summary(caller, class_id=class_id, school=school))
            if queues is not None:
                places.append(_place(kind, id, title, queues))
        if CLASSES in caller.scopes and (others := [learner for learner, role in assigned if role != "guardian"]):
            queues = await self._queues.summary_of(caller, others)
            if queues is not None:
                places.append(_place("learners", caller.subject, caller.subject, queues))
        return {"day": caller.today, "places": places, "children": await self._children(caller, assigned)}

    async def page(self, caller: Identity) -> dict[str, Any]:
        """Return the digest for a page, with the names of the children, and where the page of each place is that opens."""
        digest = await self.digest(caller)
        async with snapshot(self._database) as view:
            paths = {
                (kind, id): page_of(kind, id)
                for kind, id in ((each["kind"], each["id"]) for each in digest["places"])
                if kind not in ("tenant", "learners") and await opens(view, caller, kind, id)
            }
        names = await self._people.names(caller.tenant, [each["learner"] for each in digest["children"]])
        return {"digest": digest, "paths": paths, "names": names, "week": WEEK_DAYS, "month": MONTH_DAYS}

    async def _places(self, caller: Identity) -> list[tuple[str, str, str]]:
        """Return (kind, id, title) of the classes, schools and districts where the roster lists the caller, and of the tenant."""
        found: list[tuple[str, str, str]] = []
        if CLASSES in caller.scopes:
            asking = caller.tenant, caller.today, caller.subject
            async with snapshot(self._database) as view:
                rows = await roles_towards_classes(view, *asking)
                # What is led through a school is told with the school.
                taught = sorted({row["class"] for row in rows if row["via"] == "class"})
                found += [
                    ("class", row["class"], row["title"]) for row in await classes_of(view, caller.tenant, taught)
                ]
                found += [(row["kind"], row["target"], row["title"]) for row in await schools_of(view, *asking)]
        return [*found, ("tenant", caller.tenant, caller.tenant)] if TENANT in caller.scopes else found

    async def _assigned(self, caller: Identity) -> list[tuple[str, Role | None]]:
        """Return the learners for whom the roster lists the caller by name, with the role."""
        if not caller.scopes & {CLASSES, SELF}:
            return []
        async with snapshot(self._database) as view:
            rows = await assigned_learners(view, caller.tenant, caller.today, caller.subject)
        return [(row["target"], role_of(row["role"])) for row in rows]

    async def _children(self, caller: Identity, assigned: Sequence[tuple[str, Role | None]]) -> list[dict[str, Any]]:
        """Return what was told within a month that the learner, or the children of a guardian, have shown."""
        children = [caller.learner] if SELF in caller.scopes and caller.learner is not None else []
        children += [learner for learner, role in assigned if role == "guardian"]
        since = utc(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=MONTH_DAYS))
        found = []
        for learner in dict.fromkeys(children):
            try:
                record = await self._records.record(caller, learner)
            except NotFound:  # the roster names a child of whom there is nothing yet
                continue
            async with snapshot(self._database) as view:
                told_at = await happened.shown_since(view, caller.tenant, learner, since)
            found.append({"learner": learner, "shown": shown_since(record, told_at, since)})
        return found


def _place(kind: str, id: str, title: str, queues: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": kind, "id": id, "title": title, "queues": [each for each in queues if each["waiting"]]}
