"""Correcting a mistake: a piece of evidence; what taking it back, or moving it to its learner, would change; and doing so."""

import contextlib
from typing import Any
from urllib.parse import quote

from services.reporting.handlers.access import AccessLog, check_class, check_learner, if_permitted
from services.reporting.handlers.on_behalf import OWN_SOURCE, OnBehalf
from services.reporting.handlers.people import People
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.contracts.native import moved
from shared.database import Database
from shared.errors import Forbidden, InvalidEvent, NotFound, Refused
from shared.events import now
from shared.peer import Peer
from shared.permissions import Role
from shared.shards import stable_id

REASON_MAX = 1000


class Correcting:
    """Shows what a correction would change, and makes it in the name of the caller."""

    def __init__(
        self, database: Database, *, evidence: Peer, progression: Peer, in_evidence: OnBehalf, people: People, log: AccessLog
    ) -> None:  # fmt: skip
        self._database = database
        self._evidence = evidence
        self._progression = progression
        self._in_evidence = in_evidence
        self._people = people
        self._log = log

    async def page(self, caller: Identity, *, learner: str, evidence_id: str, to: str = "") -> dict[str, Any]:
        """
        Return a piece with every status and event that would change without it; with `to` also for whom it would be moved to.

        A teacher corrects what the teacher has assessed; of another piece `found` is None: it is corrected where it was.

        Raises:
            NotFound: the learner has no such piece, or it does not count any more.
            NotFound, Forbidden: the caller may not correct the learner `to`.
        """
        piece, role = await self._piece(caller, learner, evidence_id)
        if to:
            await self._may_receive(caller, learner, to)
        around = await self._around(caller, learner)
        names = await self._people.names(caller.tenant, [learner, *around, *filter(None, [to])])
        assessor = piece["content"].get("assessor")
        shown = {
            "learner": learner, "evidence_id": evidence_id, "piece": piece, "found": None, "to": to,
            "name": names.get(learner, learner), "to_name": names.get(to, to),
            "assessor": (await self._people.staff(caller.tenant, [assessor])).get(assessor, ""),
            "around": sorted(((one, names.get(one, one)) for one in around), key=lambda pair: pair[1]),
        }  # fmt: skip
        if role is None:
            async with snapshot(self._database) as view:
                titles = await view.titles(caller.tenant, piece["content"].get("competencies", ()))
            return shown | {"titles": titles}
        found = await self._preview(caller, learner, piece, to)
        competencies = [each["competency"] for each in found["statuses"]]
        async with snapshot(self._database) as view:
            titles = await view.titles(caller.tenant, competencies)
        await self._log.note(caller, role, "correction", learner, [learner, *filter(None, [to])])
        return shown | {"found": found, "titles": titles}

    async def foresee_move(self, caller: Identity, *, learner: str, evidence_id: str, to: str) -> dict[str, Any]:
        """
        Return every status and event that moving a piece to another learner would change, for each of both.

        Raises:
            NotFound: the learner has no such piece, or it does not count any more.
            NotFound, Forbidden: the caller may not correct both learners, or this piece.
        """
        piece, role = await self._own_piece(caller, learner, evidence_id)
        await self._may_receive(caller, learner, to)
        found = await self._preview(caller, learner, piece, to)
        await self._log.note(caller, role, "correction", learner, [learner, to])
        return {"from": {"learner": learner, "statuses": found["statuses"], "events": found["events"]},
                "to": {"learner": to, "statuses": found["to"]["statuses"], "events": found["to"]["events"]}}  # fmt: skip

    async def move(self, caller: Identity, *, learner: str, evidence_id: str, to: str, reason: str) -> dict[str, Any]:
        """
        Give a piece to the learner whose it is, with a reason, and return its new id; asked again, it stays so.

        Raises:
            InvalidEvent: there is no reason, or the learner is the same.
            NotFound: the learner has no such piece, or it does not count any more.
            NotFound, Forbidden: the caller may not correct both learners, or this piece.
            Refused: the piece's source knows no such learner, or nothing knows its competencies any more.
        """
        if not reason:
            raise InvalidEvent("a correction gives its reason", pointer="/reason")
        piece, role = await self._own_piece(caller, learner, evidence_id)
        other = await self._may_receive(caller, learner, to)
        named = await self._named(caller.tenant, piece["source"], to)
        item = moved(piece, to, named, reason[:REASON_MAX], caller.subject)
        if not piece["valid"]:
            # What was taken back does not come to life by a move; only the same move again is told once more.
            again = stable_id(caller.tenant, item["source"], item["id"])
            await self._in_evidence.ask(caller, f"/v1/evidence/{again}", "records:read")
            return {"evidence_id": again, "learner": to}
        await self._log.note_each(caller, role, "moved away", evidence_id, [learner])
        await self._log.note_each(caller, other, "moved here", evidence_id, [to])
        made = await self._in_evidence.ask(caller, "/v1/evidence", "evidence:write", source=piece["source"], body=item)
        if made["status"] == "parked":
            raise Refused("this piece cannot be recorded anew: " + str(made.get("reason")))
        return {"evidence_id": made["evidence_id"], "learner": to}

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
        piece, role = await self._own_piece(caller, learner, evidence_id)
        await self._log.note_each(caller, role, "corrected", evidence_id, [learner])
        await self._in_evidence.ask(
            caller, "/v1/evidence", "evidence:write", source=piece["source"],
            body={
                "id": f"undo-{evidence_id}", "source": piece["source"], "retracts": piece["id"],
                "occurred_at": piece["content"].get("occurred_at") or now(),
                "assessor": {"id": caller.subject, "type": "human"}, "extensions": {"reason": reason[:REASON_MAX]},
            },
        )  # fmt: skip

    async def _own_piece(self, caller: Identity, learner: str, evidence_id: str) -> tuple[dict[str, Any], Role]:
        piece, role = await self._piece(caller, learner, evidence_id)
        if role is None:
            raise Forbidden("somebody else, or a learning system, has assessed this: it is corrected there")
        return piece, role

    async def _piece(self, caller: Identity, learner: str, evidence_id: str) -> tuple[dict[str, Any], Role | None]:
        """Return a piece and the role in which the caller may correct it: what others have assessed as a leader alone."""
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "correct")
            leader = await if_permitted(check_learner(view, caller, learner, "correct", in_role="leader"))
        path = f"/v1/evidence/{quote(evidence_id, safe='')}"
        piece: dict[str, Any] = await self._in_evidence.ask(caller, path, "records:read")
        if piece["learner"] != learner:
            raise NotFound("the learner has no such piece")
        return piece, role if piece["content"].get("assessor") == caller.subject else leader

    async def _preview(self, caller: Identity, learner: str, piece: dict[str, Any], to: str) -> dict[str, Any]:
        path = f"/v1/learners/{quote(learner, safe='')}/corrections/preview"
        chosen = {"source": piece["source"], "id": piece["id"], "to": to}
        answer = await self._progression.ask(path, {"tenant": caller.tenant}, body=chosen, expected=(200, 404))
        if answer.status_code == 404:
            raise NotFound("this piece does not count any more")
        found: dict[str, Any] = answer.json()
        return found

    async def _may_receive(self, caller: Identity, learner: str, to: str) -> Role:
        """Return the role in which the caller may correct the learner to whom a piece is moved."""
        if to == learner:
            raise InvalidEvent("the piece is this learner's already", pointer="/to")
        async with snapshot(self._database) as view:
            return await check_learner(view, caller, to, "correct")

    async def _around(self, caller: Identity, learner: str) -> list[str]:
        """Return the others of the learner's classes in which the caller corrects: a mistake is nearly always among them."""
        found: set[str] = set()
        async with snapshot(self._database) as view:
            for class_id in await view.classes_with(caller.tenant, learner):
                # A class in which the caller does not correct has nobody to offer; 404 does not say whether it is there.
                with contextlib.suppress(Forbidden, NotFound):
                    await check_class(view, caller, class_id, "correct")
                    found.update(await view.class_learners(caller.tenant, class_id))
        return sorted(found - {learner})

    async def _named(self, tenant: str, source: str, learner: str) -> str:
        """Return how a source names a learner; the pages' own source names everybody by the opaque id."""
        asked = {"tenant": tenant, "source": source, "learners": [learner]}
        if source == OWN_SOURCE:
            await self._evidence.ask("/v1/learners/named-by-id", body=asked)
        ids = (await self._evidence.ask("/v1/learners/references", body=asked)).json().get(learner)
        if not ids:
            raise Refused("the source of this piece does not know that learner: it is corrected there")
        return str(ids[0])
