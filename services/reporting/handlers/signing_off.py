"""Signing off a class at once: what waits, what a signature would confirm, and its undoing."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from services.reporting.domain.access import Role
from services.reporting.domain.continuum import Standard
from services.reporting.handlers.access import AccessLog, check_class
from services.reporting.handlers.on_behalf import SIGNS_AS, OnBehalf
from services.reporting.handlers.people import People
from services.reporting.tables.reads import Snapshot, snapshot
from shared.auth import Identity, seal, unseal
from shared.database import Database
from shared.errors import Forbidden, InvalidEvent
from shared.settings import Settings

UNDO_S = 3600
"""An undo is offered for as long as the templates let levels settle."""
ITEMS_MAX = 1000
UNDONE = "Undone by the signer."


class Signature(NamedTuple):
    """Something to be signed: a competency or a level of a learner."""

    learner: str
    kind: str
    id: str


class SigningOff:
    """Shows what waits for a signature in a class, and signs in the name of the caller."""

    def __init__(
        self, database: Database, settings: Settings, *, in_progression: OnBehalf, people: People, log: AccessLog
    ) -> None:
        self._database = database
        self._settings = settings
        self._in_progression = in_progression
        self._people = people
        self._log = log

    async def page(self, caller: Identity, *, class_id: str, chosen: Sequence[str] = ()) -> dict[str, Any]:
        """
        Return what waits for the caller's signature; with `chosen`, these alone, to be looked at before they are signed.

        Raises:
            NotFound, Forbidden: there is no such class, or the caller does not sign there.
            InvalidEvent: one that is chosen does not wait any more.
        """
        async with snapshot(self._database) as view:
            title, role = await check_class(view, caller, class_id, "sign_off")
            learners = await view.class_learners(caller.tenant, class_id)
            waiting = await self._waiting(caller, learners, role)
            wanted = {f"{each['learner']}|{each['kind']}|{each['id']}": each for each in waiting}
            if not set(chosen) <= wanted.keys():
                raise InvalidEvent("something of this does not wait for you any more; load the page again")
            items = [wanted[name] | {"value": name} for name in (chosen or wanted)]
            shows = await _shows(view, caller.tenant, items)
        await self._log.note(caller, role, "sign-offs", class_id, learners)
        return {
            "class_id": class_id, "title": title, "role": role, "items": items, "shows": shows,
            "names": await self._people.names(caller.tenant, learners),
        }  # fmt: skip

    async def sign(self, caller: Identity, *, class_id: str, chosen: Sequence[str], reason: str) -> dict[str, Any]:
        """Sign what is chosen, all or nothing; return the page with what undoes it. Raises what `page` raises."""
        if not 1 <= len(chosen) <= ITEMS_MAX:
            raise InvalidEvent(f"choose 1 to {ITEMS_MAX}", pointer="/item")
        shown = await self.page(caller, class_id=class_id, chosen=chosen)
        role: Role = shown["role"]
        signed = [Signature(each["learner"], each["kind"], each["id"]) for each in shown["items"]]
        await self._log.note_each(caller, role, "signed off", class_id, sorted({each.learner for each in signed}))
        signs_as = SIGNS_AS.get(role, role)
        answer = await self._in_progression.ask(
            caller, "/v1/sign-offs", "decisions:write", roles=[signs_as],
            body={"role": signs_as, "reason": reason[:2000],
                  "items": [{"learner": each.learner, each.kind: each.id} for each in signed]},
        )  # fmt: skip
        undo = {
            "by": caller.subject, "tenant": caller.tenant, "class": class_id,
            "made": [[*each, made["id"]] for each, made in zip(signed, answer["items"], strict=True)],
        }  # fmt: skip
        return shown | {"undo": seal(self._settings, "undo", undo, UNDO_S)}

    async def undo(self, caller: Identity, *, class_id: str, undo: str) -> None:
        """
        Take back what was signed: a level that still settles was told to nobody, what was told is withdrawn.

        Raises:
            Unauthorized: the time to undo is over.
            Forbidden: somebody else has signed.
        """
        made = unseal(self._settings, "undo", undo)
        if (made["by"], made["tenant"], made["class"]) != (caller.subject, caller.tenant, class_id):
            raise Forbidden("somebody else has signed this")
        async with snapshot(self._database) as view:
            _, role = await check_class(view, caller, class_id, "sign_off")
        signs_as = SIGNS_AS.get(role, role)
        learners = sorted({learner for learner, *_ in made["made"]})
        await self._log.note_each(caller, role, "undid a sign-off", class_id, learners)
        for learner, kind, id, decision in made["made"]:
            body = {"role": signs_as, "reason": UNDONE, "learner": learner, kind: id}
            path = "/v1/level-decisions" if kind == "level" else f"/v1/decisions/{quote(decision, safe='')}/lift"
            body |= {"kind": "lift"} if kind == "level" else {}
            await self._in_progression.ask(caller, path, "decisions:write", roles=[signs_as], body=body)

    async def _waiting(self, caller: Identity, learners: Sequence[str], role: Role) -> list[dict[str, Any]]:
        if not learners:
            return []
        query = {"learner": learners, "role": SIGNS_AS.get(role, role)}
        answer = await self._in_progression.ask(caller, "/v1/sign-offs", "records:read", query=query)
        items: list[dict[str, Any]] = answer["items"]
        return sorted(items, key=lambda each: (each["since"], each["learner"], each["id"]))


async def _shows(view: Snapshot, tenant: str, items: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return of each item its title, and of a level what the learner has shown of it: (title, status) in order."""
    of_level: dict[str, list[Standard]] = defaultdict(list)
    titles: dict[str, str] = {}
    for standard in (Standard(*row) for row in await view.competencies(tenant, None)):
        titles[standard.competency] = standard.title
        if not standard.group and standard.level is not None:
            of_level[f"{standard.framework}#{standard.subject or ''}/{standard.level}"].append(standard)
    learners = sorted({each["learner"] for each in items})
    stands = {(r["learner"], r["competency"]): r["status"] for r in await view.statuses(tenant, learners)}
    return {
        each["value"]: {
            "title": titles.get(each["id"]),
            "shown": [
                (standard.title, stands.get((each["learner"], standard.competency), "no_evidence"))
                for standard in of_level.get(each["id"], ())
            ],
        }
        for each in items
    }
