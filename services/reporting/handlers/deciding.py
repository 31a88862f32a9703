"""What a person decides of learners, asked of progression in the person's name once the roster has said that it is theirs."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from services.reporting.handlers.access import AccessLog, check_learner
from services.reporting.handlers.on_behalf import OnBehalf, acts_as
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.database import Database
from shared.errors import InvalidEvent
from shared.permissions import Role, View, role_of

Kind = Literal["sign-offs", "overrides", "credits", "placements", "level-decisions", "goals", "plans"]
"""What can be decided, by progression's paths."""
_RIGHTS: dict[str, View] = {"plans": "set_plan", "end": "set_plan"}
"""The right that something takes; what is not named takes that to decide."""
LEARNERS_MAX = 200


class Deciding:
    """Decides in the name of the caller, of learners whom the roster gives it."""

    def __init__(self, database: Database, *, in_progression: OnBehalf, log: AccessLog) -> None:
        self._database = database
        self._in_progression = in_progression
        self._log = log

    async def decide(self, caller: Identity, kind: Kind, body: Mapping[str, Any], key: str = "") -> Any:
        """
        Return progression's answer to a body as it takes it at `/v1/{kind}`; all of it or nothing is decided.

        Under the same `key` it is decided once, however often it is asked for.

        `role` is one in which the roster lists the caller for every learner of the body, and may be left out.

        Raises:
            NotFound, Forbidden: the caller has nothing to do with one of the learners, or does not decide.
            Refused, InvalidEvent: progression does not take it.
        """
        return await self._decide(caller, f"/v1/{kind}", kind, body, key)

    async def lift(self, caller: Identity, id: str, body: Mapping[str, Any], key: str = "") -> Any:
        """Undo a decision on a competency by its id; answers and raises as `decide`."""
        return await self._decide(caller, f"/v1/decisions/{quote(id, safe='')}/lift", "lift", body, key)

    async def end_plan(self, caller: Identity, id: str, body: Mapping[str, Any], key: str = "") -> Any:
        """End an individual plan by its id; answers and raises as `decide`."""
        return await self._decide(caller, f"/v1/plans/{quote(id, safe='')}/end", "end", body, key)

    async def _decide(self, caller: Identity, path: str, what: str, body: Mapping[str, Any], key: str) -> Any:
        learners = _learners_of(body)
        asked = None if body.get("role") is None else _role(body["role"])
        right = _RIGHTS.get(what, "decide")
        async with snapshot(self._database) as view:
            roles = [await check_learner(view, caller, each, right, in_role=asked) for each in learners]
        if len(set(roles)) > 1:
            raise InvalidEvent("you stand to these learners in several roles; say `role`", pointer="/role")
        role = roles[0]
        await self._log.note_each(caller, role, "decided", what, learners)
        named = dict(body) if what == "goals" else {**body, "role": acts_as(role)}
        return await self._in_progression.ask(caller, path, "decisions:write", role=role, body=named, key=key)


def _learners_of(body: Mapping[str, Any]) -> Sequence[str]:
    """Return the learners whom a body names, each once."""
    items = body.get("items", [body])
    found = (
        [each.get("learner") if isinstance(each, dict) else None for each in items] if isinstance(items, list) else []
    )
    named = [each for each in found if isinstance(each, str) and each]
    if not named or len(named) < len(found):
        raise InvalidEvent("every item names a learner", pointer="/items" if "items" in body else "/learner")
    learners = sorted(set(named))
    if len(learners) > LEARNERS_MAX:
        raise InvalidEvent(f"at most {LEARNERS_MAX} learners at once", pointer="/items")
    return learners


def _role(name: object) -> Role:
    role = role_of(name) if isinstance(name, str) else None
    if role is None:
        raise InvalidEvent("no such role", pointer="/role")
    return role
