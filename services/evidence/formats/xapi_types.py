"""
The shape of an xAPI statement, 1.0.3 and 2.0: members and their types, strict; `xapi_statement` has the rules beyond it.

Sources: xAPI 1.0.3 Part Two (Data), 2.4; IEEE 9274.1.1-2023 (xAPI 2.0) for context agents and groups.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

LanguageMap: TypeAlias = dict[str, str]
Extensions: TypeAlias = dict[str, Any]
Number: TypeAlias = float


class Account(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An account at a system."""

    homePage: str
    name: Annotated[str, Meta(min_length=1)]


class Actor(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An Agent, or a Group, as actor, authority, instructor, team or member."""

    objectType: Literal["Agent", "Group"] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    mbox: str | UnsetType = UNSET
    mbox_sha1sum: str | UnsetType = UNSET
    openid: str | UnsetType = UNSET
    account: Account | UnsetType = UNSET
    member: "tuple[Actor, ...] | UnsetType" = UNSET


class Verb(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What was done."""

    id: str
    display: LanguageMap | UnsetType = UNSET


class Component(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A choice, step, or end of an interaction."""

    id: Annotated[str, Meta(min_length=1)]
    description: LanguageMap | UnsetType = UNSET


class Definition(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What an activity is."""

    name: LanguageMap | UnsetType = UNSET
    description: LanguageMap | UnsetType = UNSET
    type: str | UnsetType = UNSET
    moreInfo: str | UnsetType = UNSET
    extensions: Extensions | UnsetType = UNSET
    interactionType: (
        Literal[
            "true-false", "choice", "fill-in", "long-fill-in", "matching", "performance", "sequencing", "likert",
            "numeric", "other",
        ]
        | UnsetType
    ) = UNSET  # fmt: skip
    correctResponsesPattern: tuple[str, ...] | UnsetType = UNSET
    choices: tuple[Component, ...] | UnsetType = UNSET
    scale: tuple[Component, ...] | UnsetType = UNSET
    source: tuple[Component, ...] | UnsetType = UNSET
    target: tuple[Component, ...] | UnsetType = UNSET
    steps: tuple[Component, ...] | UnsetType = UNSET


class Activity(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An activity, where nothing else may stand."""

    id: str
    objectType: Literal["Activity"] | UnsetType = UNSET
    definition: Definition | UnsetType = UNSET


class Reference(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A reference to another statement."""

    objectType: Literal["StatementRef"]
    id: str


class Score(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What was scored."""

    scaled: Annotated[Number, Meta(ge=-1, le=1)] | UnsetType = UNSET
    raw: Number | UnsetType = UNSET
    min: Number | UnsetType = UNSET
    max: Number | UnsetType = UNSET


class Result(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What came of it."""

    score: Score | UnsetType = UNSET
    success: bool | UnsetType = UNSET
    completion: bool | UnsetType = UNSET
    response: str | UnsetType = UNSET
    duration: str | UnsetType = UNSET
    extensions: Extensions | UnsetType = UNSET


class ContextActivities(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Activities around the object; a single one may stand without its array."""

    parent: Any = UNSET
    grouping: Any = UNSET
    category: Any = UNSET
    other: Any = UNSET


class ContextAgent(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An agent around the statement (2.0)."""

    objectType: Literal["contextAgent"]
    agent: Actor
    relevantTypes: tuple[str, ...] | UnsetType = UNSET


class ContextGroup(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A group around the statement (2.0)."""

    objectType: Literal["contextGroup"]
    group: Actor
    relevantTypes: tuple[str, ...] | UnsetType = UNSET


class Context(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What was around it."""

    registration: str | UnsetType = UNSET
    instructor: Actor | UnsetType = UNSET
    team: Actor | UnsetType = UNSET
    contextActivities: ContextActivities | UnsetType = UNSET
    revision: str | UnsetType = UNSET
    platform: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    statement: Reference | UnsetType = UNSET
    extensions: Extensions | UnsetType = UNSET
    contextAgents: tuple[ContextAgent, ...] | UnsetType = UNSET
    contextGroups: tuple[ContextGroup, ...] | UnsetType = UNSET


class Attachment(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is attached; its content comes in a part of the request, or lies at `fileUrl`."""

    usageType: str
    display: LanguageMap
    contentType: str
    length: int
    sha2: str
    description: LanguageMap | UnsetType = UNSET
    fileUrl: str | UnsetType = UNSET


class Object(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Any of Activity, Agent, Group, StatementRef and SubStatement; the walk says which members go with which."""

    objectType: Literal["Activity", "Agent", "Group", "StatementRef", "SubStatement"] | UnsetType = UNSET
    id: str | UnsetType = UNSET
    definition: Definition | UnsetType = UNSET
    name: str | UnsetType = UNSET
    mbox: str | UnsetType = UNSET
    mbox_sha1sum: str | UnsetType = UNSET
    openid: str | UnsetType = UNSET
    account: Account | UnsetType = UNSET
    member: tuple[Actor, ...] | UnsetType = UNSET
    actor: Actor | UnsetType = UNSET
    verb: Verb | UnsetType = UNSET
    object: "Object | UnsetType" = UNSET
    result: Result | UnsetType = UNSET
    context: Context | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    attachments: tuple[Attachment, ...] | UnsetType = UNSET


class Statement(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A statement."""

    actor: Actor
    verb: Verb
    object: Object
    id: str | UnsetType = UNSET
    result: Result | UnsetType = UNSET
    context: Context | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    stored: str | UnsetType = UNSET
    authority: Actor | UnsetType = UNSET
    version: str | UnsetType = UNSET
    attachments: tuple[Attachment, ...] | UnsetType = UNSET
