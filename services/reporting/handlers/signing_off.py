"""Signing off a class at once: what waits, what a signature would confirm, and its undoing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from services.reporting.domain.continuum import Standard
from services.reporting.handlers.access import AccessLog, class_in_roles
from services.reporting.handlers.on_behalf import OnBehalf, acts_as, key_of
from services.reporting.handlers.people import People
from services.reporting.tables.reads import Snapshot, snapshot
from shared.auth import Identity
from shared.database import Database
from shared.errors import Forbidden, InvalidEvent
from shared.permissions import Role
from shared.sealing import seal, unseal
from shared.settings import Settings

UNDOES = "undo-sign-offs"
UNDO_S = 3600
"""An undo is offered for as long as the templates let levels settle."""
ITEMS_MAX = 1000
UNDONE = "Undone by the signer."


class Signature(NamedTuple):
    """Something that was signed: a competency or a level of a learner, in which role and by which decision."""

    role: Role
    learner: str
    kind: str
    id: str
    decision: str


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

    async def page(
        self, caller: Identity, *, class_id: str, chosen: Sequence[str] = (), roles: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """
        Return what waits for the caller's signature; with `chosen`, these alone, to be looked at before they are signed.

        `roles` says in which role each was shown to be signed: it is taken as it was shown, whether it waits still or not.

        Raises:
            NotFound, Forbidden: there is no such class, or the caller does not sign there.
            InvalidEvent: one that is chosen does not wait any more.
        """
        async with snapshot(self._database) as view:
            title, held = await class_in_roles(view, caller, class_id, "sign_off")
            learners = await view.class_learners(caller.tenant, class_id)
            waiting = await self._waiting(caller, learners, held)
            wanted = {f"{each['learner']}|{each['kind']}|{each['id']}": each for each in waiting}
            wanted |= _as_shown(roles or {}, learners, held)
            if not set(chosen) <= wanted.keys():
                raise InvalidEvent("something of this does not wait for you any more; load the page again")
            items = [wanted[name] | {"value": name} for name in (chosen or wanted)]
            shows = await _shows(view, caller.tenant, items)
        await self._log.note(caller, held[0], "sign-offs", class_id, learners)
        return {
            "class_id": class_id, "title": title, "items": items, "shows": shows,
            "names": await self._people.names(caller.tenant, learners),
        }  # fmt: skip

    async def sign(
        self, caller: Identity, *, class_id: str, chosen: Sequence[str], reason: str,
        roles: Mapping[str, str] | None = None, once: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """
        Sign what is chosen, each in a role that may give it, of one role all or nothing; return the page with what undoes it.

        With `once`, and `roles` as they were shown, signing again has no second effect, and returns the same.

        Raises what `page` raises.
        """
        if not 1 <= len(chosen) <= ITEMS_MAX:
            raise InvalidEvent(f"choose 1 to {ITEMS_MAX}", pointer="/item")
        shown = await self.page(caller, class_id=class_id, chosen=chosen, roles=roles if once else None)
        made: list[Signature] = []
        for role in sorted({each["role"] for each in shown["items"]}):
            items = [each for each in shown["items"] if each["role"] == role]
            await self._log.note_each(caller, role, "signed off", class_id, sorted({each["learner"] for each in items}))
            answer = await self._in_progression.ask(
                caller, "/v1/sign-offs", "decisions:write", role=role,
                body={"role": acts_as(role), "reason": reason[:2000],
                      "items": [{"learner": each["learner"], each["kind"]: each["id"]} for each in items]},
                key=key_of(once, role),
            )  # fmt: skip
            made += [
                Signature(role, each["learner"], each["kind"], each["id"], decided["id"])
                for each, decided in zip(items, answer["items"], strict=True)
            ]
        undo = {"by": caller.subject, "tenant": caller.tenant, "class": class_id, "made": made}
        return shown | {"undo": seal(self._settings, UNDOES, undo, UNDO_S)}

    async def undo(self, caller: Identity, *, class_id: str, undo: str) -> None:
        """
        Take back what was signed: a level that still settles was told to nobody, what was told is withdrawn.

        Raises:
            Unauthorized: the time to undo is over.
            Forbidden: somebody else has signed, or the caller does not sign there in that role any more.
        """
        made = unseal(self._settings, UNDOES, undo)
        if (made["by"], made["tenant"], made["class"]) != (caller.subject, caller.tenant, class_id):
            raise Forbidden("somebody else has signed this")
        async with snapshot(self._database) as view:
            _, roles = await class_in_roles(view, caller, class_id, "sign_off")
        signed = [Signature(*each) for each in made["made"]]
        if not {each.role for each in signed} <= set(roles):
            raise Forbidden("you do not sign in the role of this signature any more")
        for role in sorted({each.role for each in signed}):
            learners = sorted({each.learner for each in signed if each.role == role})
            await self._log.note_each(caller, role, "undid a sign-off", class_id, learners)
        for each in signed:
            await self._lift(caller, each)

    async def _lift(self, caller: Identity, signed: Signature) -> None:
        body = {"role": acts_as(signed.role), "reason": UNDONE, "learner": signed.learner, signed.kind: signed.id}
        path = f"/v1/decisions/{quote(signed.decision, safe='')}/lift"
        if signed.kind == "level":
            path, body = "/v1/level-decisions", body | {"kind": "lift"}
        await self._in_progression.ask(
            caller, path, "decisions:write", role=signed.role, body=body, key=key_of(signed.decision, UNDOES)
        )

    async def _waiting(self, caller: Identity, learners: Sequence[str], roles: Sequence[Role]) -> list[dict[str, Any]]:
        """Return what waits for the caller, the longest first, each with the first of the roles that may sign it."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for role in roles if learners else ():
            query = {"learner": learners, "role": acts_as(role)}
            answer = await self._in_progression.ask(caller, "/v1/sign-offs", "records:read", query=query)
            for each in answer["items"]:
                found.setdefault((each["learner"], each["id"]), each | {"role": role})
        return sorted(found.values(), key=lambda each: (each["since"], each["learner"], each["id"]))


def _as_shown(roles: Mapping[str, str], learners: Collection[str], held: Sequence[Role]) -> dict[str, dict[str, Any]]:
    """
    Return by its value what was shown to be signed, each in the role that it was shown in, of those that the caller holds.

    What was signed since does not wait any more: whether that was this same request, progression knows, and refuses what is
    another's.
    """
    by_name = {str(role): role for role in held}
    found: dict[str, dict[str, Any]] = {}
    for value, role in roles.items():
        learner, kind, id = [*value.split("|", 2), "", ""][:3]
        if learner in learners and kind in ("competency", "level") and role in by_name:
            found[value] = {"learner": learner, "kind": kind, "id": id, "role": by_name[role]}
    return found


async def _shows(view: Snapshot, tenant: str, items: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return of each item its title, and of a level what the learner has shown of it: (title, status) in order."""
    of_level: dict[str, list[Standard]] = defaultdict(list)
    titles: dict[str, str] = {}
    for standard in (Standard(*row) for row in await view.competencies(tenant, None)):
        titles[standard.competency] = standard.title
        if standard.level is not None:
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
