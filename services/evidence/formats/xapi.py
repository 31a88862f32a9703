"""
xAPI statements: those with a score are evidence, a voiding one retracts, all others are acknowledged.

`success`, `completion` and cmi5's `passed`, `failed` and `masteryScore` are claims: they are kept and judge nothing.
cmi5's `waived` is evidence without a score, which credits what it is aligned to.
Sources: xAPI 1.0.3 Part Two, 2.3.1 and 2.3.2; cmi5 (Quartz), 9.3, 9.5.5.2 and 9.6.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from services.evidence.formats.lexical import instant
from services.evidence.formats.members import CONTROL
from services.evidence.formats.reading import Origin, Reading
from services.evidence.formats.xapi_statement import UTC, VOIDED, Version, read_statement
from services.evidence.formats.xapi_types import (
    Activity,
    Actor,
    Context,
    ContextActivities,
    Object,
    Score,
    Statement,
    Verb,
)
from shared.contracts.internal_events import WAIVED
from shared.errors import InvalidEvent
from shared.events import encode_json, utc

WAIVED_VERB = "https://w3id.org/xapi/adl/verbs/waived"
WAIVED_REASON = "https://w3id.org/xapi/cmi5/result/extensions/reason"
MASTERY_SCORE = "https://w3id.org/xapi/cmi5/context/extensions/masteryscore"
ATTEMPT = "http://id.tincanapi.com/extension/attempt-id"
SCALE_CHARS_MAX = 200
IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")
"""The members of an agent that say who it is."""
POINTERS = {
    "/id": "/id", "/learner": "/actor", "/score": "/result/score", "/occurred_at": "/timestamp",
    "/activity/id": "/object/id", "/activity": "/object", "/assessor": "/context/instructor",
}  # fmt: skip


class Taken(msgspec.Struct, frozen=True):
    """A valid statement with its id, and what it comes to."""

    id: str
    fingerprint: bytes
    statement: Statement
    voids: str | None
    learner: str | None
    score: dict[str, Any] | None
    """That says how much of how much, or credits instead of one; in native members."""


def take(raw: bytes, version: Version, fresh_id: Callable[[], str]) -> Taken:
    """
    Read and validate a statement; one without an id gets a `fresh_id`.

    Raises:
        InvalidEvent: with the reason and the pointer of the member.
    """
    statement = read_statement(raw, version)
    id = fresh_id() if statement.id is UNSET else statement.id.lower()
    voids = statement.object.id.lower() if statement.verb.id == VOIDED and statement.object.id else None
    learner = learner_of(statement.actor)
    if learner is not None and CONTROL.search(learner):
        raise InvalidEvent("contains a control character", reason="invalid", pointer="/actor")
    return Taken(id, fingerprint(statement), statement, voids, learner, _score(statement))


def fingerprint(statement: Statement) -> bytes:
    """
    Return a digest that is the same for statements that the specification regards as the same (1.0.3, 2.3.1).

    What the LRS may set or change does not count: id, authority, stored, version, attachments, display of verbs,
    definitions of activities, the zone of timestamps, the order of a group's members.
    """
    same = msgspec.structs.replace(
        statement, id=UNSET, authority=UNSET, stored=UNSET, version=UNSET, **_comparable(statement)
    )
    return hashlib.sha256(encode_json(same)).digest()


def _comparable(statement: Statement | Object) -> dict[str, Any]:
    timestamp, context = statement.timestamp, statement.context
    assert isinstance(statement.actor, Actor)
    assert isinstance(statement.verb, Verb)
    assert isinstance(statement.object, Object)
    return {
        "actor": _comparable_actor(statement.actor),
        "verb": Verb(statement.verb.id),
        "object": _comparable_object(statement.object),
        "attachments": UNSET,
        "timestamp": UNSET if timestamp is UNSET else utc(instant(timestamp, "", zone=UTC)),
        "context": UNSET if context is UNSET else _comparable_context(context),
    }


def _comparable_actor(actor: Actor) -> Actor:
    if actor.objectType != "Group":
        return msgspec.structs.replace(actor, objectType=UNSET)
    members = () if actor.member is UNSET else actor.member
    ordered = sorted((_comparable_actor(member) for member in members), key=encode_json)
    return msgspec.structs.replace(actor, member=tuple(ordered))


def _comparable_object(target: Object) -> Object:
    if target.objectType == "SubStatement":
        return msgspec.structs.replace(target, **_comparable(target))
    if target.objectType is UNSET or target.objectType == "Activity":
        return Object(id=target.id)
    if target.objectType == "Group":
        group = Actor("Group", member=target.member)
        return msgspec.structs.replace(target, member=_comparable_actor(group).member)
    return target


def _comparable_context(context: Context) -> Context:
    around = context.contextActivities
    if around is not UNSET:
        around = ContextActivities(*map(_ids_alone, (around.parent, around.grouping, around.category, around.other)))
    instructor, team = context.instructor, context.team
    return msgspec.structs.replace(
        context,
        contextActivities=around,
        instructor=UNSET if instructor is UNSET else _comparable_actor(instructor),
        team=UNSET if team is UNSET else _comparable_actor(team),
    )


def _ids_alone(activities: tuple[Activity, ...] | UnsetType) -> tuple[Activity, ...] | UnsetType:
    return UNSET if activities is UNSET else tuple(Activity(activity.id) for activity in activities)


def evidence(taken: Taken, origin: Origin) -> Reading:
    """
    Return what a statement comes to.

    Raises:
        InvalidEvent: it is valid, but cannot be evidence (`future_time`, ...).
    """
    statement = taken.statement
    at = origin.received_at if statement.timestamp is UNSET else instant(statement.timestamp, "/timestamp", zone=UTC)
    if taken.voids is not None:
        void = {"id": taken.id, "retracts": taken.voids, "occurred_at": at}
        return Reading(taken.id, (origin.build(void, pointers={"/retracts": "/object/id"} | POINTERS),))
    reason = why_not(taken)
    if reason is not None:
        return Reading(taken.id, acknowledged=reason)
    context = statement.context
    instructor = UNSET if context is UNSET else context.instructor
    members = {
        "id": taken.id, "learner": taken.learner, "occurred_at": at, "score": taken.score,
        "attempt": _attempt(statement), "activity": {"id": statement.object.id},
        "assessor": None if instructor is UNSET else _assessor(instructor), "extensions": _claims(statement),
    }  # fmt: skip
    return Reading(taken.id, (origin.build(members, pointers=POINTERS),))


def read(raw: bytes, origin: Origin, version: Version, fresh_id: Callable[[], str]) -> Reading:
    """Read a statement and return what it comes to; raises as `take` and `evidence` do."""
    return evidence(take(raw, version, fresh_id), origin)


def learner_of(actor: Actor | Object) -> str | None:
    """Return the one identifier of an Agent; None for a Group, who are several."""
    if actor.objectType == "Group":
        return None
    if actor.account is not UNSET:
        return f"{actor.account.homePage}|{actor.account.name}"
    if actor.mbox_sha1sum is not UNSET:
        return f"mbox_sha1sum:{actor.mbox_sha1sum.lower()}"
    return next((text for text in (actor.mbox, actor.openid) if text is not UNSET), None)


def people_in(statement: Statement) -> list[str]:
    """Return the identifiers of all agents and groups that a statement names, in whatever part, as `learner_of` has them."""
    return list(dict.fromkeys(name for name in _named(msgspec.to_builtins(statement)) if not CONTROL.search(name)))


def _named(thing: Any) -> Iterator[str]:
    if isinstance(thing, dict):
        with contextlib.suppress(msgspec.ValidationError):  # what is no agent names nobody
            named = learner_of(msgspec.convert({name: thing[name] for name in IDENTIFIERS if name in thing}, Actor))
            if named is not None:
                yield named
    for inner in thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list | tuple) else ():
        yield from _named(inner)


def why_not(taken: Taken) -> str | None:
    """Return why a statement that voids none is no evidence; None where it is."""
    result = taken.statement.result
    if taken.score is None:
        return "no_score" if result is UNSET or result.score is UNSET else "score_without_max"
    if taken.learner is None:
        return "group_actor"
    return None if taken.statement.object.objectType in (UNSET, "Activity") else "object_is_no_activity"


def _waived(statement: Statement) -> dict[str, str]:
    """Return the score of a statement that waives: none, with the reason that it gives."""
    extensions = UNSET if statement.result is UNSET else statement.result.extensions
    reason = None if extensions is UNSET else extensions.get(WAIVED_REASON)
    return {"level": WAIVED, "scale": f"cmi5 {reason}"[:SCALE_CHARS_MAX] if isinstance(reason, str) else "cmi5"}


def _score(statement: Statement) -> dict[str, Any] | None:
    if statement.verb.id == WAIVED_VERB:
        return _waived(statement)
    if statement.result is UNSET or statement.result.score is UNSET:
        return None
    score: Score = statement.result.score
    if score.scaled is not UNSET:
        return {"scaled": score.scaled}
    low = 0.0 if score.min is UNSET else score.min
    if score.raw is UNSET or score.max is UNSET or score.max <= low or score.raw < low:
        return None
    return {"raw": score.raw, "max": score.max, "min": low}


def _attempt(statement: Statement) -> int | None:
    places = [statement.object.definition, statement.context, statement.result]
    for place in places:
        extensions = UNSET if place is UNSET else place.extensions
        attempt = None if extensions is UNSET else extensions.get(ATTEMPT)
        if isinstance(attempt, int) and not isinstance(attempt, bool) and attempt >= 1:
            return attempt
    return None


def _assessor(instructor: Actor) -> dict[str, str]:
    """Return who assessed: a digest tells assessors apart, and their address does not get into events."""
    named = learner_of(instructor)
    if named is None:
        return {"type": "human"}
    return {"type": "human", "id": hashlib.sha256(named.encode()).hexdigest()[:32]}


def _claims(statement: Statement) -> dict[str, Any] | None:
    """Return what the source claims of it, under `claims`."""
    result, context = statement.result, statement.context
    claims: dict[str, Any] = {"verb": statement.verb.id}
    if result is not UNSET:
        for name in ("success", "completion"):
            value = getattr(result, name)
            if value is not UNSET:
                claims[name] = value
    if context is not UNSET and context.extensions is not UNSET and MASTERY_SCORE in context.extensions:
        claims["mastery_score"] = context.extensions[MASTERY_SCORE]
    return {"claims": claims}
