"""What answers on policies, frameworks, terms and settings look like of which no type of the domain is made."""

import datetime
from typing import Any, Literal

import msgspec


class Problem(msgspec.Struct):
    """What is the matter with a policy: an error is refused, a warning is the district's to weigh."""

    severity: Literal["error", "warning"]
    pointer: str
    text: str


class PolicyChecked(msgspec.Struct):
    """A policy version, and what is the matter with it."""

    policy: str
    version: str
    hash: str
    problems: list[Problem]


class PolicySet(PolicyChecked):
    """A policy version that is in force, and the position of that in each shard."""

    positions: dict[str, str]


class PolicyApproved(msgspec.Struct):
    """A policy version that is adopted, by which batch, and the position of that in each shard."""

    policy: str
    version: str
    batch: str
    positions: dict[str, str]


class PolicyStored(msgspec.Struct):
    """A policy version, as the published schema has it."""

    hash: str
    content: dict[str, Any]


class Scale(msgspec.Struct):
    """The marks of a policy."""

    min: float
    max: float
    step: float | None
    labels: dict[str, str]


class PolicyInForce(msgspec.Struct):
    """
    A policy that decides: six sentences, what it asks, its marks, the proposal by which it was adopted, and in which frameworks
    it decides what was asked for.
    """

    id: str
    version: str
    hash: str
    sentences: list[str]
    asks: list[str]
    scale: Scale | None
    adoption: dict[str, Any] | None
    frameworks: list[str] = []


class TermClosed(msgspec.Struct):
    """A term that is closed."""

    term: str
    closed_at: str
    closed_by: str


class SchoolBreak(msgspec.Struct):
    """Days without school, the first and the last among them."""

    first: datetime.date
    last: datetime.date


class ChangeFreeze(msgspec.Struct):
    """Days on which no policy is adopted, the first and the last among them."""

    first: datetime.date
    last: datetime.date


class Set(msgspec.Struct):
    """The settings of a tenant."""

    time_zone: str
    breaks: list[SchoolBreak]
    freezes: list[ChangeFreeze] = []


class Migrated(msgspec.Struct):
    """What becomes of the version before; the lists name the first."""

    kept: int
    new: int
    moved: int
    moves: list[dict[str, Any]]
    retired: int
    retired_codes: list[str]


class Imported(msgspec.Struct):
    """A framework version: how much is in it, what becomes of the one before, and what is the matter with it."""

    framework: str
    version: str
    title: str
    competencies: int
    associations: int
    prerequisites: int
    levels: dict[str, int]
    migration: Migrated
    problems: list[str]
