"""Quick capture: observations of a class, one tap each, written as native evidence in the name of who observed."""

import datetime
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.reporting.domain.continuum import Standard, framework_of
from services.reporting.domain.marks import Marks, marks_of
from services.reporting.domain.observed import occurred_at
from services.reporting.handlers.access import AccessLog, check_class
from services.reporting.handlers.cached import Cached
from services.reporting.handlers.on_behalf import OWN_SOURCE, OnBehalf
from services.reporting.handlers.people import People
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.database import Database
from shared.errors import Forbidden, InvalidEvent, NotFound
from shared.peer import Peer
from shared.shards import stable_id

AT_ONCE = 4
"""Standards side by side; more do not fit a screen."""
SCALES_KEPT_S = 10.0
"""A class is marked in a minute: the scale is not asked for at every tap."""


class Capturing:
    """Shows the grid, writes what is tapped, and takes it back."""

    def __init__(
        self, database: Database, *, evidence: Peer, progression: Peer, in_evidence: OnBehalf, people: People, log: AccessLog
    ) -> None:  # fmt: skip
        self._database = database
        self._evidence = evidence
        self._progression = progression
        self._in_evidence = in_evidence
        self._people = people
        self._log = log
        self._scales = Cached(SCALES_KEPT_S)

    async def page(self, caller: Identity, *, class_id: str, competencies: Sequence[str], done: str) -> dict[str, Any]:
        """Return a class by the standards to observe; raises `NotFound` or `Forbidden`."""
        tenant = caller.tenant
        async with snapshot(self._database) as view:
            title, role = await check_class(view, caller, class_id, "capture")
            learners = await view.class_learners(tenant, class_id)
            standards = [Standard(*row) for row in await view.competencies(tenant, None)]
            states = await view.statuses(tenant, learners)
        await self._log.note(caller, role, "capture", class_id, learners)
        known = {standard.competency: standard for standard in standards if not standard.group}
        chosen = [known[name] for name in dict.fromkeys(competencies) if name in known][:AT_ONCE]
        names = await self._people.names(tenant, learners)
        return {
            "class_id": class_id, "title": title, "standards": list(known.values()), "done": done,
            "chosen": [(standard, await self._marks(tenant, standard.competency)) for standard in chosen],
            "learners": sorted(((one, names.get(one, one)) for one in learners), key=lambda pair: pair[1]),
            "stands": {(row["learner"], row["competency"]): row["status"] for row in states},
        }  # fmt: skip

    async def observe(
        self, caller: Identity, *, class_id: str, learner: str, competency: str, mark: float, id: str, replaces: str,
        at: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """
        Write an observation of now, or of `at`; with `replaces` it takes the place of an earlier one, by its id.

        The same observation sent again is written once.

        Raises:
            InvalidEvent: the id is no UUID, `at` cannot be, the mark is none of the policy's scale, or no framework has the
                standard.
            NotFound: the learner is not in the class, or the observation to replace is of another learner.
            Forbidden: the observation to replace is somebody else's.
        """
        _check_ids(id, replaces)
        moment = occurred_at(at, datetime.datetime.now(datetime.UTC))
        async with snapshot(self._database) as view:
            _, role = await check_class(view, caller, class_id, "capture")
            if learner not in await view.class_learners(caller.tenant, class_id):
                raise NotFound("the learner is not in this class")
            standards = await view.competencies(caller.tenant, [framework_of(competency)])
        if competency not in {Standard(*row).competency for row in standards}:
            raise InvalidEvent("no framework has this standard", pointer="/competency")
        score = (await self._marks(caller.tenant, competency)).score(mark)
        if score is None:
            raise InvalidEvent("this is no mark of the scale", pointer="/mark")
        if replaces:
            # One that was refused, so that there is none, is replaced by nothing.
            await self._own(caller, stable_id(caller.tenant, OWN_SOURCE, replaces), [learner])
        await self._introduce(caller.tenant, learner)
        await self._log.note_each(caller, role, "observed", competency, [learner])
        answer = await self._in_evidence.ask(
            caller, "/v1/evidence", "evidence:write", source=OWN_SOURCE,
            body={
                "id": id, "source": OWN_SOURCE, "learner": learner, "competencies": [competency], "score": score,
                "kind": "observation", "occurred_at": moment,
                "assessor": {"id": caller.subject, "type": "human"}, "supersedes": replaces or None,
            },
        )  # fmt: skip
        return {"evidence_id": answer["evidence_id"]}

    async def undo(self, caller: Identity, *, class_id: str, evidence_id: str) -> None:
        """
        Take an observation back, by whoever made it; asked again, it stays taken back.

        Raises:
            NotFound: there is no such observation of a learner of the class.
            Forbidden: it is somebody else's.
        """
        _check_ids(evidence_id, "")
        async with snapshot(self._database) as view:
            _, role = await check_class(view, caller, class_id, "capture")
            learners = await view.class_learners(caller.tenant, class_id)
        found = await self._own(caller, evidence_id, learners)
        if found is None:
            raise NotFound("no such observation")
        await self._log.note_each(caller, role, "took back", evidence_id, [found["learner"]])
        await self._in_evidence.ask(
            caller, "/v1/evidence", "evidence:write", source=OWN_SOURCE,
            body={"id": f"undo-{evidence_id}", "source": OWN_SOURCE, "retracts": found["id"],
                  "occurred_at": found["content"]["occurred_at"]},
        )  # fmt: skip

    async def _own(self, caller: Identity, evidence_id: str, learners: Sequence[str]) -> dict[str, Any] | None:
        """Return what the caller has observed of one of the learners; None where nothing has this id."""
        try:
            found: dict[str, Any] = await self._in_evidence.ask(caller, f"/v1/evidence/{evidence_id}", "records:read")
        except NotFound:
            return None
        if found["source"] != OWN_SOURCE or found["learner"] not in learners:
            raise NotFound("no such observation")
        if found["content"].get("assessor") != caller.subject:
            raise Forbidden("somebody else has made this observation")
        return found

    async def _marks(self, tenant: str, competency: str) -> Marks:
        async def fresh() -> Marks:
            answer = await self._progression.ask("/v1/policies/in-force", {"tenant": tenant, "competency": competency})
            items = answer.json()["items"]
            return marks_of(items[0]["scale"] if items else None)

        return await self._scales.get((tenant, competency), fresh)

    async def _introduce(self, tenant: str, learner: str) -> None:
        body = {"tenant": tenant, "source": OWN_SOURCE, "learners": [learner]}
        answer = await self._evidence.ask("/v1/learners/named-by-id", body=body)
        if answer.json() != [learner]:
            raise NotFound("the learner is not known any more")


def _check_ids(*ids: str) -> None:
    for id in filter(None, ids):
        try:
            UUID(id)
        except ValueError as error:
            raise InvalidEvent("not an id of an observation", pointer="/id") from error
