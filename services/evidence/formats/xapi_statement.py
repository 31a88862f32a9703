"""
What a valid xAPI statement is, in 1.0.3 and 2.0: types by shape, the other rules by a walk, each fault with its pointer.

Sources: xAPI 1.0.3 Part Two (Data), 2.2 to 4.6; IEEE 9274.1.1-2023 (xAPI 2.0) for context agents and groups.
"""

import re
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType

from services.evidence.formats.json_text import check_against, decoded, misfit
from services.evidence.formats.lexical import instant, is_iri, is_language, is_uuid
from services.evidence.formats.native import EXTENSIONS_NOT_STORABLE
from services.evidence.formats.xapi_parts import (
    Absent,
    check_attachment,
    check_definition,
    check_extensions,
    check_languages,
    check_result,
    fault,
    need,
)
from services.evidence.formats.xapi_types import (
    Activity,
    Actor,
    Context,
    Object,
    Statement,
    Verb,
)
from shared.errors import InvalidEvent
from shared.events import encode_json

Version = Literal["1.0.3", "2.0.0"]
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"
UTC = ZoneInfo("UTC")
_MBOX = re.compile(r"mailto:[^@\s]+@[^@\s]+")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_STATEMENT_VERSION = re.compile(r"1\.0(?:\.\d+)?|2\.0(?:\.\d+)?")
_IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")

_decode = msgspec.json.Decoder(Statement).decode
_AGENT_MEMBERS = ("name", *_IDENTIFIERS)
_OF_TYPE: dict[str, frozenset[str]] = {
    "Activity": frozenset(("objectType", "id", "definition")),
    "Agent": frozenset(("objectType", *_AGENT_MEMBERS)),
    "Group": frozenset(("objectType", "member", *_AGENT_MEMBERS)),
    "StatementRef": frozenset(("objectType", "id")),
    "SubStatement": frozenset(
        ("objectType", "actor", "verb", "object", "result", "context", "timestamp", "attachments")
    ),
}  # fmt: skip
_NOT_OF_TYPE = {
    kind: Absent(tuple(name for name in Object.__struct_fields__ if name not in members))
    for kind, members in _OF_TYPE.items()
}


def read_statement(raw: bytes, version: Version) -> Statement:
    """
    Return a statement that is valid in a version.

    Raises:
        InvalidEvent: with the reason and the pointer of the member.
    """
    statement = decoded(_decode, raw)
    try:
        check_against(raw, encode_json(statement))
    except EXTENSIONS_NOT_STORABLE as error:
        raise InvalidEvent(f"cannot be stored: {error}", reason="invalid", pointer="") from error
    check(statement, version)
    return statement


def check(statement: Statement, version: Version) -> None:
    """Walk a statement; raises as `read_statement` does."""
    if statement.id is not UNSET:
        need(is_uuid(statement.id), "/id", "is not a UUID")
    if statement.version is not UNSET:
        need(_STATEMENT_VERSION.fullmatch(statement.version) is not None, "/version", "is not 1.0.x or 2.0.x")
    if statement.stored is not UNSET:
        instant(statement.stored, "/stored", zone=UTC)
    if statement.authority is not UNSET:
        _check_authority(statement.authority)
    _check_core(statement, "", version)
    if statement.verb.id == VOIDED:
        need(statement.object.objectType == "StatementRef", "/object/objectType", "voiding names a StatementRef")


def _check_core(statement: Statement | Object, at: str, version: Version) -> None:
    """Check what statements and sub-statements have in common."""
    for name in ("actor", "verb", "object"):
        if getattr(statement, name) is UNSET:
            raise fault(f"{at}/{name}", "required", "missing_member")
    actor, verb, target = statement.actor, statement.verb, statement.object
    assert isinstance(actor, Actor)
    assert isinstance(verb, Verb)
    assert isinstance(target, Object)
    _check_actor(actor, f"{at}/actor")
    need(is_iri(verb.id), f"{at}/verb/id", "is not an IRI")
    check_languages(verb.display, f"{at}/verb/display")
    _check_object(target, f"{at}/object", version, is_sub=bool(at))
    if statement.result is not UNSET:
        check_result(statement.result, f"{at}/result")
    if statement.context is not UNSET:
        is_activity = target.objectType is UNSET or target.objectType == "Activity"
        _check_context(statement.context, f"{at}/context", version, is_activity=is_activity)
    if statement.timestamp is not UNSET:
        instant(statement.timestamp, f"{at}/timestamp", zone=UTC if version == "1.0.3" else None)
    if statement.attachments is not UNSET:
        for place, attachment in enumerate(statement.attachments):
            check_attachment(attachment, f"{at}/attachments/{place}")


def _check_actor(actor: Actor, at: str, *, only: str | None = None) -> None:
    is_group = actor.objectType == "Group"
    if only is not None and is_group != (only == "Group"):
        raise fault(f"{at}/objectType", f"must be of type {only}")
    _check_identity(actor, at, is_group=is_group)


def _check_identity(actor: Actor | Object, at: str, *, is_group: bool) -> None:
    found = [name for name in _IDENTIFIERS if getattr(actor, name) is not UNSET]
    if len(found) > 1:
        raise fault(f"{at}/{found[1]}", f"stands beside {found[0]}; one identifier is allowed", "two_identifiers")
    if not is_group:
        if actor.member is not UNSET:
            raise fault(f"{at}/member", "only a Group has members", "unknown_member")
        if not found:
            raise fault(at, f"one of {', '.join(_IDENTIFIERS)} is required", "missing_member")
    elif actor.member is UNSET:
        if not found:
            raise fault(f"{at}/member", "required in an anonymous Group", "missing_member")
    else:
        for place, member in enumerate(actor.member):
            _check_actor(member, f"{at}/member/{place}", only="Agent")
    if actor.mbox is not UNSET:
        need(_MBOX.fullmatch(actor.mbox) is not None, f"{at}/mbox", "is not mailto: and an address")
    elif actor.mbox_sha1sum is not UNSET:
        need(_SHA1.fullmatch(actor.mbox_sha1sum) is not None, f"{at}/mbox_sha1sum", "is not a SHA-1 in hex")
    elif actor.openid is not UNSET:
        need(is_iri(actor.openid), f"{at}/openid", "is not a URI")
    elif actor.account is not UNSET:
        need(is_iri(actor.account.homePage), f"{at}/account/homePage", "is not an IRL")


def _check_authority(authority: Actor) -> None:
    _check_actor(authority, "/authority")
    if authority.objectType == "Group":
        members = () if authority.member is UNSET else authority.member
        need(len(members) == 2, "/authority/member", "a Group as authority has exactly two Agents")
        named = [name for name in _IDENTIFIERS if getattr(authority, name) is not UNSET]
        if named:
            raise fault(f"/authority/{named[0]}", "a Group as authority is anonymous")


def _check_object(target: Object, at: str, version: Version, *, is_sub: bool) -> None:
    kind = "Activity" if target.objectType is UNSET else target.objectType
    surplus = _NOT_OF_TYPE[kind].first_given(target)
    if surplus is not None:
        raise fault(f"{at}/{surplus}", f"an object of type {kind} has no such member", "unknown_member")
    if kind in ("Agent", "Group"):
        _check_identity(target, at, is_group=kind == "Group")
    elif kind == "SubStatement":
        if is_sub:
            raise fault(f"{at}/objectType", "a SubStatement has no SubStatement")
        _check_core(target, at, version)
    elif target.id is UNSET:
        raise fault(f"{at}/id", "required", "missing_member")
    elif kind == "StatementRef":
        need(is_uuid(target.id), f"{at}/id", "is not a UUID")
    else:
        need(is_iri(target.id), f"{at}/id", "is not an IRI")
        if target.definition is not UNSET:
            check_definition(target.definition, f"{at}/definition")


def _check_context(context: Context, at: str, version: Version, *, is_activity: bool) -> None:
    if context.registration is not UNSET:
        need(is_uuid(context.registration), f"{at}/registration", "is not a UUID")
    if context.instructor is not UNSET:
        _check_actor(context.instructor, f"{at}/instructor")
    if context.team is not UNSET:
        _check_actor(context.team, f"{at}/team", only="Group")
    if context.language is not UNSET:
        need(is_language(context.language), f"{at}/language", "is not a language tag of RFC 5646")
    if context.statement is not UNSET:
        need(is_uuid(context.statement.id), f"{at}/statement/id", "is not a UUID")
    if not is_activity:
        for name in ("revision", "platform"):
            if getattr(context, name) is not UNSET:
                raise fault(f"{at}/{name}", "goes with an Activity as object only")
    check_extensions(context.extensions, f"{at}/extensions")
    around = context.contextActivities
    if around is not UNSET:
        for name in around.__struct_fields__:
            given = getattr(around, name)
            if given is not UNSET:
                setattr(around, name, _checked_activities(given, f"{at}/contextActivities/{name}"))
    _check_context_actors(context, at, version)


def _check_context_actors(context: Context, at: str, version: Version) -> None:
    if version == "1.0.3":
        for name in ("contextAgents", "contextGroups"):
            if getattr(context, name) is not UNSET:
                raise fault(f"{at}/{name}", "came with version 2.0", "unknown_member")
        return
    for place, agent in enumerate(context.contextAgents or ()):
        _check_actor(agent.agent, f"{at}/contextAgents/{place}/agent", only="Agent")
        _check_relevant(agent.relevantTypes, f"{at}/contextAgents/{place}/relevantTypes")
    for place, group in enumerate(context.contextGroups or ()):
        _check_actor(group.group, f"{at}/contextGroups/{place}/group", only="Group")
        _check_relevant(group.relevantTypes, f"{at}/contextGroups/{place}/relevantTypes")


def _checked_activities(given: Any, at: str) -> tuple[Activity, ...]:
    """Return the activities of one key with their types; raises as `read_statement` does."""
    if not isinstance(given, list):
        return (_checked_activity(given, at),)
    return tuple(_checked_activity(one, f"{at}/{place}") for place, one in enumerate(given))


def _checked_activity(given: Any, at: str) -> Activity:
    try:
        activity = msgspec.convert(given, Activity)
    except msgspec.ValidationError as error:
        wrong = misfit(error)
        raise InvalidEvent(wrong.detail, pointer=f"{at}{wrong.pointer}", **wrong.members) from error
    if not is_iri(activity.id):
        raise fault(f"{at}/id", "is not an IRI")
    if activity.definition is not UNSET:
        check_definition(activity.definition, f"{at}/definition")
    return activity


def _check_relevant(types: tuple[str, ...] | UnsetType, at: str) -> None:
    if types is not UNSET:
        need(len(types) > 0, at, "is empty")
        for place, text in enumerate(types):
            need(is_iri(text), f"{at}/{place}", "is not an IRI")
