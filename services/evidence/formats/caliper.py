"""
Caliper 1.1 and 1.2: a GradeEvent with a Score is evidence, entities state alignments, the rest is acknowledged.

The learner is the assignee of the attempt, and the actor or `scoredBy` the assessor. The assignable is the activity; its
`learningObjectives` name what it is about. `scoreGiven` may exceed `maxScore`. Source: Caliper 1.2, Grading Profile.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from services.evidence.domain.alignment import KEY_CHARS_MAX, TARGETS_MAX, Entry, Target
from services.evidence.formats.caliper_data import check_decimals, check_entity, check_event, is_1_2
from services.evidence.formats.caliper_terms import CONTEXT, OF_PEOPLE
from services.evidence.formats.lexical import instant, is_iri
from services.evidence.formats.members import CONTROL
from services.evidence.formats.native import NAME_CHARS_MAX
from services.evidence.formats.reading import Kept, Origin, Reading, check_messages, decode_object
from shared.errors import InvalidEvent

POINTERS = {
    "/id": "/id", "/learner": "/object/assignee", "/score": "/generated", "/activity": "/object/assignable",
    "/occurred_at": "/object/endedAtTime", "/attempt": "/object/count", "/assessor": "/generated/scoredBy",
}  # fmt: skip
PEOPLE_MAX = 50
"""Persons that a kept event may name: most name one, a shared annotation those whom it is shared with."""


def split(raw: bytes) -> list[bytes]:
    """
    Return the events and entities of an envelope, or the one that comes without.

    Raises:
        InvalidEvent: the envelope is not of its form.
    """
    thing = decode_object(raw)
    if "data" not in thing or "type" in thing:
        return [raw]
    for name in ("sensor", "sendTime", "dataVersion"):
        if not isinstance(thing.get(name), str):
            raise InvalidEvent("required in an envelope", reason="missing_member", pointer=f"/{name}")
    instant(thing["sendTime"], "/sendTime")
    if not CONTEXT.fullmatch(thing["dataVersion"]):
        raise InvalidEvent("is no context of Caliper 1.1 or 1.2", reason="unknown_context", pointer="/dataVersion")
    data = thing["data"] if isinstance(thing["data"], list) else [thing["data"]]
    check_messages(data, "/data")
    return [msgspec.json.encode(one) for one in data]


def read(raw: bytes, origin: Origin) -> Reading:
    """
    Return what one event or entity comes to.

    Raises:
        InvalidEvent: it is not of its form.
    """
    thing = decode_object(raw)
    if "caliper_supported_versions" in thing:
        return Reading(acknowledged="endpoint_configuration")
    kind = thing.get("type")
    if "eventTime" in thing or (isinstance(kind, str) and kind.endswith("Event")):
        check_event(thing)
        _check_decimals(thing, origin)
        return _event(thing, origin)
    check_entity(thing)
    _check_decimals(thing, origin)
    id = thing.get("id")
    return Reading(id if isinstance(id, str) else None, acknowledged="entity", entries=tuple(_entries(thing, origin)))


def kept(raw: bytes, reason: str) -> Kept | None:
    """
    Return a valid event that is no evidence, as it is kept.

    None for what is no event, and so has no id of its own; and for an event of too many persons, or of one whose id is
    none that a learner can have, so that it could not be forgotten.
    """
    thing = decode_object(raw)
    if "eventTime" not in thing:
        return None
    people = tuple(dict.fromkeys(_people(thing)))
    if len(people) > PEOPLE_MAX or not all(_can_be_learner(one) for one in people):
        return None
    return Kept(thing["id"].lower(), reason, people, raw)


def _can_be_learner(name: str) -> bool:
    return 0 < len(name) <= NAME_CHARS_MAX and not CONTROL.search(name)


def _people(thing: Any) -> Iterator[str]:
    """Yield the id of every person that is described or named in a thing, however deep."""
    if isinstance(thing, list):
        for one in thing:
            yield from _people(one)
    if not isinstance(thing, dict):
        return
    if thing.get("type") == "Person" and isinstance(thing.get("id"), str):
        yield thing["id"]
    for name, value in thing.items():
        if name in OF_PEOPLE:
            several = value if isinstance(value, list) else [value]
            yield from (one for one in several if isinstance(one, str) and is_iri(one))
        yield from _people(value)


def _check_decimals(thing: Mapping[str, Any], origin: Origin) -> None:
    if origin.is_strict and is_1_2(thing):
        check_decimals(thing)


def _event(event: Mapping[str, Any], origin: Origin) -> Reading:
    id: str = event["id"]
    entries = tuple(_entries(event, origin))
    if event["type"] != "GradeEvent":
        return Reading(id, acknowledged="not_graded", entries=entries)
    attempt, score = event["object"], event.get("generated")
    if not isinstance(attempt, dict) or attempt.get("assignee") is None or attempt.get("assignable") is None:
        return Reading(id, acknowledged="attempt_not_described", entries=entries)
    if not isinstance(score, dict) or score.get("scoreGiven") is None or not score.get("maxScore"):
        return Reading(id, acknowledged="no_score", entries=entries)
    name = "endedAtTime" if attempt.get("endedAtTime") is not None else None
    pointers = POINTERS if name else POINTERS | {"/occurred_at": "/eventTime"}
    members = {
        "id": id,
        "learner": _id(attempt["assignee"]),
        "occurred_at": instant(attempt[name], f"/object/{name}") if name else instant(event["eventTime"], "/eventTime"),
        "score": {"raw": score["scoreGiven"], "max": score["maxScore"]},
        "attempt": attempt.get("count") or None,
        "activity": _activity(attempt["assignable"]),
        "assessor": _assessor(score.get("scoredBy"), event["actor"]),
    }
    return Reading(id, (origin.build(members, pointers=pointers),), entries=entries)


def _id(entity: Any) -> str:
    """Return the id of an entity that may stand as its IRI alone."""
    id: str = entity if isinstance(entity, str) else entity["id"]
    return id


def _activity(assignable: Any) -> dict[str, Any]:
    """Return the activity; the version of a resource is part of its address, and not of what it is."""
    id = _id(assignable).partition("?ver=")[0]
    name = assignable.get("name") if isinstance(assignable, dict) else None
    return {"id": id} | ({"name": name[:2048]} if isinstance(name, str) else {})


def _assessor(scored_by: Any, actor: Any) -> dict[str, Any]:
    """Return who scored: of the type that is known of `scoredBy`, or of the actor where that is the same."""
    assessor = scored_by or actor
    described = assessor
    if isinstance(assessor, str) and isinstance(actor, dict) and actor.get("id") == assessor:
        described = actor
    kinds = {"Person": "human", "SoftwareApplication": "auto"}
    kind = kinds.get(str(described.get("type"))) if isinstance(described, dict) else None
    return {"id": _id(assessor)[:256]} | ({"type": kind} if kind else {})


def _entries(thing: Mapping[str, Any], origin: Origin) -> Iterator[Entry]:
    """Yield the alignments that entities with learning objectives state, wherever they stand."""
    objectives = thing.get("learningObjectives")
    if isinstance(objectives, list) and objectives and isinstance(thing.get("id"), str):
        names = dict.fromkeys(_id(one) for one in objectives[:TARGETS_MAX])
        targets = tuple(Target(name) for name in names if len(name) <= NAME_CHARS_MAX)
        id = thing["id"].partition("?ver=")[0]
        if targets and len(id) <= KEY_CHARS_MAX:
            yield Entry(id, targets, origin.source)
    for name in ("object", "generated", "target", "assignable", "isPartOf"):
        if isinstance(thing.get(name), dict):
            yield from _entries(thing[name], origin)
    items = thing.get("items")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            yield from _entries(item, origin)
