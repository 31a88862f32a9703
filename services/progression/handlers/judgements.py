"""What people decide of learners: checked against policy and rights, then put into the inbox of the learner's shard."""

import uuid
from collections.abc import Collection, Mapping, Sequence

import msgspec

from services.progression.domain.curriculum import Framework, framework_of
from services.progression.domain.decisions import (
    COMPETENCY_DECIDED,
    LEVEL_DECIDED,
    SUPPORT_DECIDED,
    CompetencyDecided,
    LevelDecided,
    SupportDecided,
)
from services.progression.domain.journal import unpack_entries
from services.progression.domain.learner import LearnerState
from services.progression.domain.level_events import REVIEW_DAYS
from services.progression.domain.level_fold import framework_of_level, may_sign_off
from services.progression.domain.level_terms import level_terms
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.policy.rule import shifted
from services.progression.domain.standing import may_confirm, rule_of
from services.progression.domain.states import KeyState
from services.progression.domain.support_fold import LEADER
from services.progression.handlers.histories import History
from services.progression.handlers.logs import Logs
from services.progression.handlers.memory import read_framework, unpack_key, unpack_learner
from services.progression.handlers.planning import checked_plan
from services.progression.handlers.requests import Request, request_of, take_up, taken_up
from services.progression.handlers.rules import rules_of
from services.progression.tables import erasing, journals, key_states, requests, rulebook
from shared.clock import Clock
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import Forbidden, Gone, InvalidEvent, NotFound, Refused
from shared.event_log import Head
from shared.events import Draft, Position, encode_json, envelope, now
from shared.school_calendar import local_day, school_day_after, school_days_later
from shared.settings import Settings
from shared.shards import shard_of

HOLD_DAYS = 10
"""School days for which one person may hold what the evidence shows."""
Judgement = CompetencyDecided | LevelDecided | SupportDecided
TYPES: dict[type[Judgement], str] = {
    CompetencyDecided: COMPETENCY_DECIDED,
    LevelDecided: LEVEL_DECIDED,
    SupportDecided: SUPPORT_DECIDED,
}


class Made(msgspec.Struct, frozen=True):
    """A decision that is durable: its id, and the position to wait for."""

    id: str
    learner: str
    position: str


class Judgements:
    """Puts decisions on learners into the inbox."""

    def __init__(self, database: Database, logs: Logs, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._logs = logs
        self._shards = settings.shards

    async def decide(self, tenant: str, asked: Sequence[Judgement], key: str = "") -> list[Made]:
        """
        Store decisions of one person, all or none; they are folded a moment later.

        A placement presumes what lies below the level and has no evidence, and names what is not shown. Asked for again under
        the same `key`, nothing is decided: the answer is that of the first time.

        Raises:
            InvalidEvent: of something that no framework has, or without what the policy asks for; with a pointer.
            Forbidden: the role may not do this under the policy.
            Refused: a sign-off of what does not wait for one, or the person has asked for something else under this key.
            Gone: the learner was erased.
            Unavailable: the clock that would date them is not believed.
        """
        self._clock.require()
        request = request_of(tenant, asked[0].author, key, asked)
        async with self._database.transaction() as connection:
            before = await taken_up(connection, request)
            if request is not None and before is not None:
                return await self._made_before(connection, request, before.items, {each.learner for each in asked})
            checked = await self._all_checked(connection, tenant, asked)
            ids = [str(uuid.uuid4()) if request is None else request.item(no) for no in range(len(checked))]
            drafts = [self._draft(tenant, id, judgement) for id, judgement in zip(ids, checked, strict=True)]
            heads: dict[int, Head] = await self._logs.decisions.heads(connection)
            positions = await self._logs.decisions.append(connection, drafts)
            await take_up(connection, self._logs.requests, request, len(drafts))
            reach("judgement.decided")
        reach("judgement.committed")
        return [
            _made(id, judgement.learner, heads, draft.shard, pos)
            for id, judgement, draft, pos in zip(ids, checked, drafts, positions, strict=True)
        ]

    async def _made_before(
        self, connection: Connection, request: Request, items: int, learners: Collection[str]
    ) -> list[Made]:
        """Return what was made of a request when it was sent before."""
        ids = [request.item(no) for no in range(items)]
        rows = {row["id"]: row for row in await requests.decisions(connection, request.tenant, learners, ids)}
        if len(rows) < items:
            raise Gone("it was decided, and the learner was erased since", reason="erased")
        heads = await self._logs.decisions.heads(connection)
        return [_made(id, rows[id]["learner"], heads, rows[id]["shard"], rows[id]["pos"]) for id in ids]

    async def _all_checked(self, connection: Connection, tenant: str, asked: Sequence[Judgement]) -> list[Judgement]:
        frameworks = {f.id: f for f in map(read_framework, await rulebook.frameworks_of(connection, tenant))}
        judgements: list[Judgement] = []
        for each in asked:
            if isinstance(each, LevelDecided) and each.kind == "place":
                judgements += await self._placing(connection, tenant, each, frameworks)
            else:
                judgements.append(each)
        return [
            await self._checked(connection, tenant, judgement, frameworks, f"/items/{number}")
            for number, judgement in enumerate(judgements)
        ]

    async def _placing(
        self, connection: Connection, tenant: str, placed: LevelDecided, frameworks: dict[str, Framework]
    ) -> list[Judgement]:
        """Return a placement behind what it presumes: all below the level that has no evidence."""
        framework = _framework_with(placed.level, frameworks, "/level")
        states = await key_states.states_of(connection, tenant, placed.learner)
        standing = await self._standing(connection, tenant, placed.learner)
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

    async def _checked(
        self, connection: Connection, tenant: str, judgement: Judgement, frameworks: dict[str, Framework], at: str
    ) -> Judgement:
        await self._check_learner(connection, tenant, judgement.learner, f"{at}/learner")
        if isinstance(judgement, SupportDecided):
            if judgement.scope not in (await self._standing(connection, tenant, judgement.learner)).support:
                raise NotFound(f"no support is suggested on {judgement.scope[:100]!r}")
            return judgement
        if isinstance(judgement, LevelDecided):
            leveled = _framework_with(judgement.level, frameworks, f"{at}/level")
            if judgement.kind == "sign_off":
                await self._check_signer(connection, tenant, judgement, leveled.levels[judgement.level][0], at)
            if judgement.kind in ("withhold", "withdraw", "reinstate", "lift") and not judgement.reason:
                raise InvalidEvent("a person who decides this gives a reason", pointer=f"{at}/reason")
            if judgement.kind == "withhold":
                return await self._reviewed(connection, tenant, judgement, at)
            return judgement
        framework = frameworks.get(framework_of(judgement.competency))
        if framework is None or judgement.competency not in framework.by_id:
            raise InvalidEvent(f"no framework has {judgement.competency}", pointer=f"{at}/competency")
        if judgement.kind == "plan":
            rules = await rules_of(connection, tenant, "")
            rows = dict(await key_states.states_of(connection, tenant, judgement.learner))
            before = unpack_key(rows[judgement.competency]).decided if judgement.competency in rows else ()
            return checked_plan(judgement, before, frameworks, rules.zones[-1] or "UTC", at)
        if judgement.kind == "override":
            checked = _checked_override(judgement, await self._policy(connection, tenant, judgement), at)
            if judgement.status != "not_yet":
                return checked
            latest = await self._check_hold(connection, tenant, judgement, at)
            return msgspec.structs.replace(checked, until=min(checked.until or latest, latest))
        return await self._confirmed(connection, tenant, judgement, at) if judgement.kind == "sign_off" else judgement

    async def _check_learner(self, connection: Connection, tenant: str, learner: str, at: str) -> None:
        """Refuse what is not an opaque id as it is written, and the id of an erased learner: nothing begins under it again."""
        try:
            is_id = str(uuid.UUID(learner)) == learner
        except ValueError:
            is_id = False
        if not is_id:
            raise InvalidEvent("not the opaque id of a learner", pointer=at)
        if await erasing.is_erased(connection, shard_of(tenant, learner, self._shards), tenant, learner):
            raise Gone("the learner was erased", pointer=at, reason="erased")

    async def _reviewed(self, connection: Connection, tenant: str, withheld: LevelDecided, at: str) -> LevelDecided:
        """Return a refusal with the day of its review, which lies within 20 school days: the last of them if none is named."""
        rules = await rules_of(connection, tenant, "")
        zone = rules.zones[-1] or "UTC"
        today = local_day(now(), zone)
        latest = school_day_after(today, REVIEW_DAYS, rules.breaks[-1]).isoformat()
        review_at = withheld.review_at or latest
        if not today.isoformat() <= review_at <= latest:
            raise InvalidEvent(
                f"it is reviewed within {REVIEW_DAYS} school days, by {latest}", pointer=f"{at}/review_at"
            )
        return msgspec.structs.replace(withheld, review_at=review_at)

    async def _check_hold(self, connection: Connection, tenant: str, hold: CompetencyDecided, at: str) -> str:
        """
        Refuse a hold without a reason or that ends too late; return when it ends at the latest.

        Raises:
            Forbidden: the same person was the last to hold it, whether that was lifted, has ended or not.
        """
        if not hold.reason:
            raise InvalidEvent("who holds what the evidence shows gives a reason", pointer=f"{at}/reason")
        rules = await rules_of(connection, tenant, "")
        latest = school_days_later(now(), HOLD_DAYS, rules.breaks[-1], rules.zones[-1] or "UTC")
        if hold.until is not None and hold.until > latest:
            raise InvalidEvent(f"a hold ends within {HOLD_DAYS} school days, by {latest}", pointer=f"{at}/until")
        history = History()
        for _, _, competency, body in await journals.load_evidence(
            connection, [(tenant, hold.learner, hold.competency)]
        ):
            for entry in unpack_entries(body):
                history.take(competency, entry)
        before = [each.author for each in history.decisions if each.kind == "override" and each.status == "not_yet"]
        if before[-1:] == [hold.author]:
            raise Forbidden("a hold is renewed by a second person")
        return latest

    async def _confirmed(
        self, connection: Connection, tenant: str, signed: CompetencyDecided, at: str
    ) -> CompetencyDecided:
        """Return a sign-off of a competency that waits for it, by a role that its policy asks for or that stands in for it."""
        standing = await self._standing(connection, tenant, signed.learner)
        asked, _, late = standing.awaiting.get(signed.competency, ("", "", ""))
        if signed.role == LEADER and asked and not late:
            return msgspec.structs.replace(signed, instead_of=asked)
        if signed.role == asked:
            return signed
        # Another path may ask for another role than the one that waits longest.
        policy = await self._policy(connection, tenant, signed)
        roles = {route.role for route in policy.rule.routes if route.role} if policy is not None else set()
        if roles and signed.role not in roles:
            raise Forbidden(
                f"{signed.competency} is signed off by a {' or a '.join(sorted(roles))}, not by a {signed.role}",
                pointer=at,
            )
        rows = dict(await key_states.states_of(connection, tenant, signed.learner))
        state = unpack_key(rows[signed.competency]) if signed.competency in rows else KeyState()
        if not may_confirm(state, rule_of(policy, state), signed.role):
            raise Refused(f"{signed.competency} does not wait for a sign-off by a {signed.role}", pointer=at)
        return signed

    async def _check_signer(
        self, connection: Connection, tenant: str, signed: LevelDecided, member: str, at: str
    ) -> None:
        """Refuse a role that the level's rule does not ask for, and what does not wait; `member` is a competency of the level."""
        rules = await rules_of(connection, tenant, framework_of(member))
        asked = level_terms(rules, member, rules.no).role
        standing = await self._standing(connection, tenant, signed.learner)
        if not may_sign_off(standing, signed.level, asked, signed.role):
            raise Forbidden(f"{signed.level} is signed off by a {asked}, not by a {signed.role}")
        if signed.level not in standing.awaiting:
            raise Refused(f"{signed.level} does not wait for a sign-off", pointer=at)

    async def _standing(self, connection: Connection, tenant: str, learner: str) -> LearnerState:
        stored = await key_states.standing_of(connection, tenant, learner)
        return unpack_learner(stored) if stored is not None else LearnerState()

    async def _policy(self, connection: Connection, tenant: str, judgement: CompetencyDecided) -> Policy | None:
        """Return the policy that is pinned to the key, or in force for what has no evidence yet."""
        rows = dict(await key_states.states_of(connection, tenant, judgement.learner))
        state = rows.get(judgement.competency)
        pinned = unpack_key(state).policy if state is not None else ""
        if not pinned:
            rules = await rules_of(connection, tenant, framework_of(judgement.competency))
            return rules.policy_at(judgement.competency, rules.no)
        body = await rulebook.policy_body(connection, tenant, pinned)
        return policy_from(msgspec.json.decode(body)) if body is not None else None

    def _draft(self, tenant: str, id: str, judgement: Judgement) -> Draft:
        body = envelope(
            id=id, source="progression", type=TYPES[type(judgement)], tenant=tenant, subject=judgement.learner, time=now(),
            data=encode_json(judgement),
        )  # fmt: skip
        return Draft(shard_of(tenant, judgement.learner, self._shards), tenant, judgement.learner, body)


def _made(id: str, learner: str, heads: Mapping[int, Head], shard: int, pos: int) -> Made:
    return Made(id, learner, str(Position("decisions", heads[shard].generation, shard, pos)))


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
