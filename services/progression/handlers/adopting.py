"""Changing the rules safely: what a policy would do, proposed by one person, approved by another."""

import asyncio
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from services.progression.domain.analysis.comparison import Comparison, Verdict, verdict_of, verdict_under
from services.progression.domain.analysis.crosswalked import by_people, with_credit
from services.progression.domain.analysis.level_comparison import LevelComparison, LevelRules
from services.progression.domain.analysis.reach import Reach, part_of
from services.progression.domain.analysis.told_comparison import told_comparison, told_expected
from services.progression.domain.curriculum.crosswalks import Links
from services.progression.domain.freezes import frozen_until, refusal
from services.progression.domain.inputs import valid_pieces
from services.progression.domain.mastery import KeyState
from services.progression.domain.policy import Policy, policy_from, read_policy
from services.progression.domain.rules import Mode, Rules, pin_in
from services.progression.domain.states import Decided
from services.progression.handlers.decisions import Decisions
from services.progression.handlers.histories import Held, History, learners_of
from services.progression.handlers.logs import Logs
from services.progression.handlers.requests import request_of, take_up, taken_up
from services.progression.handlers.rules import policies_of, rules_of
from services.progression.handlers.schools import Places, places_of
from services.progression.tables import rulebook
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import Forbidden, NotFound
from shared.events import now
from shared.settings import Settings
from shared.tenant_limits import TenantLimits


class Adoptions:
    """Compares, proposes and approves policies."""

    def __init__(
        self, database: Database, logs: Logs, decisions: Decisions, limits: TenantLimits, settings: Settings
    ) -> None:
        self._database = database
        self._logs = logs
        self._limits = limits
        self._decisions = decisions
        self._settings = settings

    async def compare(self, tenant: str, text: bytes, framework: str) -> tuple[Policy, dict[str, Any]]:
        """
        Hold all recorded evidence against a policy; return it with what it would do.

        Raises:
            InvalidEvent: the policy is not of the language; with a pointer.
            Unavailable: the roster does not answer.
        """
        policy, report, _ = await self._compare(tenant, text, framework)
        return policy, report

    async def _compare(self, tenant: str, text: bytes, framework: str) -> tuple[Policy, dict[str, Any], Comparison]:
        policy = await asyncio.to_thread(read_policy, text)
        places = await places_of(self._settings, tenant)
        rules, policies = await self._rules_with(tenant, policy, framework)
        comparison = Comparison(places.dimensions)
        levels = LevelComparison(LevelRules(rules, framework), places.dimensions)
        at = now()
        async for page in learners_of(self._database, tenant, framework, folded=True):
            # A page is some 10 ms of folding: requests and heartbeats go on meanwhile.
            await asyncio.to_thread(compare_page, comparison, levels, page, rules, policies, at, framework, places)
        levels.close()
        small = self._limits.small_number(tenant)
        return policy, comparison.report(small) | {"levels": levels.report(small)}, comparison

    async def reach(self, tenant: str, text: bytes, framework: str) -> tuple[Policy, Reach]:
        """
        Count of which pairs with evidence a policy could say anything; return it with the counts.

        Raises:
            InvalidEvent: the policy is not of the language; with a pointer.
        """
        policy = await asyncio.to_thread(read_policy, text)
        rules, policies = await self._rules_with(tenant, policy, framework)
        found, at = Reach(), now()
        async for page in learners_of(self._database, tenant, framework, folded=True):
            await asyncio.to_thread(count_page, found, page, rules, policies, at, framework)
        return policy, found

    async def _rules_with(self, tenant: str, policy: Policy, framework: str) -> tuple[Rules, dict[str, Policy]]:
        """Return the tenant's rules as they would be with a policy put into force last, and the policies by hash."""
        async with self._database.connection() as connection:
            rules = await rules_of(connection, tenant, None)
            policies = await policies_of(connection, tenant)
        rules.try_out(policy, framework)
        return rules, policies | {policy.hash: policy}

    async def propose(
        self, tenant: str, text: bytes, framework: str, mode: Mode, reason: str, author: str, key: str = ""
    ) -> dict[str, Any]:
        """
        Store a policy with the comparison of what it is foreseen to do; nothing changes until somebody else approves it.

        Proposed again under the same `key`, the answer is that of the first time.

        Raises:
            InvalidEvent: the policy is not of the language, or the lint has an error; with a pointer.
            Refused: the author has asked for something else under this key.
            Unavailable: the roster does not answer.
        """
        request = request_of(tenant, author, key, (text.decode("utf-8", "replace"), framework, mode, reason))
        async with self._database.transaction() as connection:
            if request is not None and await taken_up(connection, request):
                return await self._proposed(connection, tenant, request.id)
        policy, report, comparison = await self._compare(tenant, text, framework)
        _, replaced = await self._decisions.store_policy(tenant, text, framework)
        id = str(uuid.uuid4()) if request is None else request.id
        expected = expected_of(mode, comparison)
        async with self._database.transaction() as connection:
            # Comparing takes long, and nobody waits for it: the same, sent at the same time, may be there by now.
            if await taken_up(connection, request):
                return await self._proposed(connection, tenant, id)
            kept = (msgspec.json.encode(expected), msgspec.json.encode(report))
            row = (tenant, id, policy.hash, replaced, framework, mode, reason, *kept, author)
            await rulebook.add_proposal(connection, row)
            await take_up(connection, self._logs.requests, request)
        return {"id": id, "policy": policy.id, "version": policy.version, "mode": mode, "expected": expected,
                "comparison": report}  # fmt: skip

    async def _proposed(self, connection: Connection, tenant: str, id: str) -> dict[str, Any]:
        """Return a stored proposal as it is answered to its author."""
        row = told_proposal((await rulebook.proposals_of(connection, tenant, id))[0])
        policy = await self._stored_policy(connection, tenant, row["policy"])
        return {"id": id, "policy": policy.id, "version": policy.version} | {
            name: row[name] for name in ("mode", "expected", "comparison")
        }

    @staticmethod
    async def _stored_policy(connection: Connection, tenant: str, hash: str) -> Policy:
        body = await rulebook.policy_body(connection, tenant, hash)
        assert body is not None, "a proposal's policy is stored with it"
        return policy_from(msgspec.json.decode(body))

    async def approve(self, tenant: str, id: str, author: str, now_because: str = "") -> tuple[Policy, dict[int, int]]:
        """
        Put a proposed policy into force; return it with its inbox positions. Asked again, the positions of the first time.

        `now_because` says why it cannot wait for the end of a change freeze, and is kept where there is one.

        Raises:
            NotFound: there is no such proposal.
            Forbidden: it is the caller's own.
            Refused: it is a day on which the tenant adopts none, and nothing says why it must be now.
        """
        until = frozen_until(await self._decisions.settings(tenant), now())
        async with self._database.connection() as connection:
            found = await rulebook.proposals_of(connection, tenant, id)
            if not found:
                raise NotFound("the tenant has no such proposal")
            proposal = found[0]
            if proposal["proposed_by"] == author:
                raise Forbidden("a second person approves: not the one who proposed it")
            if until is not None and proposal["approved_by"] is None and not now_because.strip():
                raise refusal(until, "say why it must be now (now_because)")
            because = now_because if until is not None else None
            await rulebook.approve_proposal(connection, tenant, id, author, because)
            reach("adoption.approved")
            policy = await self._stored_policy(connection, tenant, proposal["policy"])
        details = {"mode": proposal["mode"], "batch": id, "approved_by": author}
        return policy, await self._decisions.adopt(tenant, policy, proposal["framework"], details)

    async def proposals(self, tenant: str) -> list[dict[str, Any]]:
        """Return what was proposed, with its comparison, and by whom it was approved, the latest first."""
        async with self._database.connection() as connection:
            return [told_proposal(row) for row in await rulebook.proposals_of(connection, tenant)]


def told_proposal(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored proposal as it is told; `comparison` is None of one from before it was kept."""
    comparison = row["comparison"]
    kept = msgspec.json.decode(comparison) if comparison is not None else None
    return dict(row) | {"expected": msgspec.json.decode(row["expected"]), "comparison": kept}


def told_without_few(proposal: Mapping[str, Any], small: int) -> dict[str, Any]:
    """Return a proposal as it is told to who may not see the learners; see `told_comparison`."""
    if proposal["comparison"] is None:
        few = {kind: None if 0 < number < small else number for kind, number in proposal["expected"].items()}
        return dict(proposal) | {"expected": few}
    told = told_comparison(proposal["comparison"], small)
    return dict(proposal) | {"expected": told_expected(proposal["expected"], told), "comparison": told}


def compare_page(
    comparison: Comparison,
    levels: LevelComparison,
    page: Mapping[str, Held],
    rules: Rules,
    policies: dict[str, Policy],
    at: str,
    framework: str,
    places: Places,
) -> None:
    """Count learners' keys with what the rules after their last activation would say of them at an instant."""
    links = rules.links_at(rules.no)
    for learner, held in page.items():
        own = places.of(learner)
        for competency, was, then in verdicts_of(held, rules, policies, at, links, framework):
            if was.status == then.status == "no_evidence":
                # All of it was taken back, or is another learner's since a merge: nobody has anything there.
                continue
            part = part_of(rules.entry_at(competency, rules.no))
            comparison.add(learner, competency, part, own, was, then)
            levels.add(learner, competency, own, was, then)


def count_page(
    reach: Reach, page: Mapping[str, Held], rules: Rules, policies: dict[str, Policy], at: str, framework: str
) -> None:
    """Count learners' keys that have evidence and that the last activation would decide."""
    links = rules.links_at(rules.no)
    for learner, held in page.items():
        known = {key[2] for key in held}
        for competency, _, then in verdicts_of(held, rules, policies, at, links, framework):
            if competency in known and then.status != "no_evidence" and rules.decides_last(competency):
                reach.add(learner, part_of(rules.entry_at(competency, rules.no)), then.gates)


def verdicts_of(
    held: Held, rules: Rules, policies: dict[str, Policy], at: str, links: Links, framework: str
) -> Iterator[tuple[str, Verdict, Verdict]]:
    """
    Yield one learner's competencies with what stands and what the rules after their last activation say at an instant.

    Credit by crosswalks is given by what those show; with `framework` all keys are of that one (see `with_credit`).
    """
    before = {key[2]: verdict_of(state, policies.get(state.policy)) for key, (state, _) in held.items()}
    after = {
        key[2]: verdict_then(key[2], state, history, by_people(history.decisions), rules, policies, at)
        for key, (state, history) in held.items()
    }
    return with_credit(before, after, links, framework)


def verdict_then(
    competency: str,
    state: KeyState,
    history: History,
    decisions: Sequence[Decided],
    rules: Rules,
    policies: dict[str, Policy],
    at: str,
) -> Verdict:
    """
    Return what the rules in force after their last activation say of a key at an instant, as if they had been from the
    beginning: what would be due by age is, though no tick has told so. What that activation does not decide stays as it is.
    """
    if rules.decides_last(competency):
        pin, clock = rules.pin_at(competency, rules.no), max(history.clock, at)
    else:
        pin, clock = pin_in(state), history.clock
    pieces = list(valid_pieces(history.evidence))
    return verdict_under(policies.get(pin.policy), pin, pieces, decisions, clock, state.extended)


def expected_of(mode: Mode, comparison: Comparison) -> dict[str, int]:
    """Return how many events of a type are foreseen; what is on the record is touched by a retroactive one alone."""
    if mode == "forward_only":
        return {}
    told = {kind: comparison.events[kind, False] for kind in ("mastered", "credited", "reinstated")}
    if mode == "retroactive":
        told["withdrawn"] = 0
        for kind in ("credited", "reinstated", "withdrawn"):
            told[kind] += comparison.events[kind, True]
    return {
        f"attain.competency.{kind}.v1": pairs
        for kind, pairs in told.items()
        if pairs or kind in ("mastered", "withdrawn")
    }
