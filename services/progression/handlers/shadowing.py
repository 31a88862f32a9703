"""
Shadow mode: a policy beside the live one on live evidence, with a log of where they differ. Nothing of it is told to anybody.

It follows the log of states: each key that changes is computed under the shadow policy as well, as of then, with what it
credits: what falls due by age under that policy alone, or is credited by a crosswalk that is stated later, is seen when the key
changes next. One replica at a time does it, under an advisory lock; a crash repeats a page, which changes nothing.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from services.progression.domain.analysis.comparison import SATISFYING
from services.progression.domain.analysis.level_comparison import Change, LevelComparison, LevelRules, shown_of, take
from services.progression.domain.inputs import Key
from services.progression.domain.learner import LearnerState
from services.progression.domain.levels import Shown
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Rules
from services.progression.domain.shadow import Difference, concerned, difference, with_origins
from services.progression.handlers.adopting import verdicts_of
from services.progression.handlers.decisions import Decisions
from services.progression.handlers.histories import Held, histories_of_keys
from services.progression.handlers.memory import unpack_learner
from services.progression.handlers.rules import policies_of, rules_of
from services.progression.handlers.schools import places_of
from services.progression.tables import key_states
from services.progression.tables import shadows as tables
from shared.contracts.internal_events import MASTERY_UPDATED
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import NotFound, Refused
from shared.events import now
from shared.leading import lead
from shared.settings import Settings
from shared.tasks import Pulse, raise_if_cancelled

PAGE_ROWS = 500
PAGE_LEARNERS = 1000
POLL_S = 1.0


class _Key(msgspec.Struct):
    learner: str = ""
    competency: str = ""


class _Updated(msgspec.Struct):
    type: str
    data: _Key


_read = msgspec.json.Decoder(_Updated).decode


class Shadows:
    """The shadow policies of all tenants; `run` never ends by itself."""

    def __init__(self, database: Database, decisions: Decisions, settings: Settings) -> None:
        self._database = database
        self._decisions = decisions
        self._settings = settings
        self.pulse = Pulse(slower=10)

    async def start(self, tenant: str, text: bytes, framework: str, author: str) -> Policy:
        """
        Let a policy run beside the live one, over what is recorded first; the same again goes on.

        Raises:
            InvalidEvent: the policy is not of the language, or the lint has an error; with a pointer.
            Refused: it runs for another framework.
        """
        policy, _ = await self._decisions.store_policy(tenant, text, framework)
        async with self._database.transaction() as connection:
            runs_for = await tables.start(connection, tenant, policy.hash, framework, author, self._settings.shards)
        if runs_for != framework:
            raise Refused(f"it runs in shadow for {runs_for or 'all frameworks'}: that is to be ended first")
        return policy

    async def stop(self, tenant: str, policy: str) -> None:
        """End a shadow and drop its log; raises `NotFound` where there is none."""
        async with self._database.connection() as connection:
            if not await tables.stop(connection, tenant, policy):
                raise NotFound("no such policy runs in shadow")

    async def of_tenant(self, tenant: str) -> list[dict[str, Any]]:
        """Return the tenant's shadows, with how far behind they are and how many keys differ, by the two statuses."""
        async with self._database.connection() as connection:
            shadows = [dict(row) for row in await tables.of_tenant(connection, tenant)]
            for shadow in shadows:
                rows = await tables.count(connection, tenant, shadow["policy"])
                shadow["differences"] = [dict(row) for row in rows]
        return shadows

    async def differences(
        self, tenant: str, policy: str, after: str, limit: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
        """
        Return the log of differences of the next `limit` learners behind one, and the levels that they would gain or lose.

        Raises:
            NotFound: no such policy runs in shadow.
        """
        rules = await self._level_rules(tenant, policy)
        rows, changes = await self._page_of_differences(tenant, policy, rules, after, limit)
        levels = [
            {"learner": learner, "level": level, "change": change}
            for learner, changed in changes.items()
            for level, change in sorted(changed.items())
        ]
        return [dict(row) for row in rows], levels

    async def levels(self, tenant: str, policy: str, small: int) -> dict[str, Any]:
        """
        Return how many of the learners of whom a shadow and the live policy differ would gain or lose a level, by level,
        school and group; numbers of schools and groups below `small` are None.

        Raises:
            NotFound: no such policy runs in shadow.
            Unavailable: the roster does not answer.
        """
        rules = await self._level_rules(tenant, policy)
        places = await places_of(self._settings, tenant)
        comparison, after = LevelComparison(rules, places.dimensions), ""
        while True:
            rows, changes = await self._page_of_differences(tenant, policy, rules, after, PAGE_LEARNERS)
            for learner, changed in changes.items():
                comparison.count(learner, places.of(learner), changed)
            if not rows:
                return comparison.report(small)
            after = rows[-1]["learner"]

    async def _level_rules(self, tenant: str, policy: str) -> LevelRules:
        async with self._database.connection() as connection:
            shadows = {row["policy"]: row["framework"] for row in await tables.of_tenant(connection, tenant)}
            if policy not in shadows:
                raise NotFound("no such policy runs in shadow")
            rules = await rules_of(connection, tenant, None)
            policies = await policies_of(connection, tenant)
        framework = shadows[policy]
        rules.try_out(policies[policy], framework)
        return LevelRules(rules, framework)

    async def _page_of_differences(
        self, tenant: str, policy: str, rules: LevelRules, after: str, limit: int
    ) -> tuple[list[Any], dict[str, dict[str, Change]]]:
        """Return the differences of the next learners, and by learner the levels that change with them."""
        async with self._database.connection() as connection:
            rows = await tables.differences(connection, tenant, policy, after, limit)
            learners = sorted({row["learner"] for row in rows})
            stored = await key_states.standings_behind(connection, tenant, "", len(learners), learners)
        held = {row["learner"]: unpack_learner(row["state"]) for row in stored}
        return rows, await asyncio.to_thread(_level_changes, rows, held, rules)

    async def run(self) -> None:
        """Follow the log while this replica holds the lock; wait for it otherwise."""
        await lead(self._database, "shadows", self._follow, self.pulse)

    async def _follow(self, lock: Connection) -> None:
        """Do page after page of every shadow and shard that is behind."""
        while True:
            raise_if_cancelled()
            self.pulse.beat()
            behind = await tables.behind(lock)
            for row in behind:
                self.pulse.beat()
                await self._page(row["tenant"], row["policy"], row["framework"], row["shard"], row["pos"], row["head"])
            if not behind:
                await asyncio.sleep(POLL_S)

    async def _page(self, tenant: str, digest: str, framework: str, shard: int, pos: int, head: int) -> None:
        async with self._database.connection() as connection:
            rows = await tables.states_told(connection, tenant, shard, pos, head, PAGE_ROWS)
            rules = await rules_of(connection, tenant, None)
            policies = await policies_of(connection, tenant)
            rules.try_out(policies[digest], framework)
            links = rules.links_at(rules.no)
            changed = {(tenant, u.learner, u.competency) for u in map(_updated, rows) if u is not None}
            keys = concerned(changed, links, framework)
            held = await histories_of_keys(connection, with_origins(keys, links))
        found = await asyncio.to_thread(differences, held, keys, rules, policies, now())
        reached = rows[-1]["pos"] if len(rows) == PAGE_ROWS else head
        async with self._database.transaction() as connection:
            if not await tables.stands_at(connection, tenant, digest, framework, shard, pos):
                # It was ended meanwhile, and perhaps begun again: then from the beginning.
                return
            if keys:
                await tables.save(connection, tenant, digest, sorted(keys), found)
                reach("shadow.saved")
            await tables.advance(connection, tenant, digest, shard, reached)
        reach("shadow.followed")


def differences(
    page: Mapping[str, Held], keys: Collection[Key], rules: Rules, policies: dict[str, Policy], at: str
) -> list[Difference]:
    """
    Return where the rules after their last activation say something else of keys than what stands, as of an instant.

    A page is learners with all that `with_origins` asks for the keys.
    """
    links = rules.links_at(rules.no)
    found = (
        difference(learner, competency, was, then)
        for learner, held in sorted(page.items())
        for competency, was, then in verdicts_of(held, rules, policies, at, links, "")
    )
    asked = {(learner, competency) for _, learner, competency in keys}
    return [each for each in found if each is not None and (each.learner, each.competency) in asked]


def _level_changes(rows: list[Any], held: dict[str, LearnerState], rules: LevelRules) -> dict[str, dict[str, Change]]:
    """Return by learner the levels that would change; where the two policies agree, what stands counts for both."""
    shown: dict[str, tuple[Shown, Shown]] = {}
    for row in rows:
        standing = held.get(row["learner"], LearnerState())
        if row["learner"] not in shown:
            have = (standing.satisfied, standing.opened, standing.instead)
            shown[row["learner"]] = shown_of(*have), shown_of(*have)
        for of, status in zip(shown[row["learner"]], (row["live"], row["shadow"]), strict=True):
            take(of, row["competency"], satisfied=status in SATISFYING, opened=status == "provisional")
    return {learner: rules.changes(*both) for learner, both in sorted(shown.items())}


def _updated(row: Any) -> _Key | None:
    event = _read(row["body"])
    return event.data if event.type == MASTERY_UPDATED else None
