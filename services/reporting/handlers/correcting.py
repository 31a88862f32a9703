"""Correcting a mistake: a piece of evidence, what taking it back would change, and taking it back."""

from typing import Any
from urllib.parse import quote

from services.reporting.domain.access import Role
from services.reporting.handlers.access import AccessLog, check_learner
from services.reporting.handlers.on_behalf import OnBehalf
from services.reporting.handlers.people import People
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.database import Database
from shared.errors import Forbidden, InvalidEvent, NotFound
from shared.events import now
from shared.peer import Peer

REASON_MAX = 1000


class Correcting:
    """Shows what a correction would change, and makes it in the name of the caller."""

    def __init__(
        self, database: Database, *, progression: Peer, in_evidence: OnBehalf, people: People, log: AccessLog
    ) -> None:
        self._database = database
        self._progression = progression
        self._in_evidence = in_evidence
        self._people = people
        self._log = log

    async def page(self, caller: Identity, *, learner: str, evidence_id: str) -> dict[str, Any]:
        """
        Return a piece with every status and event that would change without it.

        A teacher corrects what the teacher has assessed; of another piece `found` is None: it is corrected where it was.

        Raises:
            NotFound: the learner has no such piece, or it does not count any more.
        """
        piece, role = await self._piece(caller, learner, evidence_id)
        shown = {
            "learner": learner, "evidence_id": evidence_id, "piece": piece, "found": None,
            "name": (await self._people.names(caller.tenant, [learner])).get(learner, learner),
        }  # fmt: skip
        if not _may_correct(caller, role, piece):
            async with snapshot(self._database) as view:
                titles = await view.titles(caller.tenant, piece["content"].get("competencies", ()))
            return shown | {"titles": titles}
        path = f"/v1/learners/{quote(learner, safe='')}/corrections/preview"
        chosen = {"source": piece["source"], "id": piece["id"]}
        answer = await self._progression.ask(path, {"tenant": caller.tenant}, body=chosen, expected=(200, 404))
        if answer.status_code == 404:
            raise NotFound("this piece does not count any more")
        found = answer.json()
        competencies = [each["competency"] for each in found["statuses"]]
        async with snapshot(self._database) as view:
            titles = await view.titles(caller.tenant, competencies)
        await self._log.note(caller, role, "correction", learner, [learner])
        return shown | {"found": found, "titles": titles}

    async def take_back(self, caller: Identity, *, learner: str, evidence_id: str, reason: str) -> None:
        """
        Retract a piece with a reason; asked again, it stays so.

        Raises:
            InvalidEvent: there is no reason.
            NotFound: the learner has no such piece.
            Forbidden: it is not the caller's to correct.
        """
        if not reason:
            raise InvalidEvent("a correction gives its reason", pointer="/reason")
        piece, role = await self._piece(caller, learner, evidence_id)
        if not _may_correct(caller, role, piece):
            raise Forbidden("somebody else, or a learning system, has assessed this: it is corrected there")
        await self._log.note_each(caller, role, "corrected", evidence_id, [learner])
        await self._in_evidence.ask(
            caller, "/v1/evidence", "evidence:write", source=piece["source"],
            body={
                "id": f"undo-{evidence_id}", "source": piece["source"], "retracts": piece["id"],
                "occurred_at": piece["content"].get("occurred_at") or now(),
                "assessor": {"id": caller.subject, "type": "human"}, "extensions": {"reason": reason[:REASON_MAX]},
            },
        )  # fmt: skip

    async def _piece(self, caller: Identity, learner: str, evidence_id: str) -> tuple[dict[str, Any], Role]:
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "correct")
        path = f"/v1/evidence/{quote(evidence_id, safe='')}"
        piece: dict[str, Any] = await self._in_evidence.ask(caller, path, "records:read")
        if piece["learner"] != learner:
            raise NotFound("the learner has no such piece")
        return piece, role


def _may_correct(caller: Identity, role: Role, piece: dict[str, Any]) -> bool:
    return role == "leader" or piece["content"].get("assessor") == caller.subject
