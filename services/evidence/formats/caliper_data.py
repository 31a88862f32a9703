"""
What is well-formed Caliper 1.1 and 1.2: rules by the name of a property, and those of the events that touch grading.

A property has the same form wherever it stands. Properties and types that are not listed are passed over, so that
extensions of profiles do not break intake. Sources: Caliper Analytics 1.1 and 1.2, properties of events and entities;
their profiles for actions and the types of object, generated and target.
"""

from collections.abc import Callable, Mapping
from typing import Any

from services.evidence.formats.caliper_terms import (
    ACTIONS,
    CONTEXT,
    INSTANT,
    INTEGERS,
    ITEMS,
    NUMBERS,
    OF_ENTITIES,
    OF_ENTITY,
    OPAQUE,
    PROFILES,
    ROLES,
    SELECTORS,
    TEXTS,
    TYPES,
)
from services.evidence.formats.lexical import instant, is_duration, is_iri, is_uuid
from services.evidence.formats.members import escaped, fault


def check_event(event: Mapping[str, Any]) -> None:
    """
    Refuse an event that is not of its form.

    Raises:
        InvalidEvent: with the reason and the pointer of the member.
    """
    for name in ("id", "type", "actor", "action", "object", "eventTime"):
        if event.get(name) is None:
            raise fault(f"/{name}", "required in an event", "missing_member")
    kind = _text(event["type"], "/type")
    if not kind.endswith("Event"):
        raise fault("/type", f"{kind[:60]!r} is no type of event", "unknown_type")
    id = _text(event["id"], "/id")
    if not (id.startswith("urn:uuid:") and is_uuid(id[9:])):
        raise fault("/id", "is not urn:uuid: and a UUID")
    profile = event.get("profile")
    if profile is not None and not (isinstance(profile, str) and profile in PROFILES):
        raise fault("/profile", "is no profile of Caliper", "unknown_profile")
    action = _text(event["action"], "/action")
    allowed = ACTIONS.get(kind)
    if allowed is not None and action not in allowed:
        raise fault("/action", f"{action[:60]!r} does not go with {kind}")
    _check_context(event)
    _check_members(event, "")
    for name in ("object", "generated", "target"):
        types = ROLES.get((kind, name))
        if event.get(name) is not None:
            _entity(event[name], f"/{name}", types)


def check_entity(entity: Mapping[str, Any]) -> None:
    """Refuse an entity, by itself in an envelope, that is not of its form; raises as `check_event` does."""
    kind = entity.get("type")
    if kind is None:
        raise fault("/type", "required in an entity", "missing_member")
    _text(kind, "/type")
    _check_context(entity)
    if kind == "SystemIdentifier":
        _check_identifier(entity, "")
        return
    if entity.get("id") is None and kind not in SELECTORS:
        raise fault("/id", "required in an entity", "missing_member")
    if kind not in TYPES and CONTEXT.fullmatch(str(entity.get("@context"))):
        raise fault("/type", f"{str(kind)[:60]!r} is no type of entity", "unknown_type")
    _check_whole(entity, "")


def _check_context(thing: Mapping[str, Any]) -> None:
    context = thing.get("@context")
    if context is None:
        return
    several = context if isinstance(context, list) else [context]
    if not any(_is_caliper(one) for one in several):
        raise fault("/@context", "is no context of Caliper 1.1 or 1.2", "unknown_context")


def _is_caliper(context: Any) -> bool:
    """Tell whether a context is one of Caliper's, or an inline one that maps its terms to Caliper's."""
    if isinstance(context, dict):
        return context.get("caliper") == "http://purl.imsglobal.org/caliper/"
    return isinstance(context, str) and CONTEXT.fullmatch(context) is not None


def is_1_2(thing: Mapping[str, Any]) -> bool:
    """Tell whether an event or entity names a context of Caliper 1.2."""
    context = thing.get("@context")
    several = context if isinstance(context, list) else [context]
    return any(isinstance(one, str) and one.startswith("http://purl.imsglobal.org/ctx/caliper/v1p2") for one in several)


def check_decimals(thing: Any, at: str = "") -> None:
    """
    Refuse scores that are written as whole numbers, which Caliper 1.2 types as decimal (15.0).

    Raises:
        InvalidEvent: with the reason `not_decimal`.
    """
    if isinstance(thing, list):
        for place, one in enumerate(thing):
            check_decimals(one, f"{at}/{place}")
    elif isinstance(thing, dict):
        for name, value in thing.items():
            here = f"{at}/{escaped(name)}"
            if name in NUMBERS and isinstance(value, int):
                raise fault(here, "is a whole number where Caliper 1.2 has a decimal", "not_decimal")
            if name not in OPAQUE and name != "extensions":
                check_decimals(value, here)


def _check_whole(entity: Mapping[str, Any], at: str) -> None:
    """Check an entity: its id, its members, and what goes with its type."""
    id = entity.get("id")
    if id is not None and not is_iri(_text(id, f"{at}/id")):
        raise fault(f"{at}/id", "is not an IRI")
    _check_members(entity, at)
    kind = entity.get("type")
    items = ITEMS.get(kind) if isinstance(kind, str) else None
    if items is not None and "items" in entity:
        _entities(entity["items"], f"{at}/items", items)
    if kind in ("Score", "Result") and "attempt" in entity:
        _entity(entity["attempt"], f"{at}/attempt", OF_ENTITY["attempt"])
    check_value = VALUES.get(kind) if isinstance(kind, str) else None
    if check_value is not None:
        check_value(entity, at)


def _check_members(thing: Mapping[str, Any], at: str) -> None:
    for name, value in thing.items():
        here = f"{at}/{escaped(name)}"
        if name == "extensions":
            if value is not None and not isinstance(value, dict):
                raise fault(here, "is not an object")
        elif name == "@context" or name in OPAQUE:
            continue
        elif value is not None:
            _check_member(name, value, here)
        elif name == "attempt":
            raise fault(here, "has no value")


def _check_member(name: str, value: Any, here: str) -> None:
    if name in OF_ENTITY:
        _entity(value, here, OF_ENTITY[name])
    elif name in OF_ENTITIES:
        _entities(value, here, OF_ENTITIES[name])
    else:
        _check_scalar(name, value, here)
    if isinstance(value, dict):
        _nested(value, here)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            if isinstance(one, dict):
                _nested(one, f"{here}/{place}")


def _check_scalar(name: str, value: Any, here: str) -> None:
    if name in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise fault(here, "is not a number")
    elif name in INTEGERS:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise fault(here, "is not a non-negative integer")
    elif name in TEXTS:
        _text(value, here)
    elif name == "duration":
        if not is_duration(_text(value, here)):
            raise fault(here, "is not an ISO 8601 duration")
    elif INSTANT.fullmatch(name):
        instant(_text(value, here), here)


def _nested(value: Mapping[str, Any], here: str) -> None:
    if value.get("type") == "SystemIdentifier":
        _check_identifier(value, here)
    elif "type" in value:
        _check_whole(value, here)
    else:
        _check_members(value, here)


def _entity(value: Any, here: str, types: frozenset[str] | None) -> None:
    """Hold a value to be an IRI, or an entity of one of the types; types that are not Caliper's are passed over."""
    if isinstance(value, str):
        if not is_iri(value):
            raise fault(here, "is neither an entity nor an IRI")
        return
    if not isinstance(value, dict):
        raise fault(here, "is neither an entity nor an IRI")
    kind = value.get("type")
    if not isinstance(value.get("id"), str):
        raise fault(f"{here}/id", "required in an entity", "missing_member")
    if kind is not None:
        _text(kind, f"{here}/type")
    if types is not None and kind in TYPES and kind not in types:
        raise fault(f"{here}/type", f"{kind} does not go here")


def _entities(value: Any, here: str, types: frozenset[str]) -> None:
    if not isinstance(value, list):
        raise fault(here, "is not an array")
    for place, one in enumerate(value):
        if types == OF_ENTITIES["otherIdentifiers"]:
            if not isinstance(one, dict) or one.get("type") != "SystemIdentifier":
                raise fault(f"{here}/{place}", "is not a SystemIdentifier")
        else:
            _entity(one, f"{here}/{place}", types)


def _check_identifier(value: Mapping[str, Any], at: str) -> None:
    for name in ("identifier", "identifierType"):
        if not isinstance(value.get(name), str):
            raise fault(f"{at}/{name}", "is not a text")
    if value.get("source") is not None:
        _entity(value["source"], f"{at}/source", OF_ENTITY["edApp"])


def _text_value(entity: Mapping[str, Any], at: str) -> None:
    if entity.get("value") is not None:
        _text(entity["value"], f"{at}/value")


def _text_values(entity: Mapping[str, Any], at: str) -> None:
    values = entity.get("values")
    if values is None:
        return
    if not isinstance(values, list):
        raise fault(f"{at}/values", "is not an array")
    for place, value in enumerate(values):
        _text(value, f"{at}/values/{place}")


VALUES: dict[str, Callable[[Mapping[str, Any], str], None]] = {
    "MultipleChoiceResponse": _text_value, "TrueFalseResponse": _text_value, "FillinBlankResponse": _text_values,
    "MultipleResponseResponse": _text_values, "SelectTextResponse": _text_values,
}  # fmt: skip


def _text(value: Any, here: str) -> str:
    if not isinstance(value, str):
        raise fault(here, "is not a text")
    return value
