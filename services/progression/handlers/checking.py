"""What people decide of learners, held against frameworks, policies and rights before it is stored."""

import uuid
from collections.abc import Iterable

import msgspec

from services.progression.domain.curriculum import Framework, framework_of, framework_of_level
from services.progression.domain.decisions import CompetencyDecided, LevelDecided, SupportDecided
from services.progression.domain.journal import unpack_entries
from services.progression.domain.learner import LearnerState
from services.progression.domain.level_events import REVIEW_DAYS
from services.progression.domain.level_fold import may_sign_off
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.policy.rule import shifted
from services.progression.domain.standing import may_confirm, rule_of
from services.progression.domain.states import KeyState
from services.progression.domain.support_fold import LEADER
from services.progression.handlers.histories import History
from services.progression.handlers.memory import read_framework, standing_in, unpack_key
from services.progression.handlers.planning import checked_plan
from services.progression.handlers.rules import rules_of
from services.progression.tables import erasing, journals, key_states, rulebook
from shared.database import Connection
from shared.errors import Forbidden, Gone, InvalidEvent, NotFound, Refused
from shared.events import now
from shared.school_calendar import local_day, school_day_after, school_days_later
from shared.shards import shard_of

HOLD_DAYS = 10
"""School days for which one person may hold what the evidence shows."""
Judgement = CompetencyDecided | LevelDecided | SupportDecided


class Checking:
    """Checks decisions of one person in the transaction that is to store them."""

    def __init__(self, connection: Connection, tenant: str, shards: int) -> None:
        self._connection = connection
        self._tenant = tenant
        self._shards = shards
        self._frameworks: dict[str, Framework] = {}

    async def all(self, asked: Iterable[tuple[str, Judgement]]) -> list[Judgement]:
        """
        Return decisions of one person as they are to be stored, with what placements presume; each is asked for behind its place.

        Raises what `Judgements.decide` does.
        """
        stored = await rulebook.frameworks_of(self._connection, self._tenant)
        self._frameworks = {framework.id: framework for framework in map(read_framework, stored)}
        checked: list[Judgement] = []
        for at, each in asked:
            judgements = [each]
            if isinstance(each, LevelDecided) and each.kind == "place":
                judgements = await self._placing(each, at)
            checked += [await self._checked(judgement, at) for judgement in judgements]
        return checked

    async def _placing(self, placed: LevelDecided, at: str) -> list[Judgement]:
        """Return a placement behind what it presumes: all below the level that has no evidence."""
        framework = _framework_with(placed.level, self._frameworks, f"{at}/level")
        states = await key_states.states_of(self._connection, self._tenant, placed.learner)
        standing = await self._standing(placed.learner)
        seen = {competency for competency, state in states if unpack_key(state).pieces}
        below = [c for c in _below(framework, placed.level) if standing.met_since(c) is None]
        not_yet, unknown = tuple(c for c in below if c in seen), tuple(c for c in below if c not in seen)
        presumed = [
            CompetencyDecided(
                placed.learner, competency, "presume", placed.role, placed.author, "placement", placed.reason
            )
            for competency in unknown
        ]
        return [*presumed, msgspec.structs.replace(placed, not_yet=not_yet, unknown=unknown)]

    async def _checked(self, judgement: Judgement, at: str) -> Judgement:
        await self._check_learner(judgement.learner, f"{at}/learner")
        if isinstance(judgement, SupportDecided):
            standing = await self._standing(judgement.learner)
            if standing.suggestion_on(judgement.scope, judgement.cause) is None:
                raise NotFound(f"no support is suggested on {judgement.scope[:100]!r}")
            return judgement
        if isinstance(judgement, LevelDecided):
            leveled = _framework_with(judgement.level, self._frameworks, f"{at}/level")
            if judgement.kind == "sign_off":
                await self._check_signer(judgement, leveled.levels[judgement.level][0], at)
            if judgement.kind in ("withhold", "withdraw", "reinstate", "lift") and not judgement.reason:
                raise InvalidEvent("a person who decides this gives a reason", pointer=f"{at}/reason")
            if judgement.kind == "withhold":
                return await self._reviewed(judgement, at)
            return judgement
        framework = self._frameworks.get(framework_of(judgement.competency))
        if framework is None or judgement.competency not in framework.by_id:
            raise InvalidEvent(f"no framework has {judgement.competency}", pointer=f"{at}/competency")
        if judgement.kind == "plan":
            rules = await rules_of(self._connection, self._tenant, "")
            rows = dict(await key_states.states_of(self._connection, self._tenant, judgement.learner))
            before = unpack_key(rows[judgement.competency]).decided if judgement.competency in rows else ()
            return checked_plan(judgement, before, self._frameworks, rules.zone, at)
        if judgement.kind == "override":
            checked = _checked_override(judgement, await self._policy(judgement), at)
            if judgement.status != "not_yet":
                return checked
            latest = await self._check_hold(judgement, at)
            return msgspec.structs.replace(checked, until=min(checked.until or latest, latest))
        return await self._confirmed(judgement, at) if judgement.kind == "sign_off" else judgement

    async def _check_learner(self, learner: str, at: str) -> None:
        """Refuse what is not an opaque id as it is written, and the id of an erased learner: nothing begins under it again."""
        try:
            is_id = str(uuid.UUID(learner)) == learner
        except ValueError:
            is_id = False
        if not is_id:
            raise InvalidEvent("not the opaque id of a learner", pointer=at)
        if await erasing.is_erased(
            self._connection, shard_of(self._tenant, learner, self._shards), self._tenant, learner
        ):
            raise Gone("the learner was erased", pointer=at, reason="erased")

    async def _reviewed(self, withheld: LevelDecided, at: str) -> LevelDecided:
        """Return a refusal with the day of its review, which lies within 20 school days: the last of them if none is named."""
        rules = await rules_of(self._connection, self._tenant, "")
        today = local_day(now(), rules.zone)
        latest = school_day_after(today, REVIEW_DAYS, rules.breaks[-1]).isoformat()
        review_at = withheld.review_at or latest
        if not today.isoformat() <= review_at <= latest:
            raise InvalidEvent(
                f"it is reviewed within {REVIEW_DAYS} school days, by {latest}", pointer=f"{at}/review_at"
            )
        return msgspec.structs.replace(withheld, review_at=review_at)

    async def _check_hold(self, hold: CompetencyDecided, at: str) -> str:
        """
        Refuse a hold without a reason or that ends too late; return when it ends at the latest.

        Raises:
            Forbidden: the same person was the last to hold it, whether that was lifted, has ended or not.
        """
        if not hold.reason:
            raise InvalidEvent("who holds what the evidence shows gives a reason", pointer=f"{at}/reason")
        rules = await rules_of(self._connection, self._tenant, "")
        latest = school_days_later(now(), HOLD_DAYS, rules.breaks[-1], rules.zone)
        if hold.until is not None and hold.until > latest:
            raise InvalidEvent(f"a hold ends within {HOLD_DAYS} school days, by {latest}", pointer=f"{at}/until")
        history = History()
        for _, _, competency, body in await journals.load_evidence(
            self._connection, [(self._tenant, hold.learner, hold.competency)]
        ):
            for entry in unpack_entries(body):
                history.take(competency, entry)
        before = [each.author for each in history.decisions if each.kind == "override" and each.status == "not_yet"]
        if before[-1:] == [hold.author]:
            raise Forbidden("a hold is renewed by a second person")
        return latest

    async def _confirmed(self, signed: CompetencyDecided, at: str) -> CompetencyDecided:
        """Return a sign-off of a competency that waits for it, by a role that its policy asks for or that stands in for it."""
        standing = await self._standing(signed.learner)
        asked, _, late = standing.awaiting.get(signed.competency, ("", "", ""))
        if signed.role == LEADER and asked and not late:
            return msgspec.structs.replace(signed, instead_of=asked)
        if signed.role == asked:
            return signed
        # Another path may ask for another role than the one that waits longest.
        policy = await self._policy(signed)
        roles = {route.role for route in policy.rule.routes if route.role} if policy is not None else set()
        if roles and signed.role not in roles:
            raise Forbidden(
                f"{signed.competency} is signed off by a {' or a '.join(sorted(roles))}, not by a {signed.role}",
                pointer=at,
            )
        rows = dict(await key_states.states_of(self._connection, self._tenant, signed.learner))
        state = unpack_key(rows[signed.competency]) if signed.competency in rows else KeyState()
        if not may_confirm(state, rule_of(policy, state), signed.role):
            raise Refused(f"{signed.competency} does not wait for a sign-off by a {signed.role}", pointer=at)
        return signed

    async def _check_signer(self, signed: LevelDecided, member: str, at: str) -> None:
        """Refuse a role that the level's rule does not ask for, and what does not wait; `member` is a competency of the level."""
        rules = await rules_of(self._connection, self._tenant, framework_of(member))
        asked = rules.level_terms(member, rules.no).role
        standing = await self._standing(signed.learner)
        if not may_sign_off(standing, signed.level, asked, signed.role):
            raise Forbidden(f"{signed.level} is signed off by a {asked}, not by a {signed.role}")
        if signed.level not in standing.awaiting:
            raise Refused(f"{signed.level} does not wait for a sign-off", pointer=at)

    async def _standing(self, learner: str) -> LearnerState:
        stored = await key_states.standing_of(self._connection, self._tenant, learner)
        return standing_in(stored)

    async def _policy(self, judgement: CompetencyDecided) -> Policy | None:
        """Return the policy that is pinned to the key, or in force for what has no evidence yet."""
        rows = dict(await key_states.states_of(self._connection, self._tenant, judgement.learner))
        state = rows.get(judgement.competency)
        pinned = unpack_key(state).policy if state is not None else ""
        if not pinned:
            rules = await rules_of(self._connection, self._tenant, framework_of(judgement.competency))
            return rules.policy_at(judgement.competency, rules.no)
        body = await rulebook.policy_body(self._connection, self._tenant, pinned)
        return policy_from(msgspec.json.decode(body)) if body is not None else None


def _checked_override(decided: CompetencyDecided, policy: Policy | None, at: str) -> CompetencyDecided:
    """Hold an override against the policy's rule; without one, any role may raise with a reason, and nobody lowers."""
    rule = policy.override if policy is not None else None
    if rule is not None and decided.role not in rule.roles:
        raise Forbidden(
            f"policy {policy.id if policy else ''} lets {', '.join(rule.roles)} override, not {decided.role}"
        )
    if not decided.reason and (rule is None or rule.reason):
        raise InvalidEvent("an override gives its reason", pointer=f"{at}/reason")
    if decided.status == "not_yet" and not (rule is not None and rule.may_lower):
        raise Forbidden("the policy does not let an override lower what is on the record")
    if decided.until is None and rule is not None and rule.expires_days is not None:
        return msgspec.structs.replace(decided, until=shifted(now(), rule.expires_days))
    return decided


def _framework_with(level: str, frameworks: dict[str, Framework], pointer: str) -> Framework:
    framework = frameworks.get(framework_of_level(level))
    if framework is None or level not in framework.levels:
        raise InvalidEvent(f"no framework has the level {level[:100]!r}", pointer=pointer)
    return framework


def _below(framework: Framework, level: str) -> list[str]:
    """Return the competencies of the levels before one, in the same subject, in the order of the continuum."""
    subject = framework.by_id[framework.levels[level][0]].subject
    found: list[str] = []
    for other, members in framework.levels.items():
        if other == level:
            break
        if framework.by_id[members[0]].subject == subject:
            found += members
    return found
