"""What people decide: stored, then told to every shard through the inbox."""

import asyncio
import uuid
import zoneinfo
from collections.abc import Sequence

import msgspec

from services.progression.domain.curriculum import Framework, parts
from services.progression.domain.curriculum.crosswalks import Migration, plan
from services.progression.domain.freezes import frozen_until, refusal
from services.progression.domain.policy import Policy, policy_from, read_policy
from services.progression.domain.policy.lint import Problem, lint
from services.progression.domain.terms import CLOSE_TERM
from services.progression.handlers.logs import FRAMEWORK_ACTIVATED, POLICY_ACTIVATED, REDRIVEN, SETTINGS_ACTIVATED, Logs
from services.progression.handlers.memory import read_framework
from services.progression.tables import published, rulebook, set_apart
from shared.contracts.internal_events import FRAMEWORK_PUBLISHED
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import InvalidEvent, NotFound, Refused
from shared.events import Draft, Position, encode_json, envelope, now
from shared.settings import Settings
from shared.shards import shard_of, stable_id
from shared.web import wait_for

MACHINES_OWN = {"localtime"}
"""What systems list beside the zones and is another on each: a replay elsewhere would count other days."""
DEFAULT_SETTINGS = {"time_zone": "UTC", "breaks": "", "freezes": ""}
FRAMEWORKS_NAMED = 10
"""Frameworks that a warning names at most."""


class Decisions:
    """What people decide: stored, then told to every shard through the inbox in the same transaction."""

    def __init__(self, database: Database, logs: Logs, settings: Settings) -> None:
        self._database = database
        self._logs = logs
        self._settings = settings

    async def set_policy(
        self, tenant: str, text: bytes, framework: str
    ) -> tuple[Policy, list[Problem], dict[int, int]]:
        """
        Put a policy into force for a framework (empty: all); return it, what the lint warns of, and its inbox positions.

        The one that was decided there last is not activated again: the positions are those of the first time.

        Raises:
            InvalidEvent: the policy is not of the language, or the lint has an error; with a pointer.
            Refused: it is a day on which the tenant adopts none.
        """
        policy = await asyncio.to_thread(read_policy, text)
        async with self._database.transaction() as connection:
            known, positions = await self._last(connection, tenant, POLICY_ACTIVATED, {"framework": framework})
            problems = await self._lint(connection, tenant, policy, framework, known.get("policy", ""))
            warnings = [each for each in problems if each.severity == "warning"]
            if known.get("policy") == policy.hash:
                return policy, warnings, positions
            _refuse_errors(problems)
            until = frozen_until(await self._set(connection, tenant), now())
            if until is not None:
                raise refusal(until, "propose it, and whoever approves it says why it must be now")
            await rulebook.save_policy(connection, tenant, policy.hash, encode_json(policy.content))
            data = {"policy": policy.hash, "framework": framework} | _recalculation(known)
            positions = await self._decide_everywhere(connection, tenant, POLICY_ACTIVATED, data)
            reach("policy.decided")
        reach("policy.committed")
        return policy, warnings, positions

    async def adopt(self, tenant: str, policy: Policy, framework: str, details: dict[str, str]) -> dict[int, int]:
        """
        Put a stored policy into force as `details` say (mode, batch, approved_by); return its inbox positions.

        Whoever asks again for the same batch gets the positions of the first time.
        """
        async with self._database.transaction() as connection:
            _, positions = await self._last(connection, tenant, POLICY_ACTIVATED, {"batch": details["batch"]})
            if positions:
                return positions
            data = {"policy": policy.hash, "framework": framework, **details}
            positions = await self._decide_everywhere(connection, tenant, POLICY_ACTIVATED, data)
            reach("adoption.decided")
        reach("adoption.committed")
        return positions

    async def store_policy(self, tenant: str, text: bytes, framework: str) -> tuple[Policy, str]:
        """
        Store a policy version without putting it into force; return it with the hash of the one it would replace.

        Raises:
            InvalidEvent: the policy is not of the language, or the lint has an error; with a pointer.
        """
        policy = await asyncio.to_thread(read_policy, text)
        async with self._database.transaction() as connection:
            known, _ = await self._last(connection, tenant, POLICY_ACTIVATED, {"framework": framework})
            _refuse_errors(await self._lint(connection, tenant, policy, framework, known.get("policy", "")))
            await rulebook.save_policy(connection, tenant, policy.hash, encode_json(policy.content))
        return policy, known.get("policy", "")

    async def check_policy(self, tenant: str, text: bytes, framework: str) -> tuple[Policy, list[Problem]]:
        """
        Read a policy as `set_policy` would, without storing it; return it with its problems.

        Raises:
            InvalidEvent: the policy is not of the language; with a pointer.
        """
        policy = await asyncio.to_thread(read_policy, text)
        async with self._database.transaction() as connection:
            known, _ = await self._last(connection, tenant, POLICY_ACTIVATED, {"framework": framework})
            return policy, await self._lint(connection, tenant, policy, framework, known.get("policy", ""))

    async def _lint(
        self, connection: Connection, tenant: str, policy: Policy, framework: str, before: str
    ) -> list[Problem]:
        """Hold a policy against the one in its place, by hash, and against the frameworks that it may be for."""
        body = await rulebook.policy_body(connection, tenant, before) if before else None
        predecessor = policy_from(msgspec.json.decode(body)) if body is not None else None
        if predecessor is not None and predecessor.id != policy.id:
            predecessor = None
        known = [read_framework(body) for body in await rulebook.frameworks_of(connection, tenant)]
        meant = [each for each in known if framework in ("", each.id)]
        # Trying what a policy asks for can take a second: requests and heartbeats go on meanwhile.
        problems = await asyncio.to_thread(lint, policy, predecessor, meant)
        if framework and not meant:
            named = ", ".join(each.id for each in known[:FRAMEWORKS_NAMED]) or "none"
            text = f"no framework {framework} is known yet, so nothing is decided by it until one is; there is {named}"
            problems.append(Problem("warning", "", text))
        return problems

    async def publish_framework(self, tenant: str, framework: Framework) -> tuple[Migration, dict[int, int]]:
        """
        Publish a framework version; return how it follows the one in force, and its inbox positions.

        The version that was published last is not published again: the positions are those of the first time.

        Raises:
            Refused: it has no competencies, and the one in force has: all of them would be retired.
        """
        async with self._database.transaction() as connection:
            known, positions = await self._last(connection, tenant, FRAMEWORK_ACTIVATED, {"framework": framework.id})
            _, body = await rulebook.load_documents(connection, tenant, "", framework.id, known.get("version", ""))
            before = read_framework(body) if body is not None else Framework(framework.id, "", (), ())
            migration = plan(before, framework)
            if known.get("version") == framework.version:
                return migration, positions
            if before.competencies and not framework.competencies:
                raise Refused(f"it has no competencies, and {framework.id} has: all of them would be retired")
            await rulebook.save_framework(
                connection, tenant, framework.id, framework.version, msgspec.json.encode(framework)
            )
            data = {"framework": framework.id, "version": framework.version} | _recalculation(known)
            positions = await self._decide_everywhere(connection, tenant, FRAMEWORK_ACTIVATED, data)
            reach("framework.decided")
            await self._logs.curriculum.append(connection, self._published(tenant, framework))
        reach("framework.committed")
        return migration, positions

    async def set_settings(
        self, tenant: str, time_zone: str | None, breaks: str | None, freezes: str | None
    ) -> tuple[dict[str, str], dict[int, int]]:
        """
        Say in which time zone (IANA name) the tenant's school days lie, when school is out, and when no policy is adopted; None
        leaves it as it is.

        Return all that is set, with the inbox position in every shard. What is on the record stays, and ages by the new
        breaks; everything else is decided anew. What is set already is not set again.

        Raises:
            InvalidEvent: there is no such time zone.
        """
        if time_zone is not None and time_zone not in zoneinfo.available_timezones() - MACHINES_OWN:
            raise InvalidEvent(f"there is no time zone {time_zone[:100]!r}", pointer="/time_zone")
        async with self._database.transaction() as connection:
            known, positions = await self._last(connection, tenant, SETTINGS_ACTIVATED, {})
            before = DEFAULT_SETTINGS | known
            given = {"time_zone": time_zone, "breaks": breaks, "freezes": freezes}
            after = before | {name: value for name, value in given.items() if value is not None}
            if after != before:
                positions = await self._decide_everywhere(connection, tenant, SETTINGS_ACTIVATED, after)
        return after, positions

    async def settings(self, tenant: str) -> dict[str, str]:
        """Return what was set last, or its defaults."""
        async with self._database.transaction() as connection:
            return await self._set(connection, tenant)

    async def _set(self, connection: Connection, tenant: str) -> dict[str, str]:
        return DEFAULT_SETTINGS | (await self._last(connection, tenant, SETTINGS_ACTIVATED, {}))[0]

    async def close_term(self, tenant: str, term: str, closed_by: str) -> tuple[dict[str, str], dict[int, int]]:
        """
        Close a term: what is on every record then stays as it was; return what was decided, and where.

        A term is closed once: whoever asks again gets the decision and the positions of the first time.
        """
        async with self._database.transaction() as connection:
            decided, positions = await self._last(connection, tenant, CLOSE_TERM, {"term": term})
            if not positions:
                decided = {"term": term, "closed_at": now(), "closed_by": closed_by}
                positions = await self._decide_everywhere(connection, tenant, CLOSE_TERM, decided)
        return decided, positions

    async def framework(self, tenant: str, id: str) -> Framework:
        """
        Return the version of a framework that is in force.

        Raises:
            NotFound: there is none.
        """
        async with self._database.connection() as connection:
            bodies = await rulebook.frameworks_of(connection, tenant)
        for body in bodies:
            known = read_framework(body)
            if known.id == id:
                return known
        raise NotFound(f"the tenant has no framework {id[:100]!r}")

    def _published(self, tenant: str, framework: Framework) -> list[Draft]:
        shard = shard_of(tenant, framework.id, self._settings.shards)
        return [
            Draft(shard, tenant, framework.id, envelope(
                id=stable_id(tenant, framework.id, framework.version, str(part.part), now()), source="progression",
                type=FRAMEWORK_PUBLISHED, tenant=tenant, subject=framework.id, time=now(), data=encode_json(part),
            ))
            for part in parts(framework)
        ]  # fmt: skip

    async def redrive(self, tenant: str, learner: str = "") -> dict[int, int]:
        """
        Ask for a blocked learner to be folded again, without one for all whom the tenant has; return the last inbox position in
        each shard concerned.
        """
        async with self._database.transaction() as connection:
            blocked = [(shard_of(tenant, learner, self._settings.shards), learner)]
            if not learner:
                blocked = await set_apart.blocked_of(connection, tenant)
            drafts = [
                _decision(shard, tenant, REDRIVEN, {"learner": each}, str(uuid.uuid4())) for shard, each in blocked
            ]
            positions = await self._logs.decisions.append(connection, drafts)
        reach("apart.redriven")
        return {shard: position for (shard, _), position in zip(blocked, positions, strict=True)}

    async def _decide_everywhere(
        self, connection: Connection, tenant: str, type: str, data: dict[str, str]
    ) -> dict[int, int]:
        id = str(uuid.uuid4())
        drafts = [_decision(shard, tenant, type, data, id) for shard in range(self._settings.shards)]
        return dict(enumerate(await self._logs.decisions.append(connection, drafts)))

    async def _last(
        self, connection: Connection, tenant: str, type: str, about: dict[str, str]
    ) -> tuple[dict[str, str], dict[int, int]]:
        """
        Return what was decided last `about` something, whether or not it is folded yet, and its inbox positions.

        Whoever asks again, because the answer was lost, decides nothing twice and waits like the first.
        """
        await rulebook.lock_decisions(connection, tenant)
        body, positions = await rulebook.last_decision(connection, tenant, type, encode_json(about))
        data: dict[str, str] = msgspec.json.decode(body)["data"] if body else {}
        return data, positions

    async def until_folded(self, positions: dict[int, int]) -> dict[str, str]:
        """
        Wait until every shard has folded its decision; return its position tokens by shard.

        Raises:
            Unavailable: not within `wait_s_max`.
        """
        await wait_for(lambda: self.folded(positions), self._settings)
        async with self._database.connection() as connection:
            heads = await self._logs.decisions.heads(connection)
        return {
            str(shard): str(Position("decisions", heads[shard].generation, shard, pos))
            for shard, pos in positions.items()
        }

    async def folded(self, positions: dict[int, int]) -> bool:
        """Tell whether every shard has folded its decision."""
        async with self._database.connection() as connection:
            stored = await published.folded_positions(connection)
        return all(stored[shard][2] >= position for shard, position in positions.items())


def _recalculation(known: dict[str, str]) -> dict[str, str]:
    """Return the id of the recalculation that a decision in the place of what is `known` is; nothing for the first."""
    return {"recalculation": str(uuid.uuid4())} if known else {}


def _refuse_errors(problems: Sequence[Problem]) -> None:
    for problem in problems:
        if problem.severity == "error":
            raise InvalidEvent(problem.text, pointer=problem.pointer)


def _decision(shard: int, tenant: str, type: str, data: dict[str, str], id: str) -> Draft:
    body = envelope(id=id, source="progression", type=type, tenant=tenant, subject="decision", time=now(),
                    data=encode_json(data))  # fmt: skip
    return Draft(shard, tenant, "decision", body)
