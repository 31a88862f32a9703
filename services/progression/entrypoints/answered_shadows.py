"""What answers about policies in shadow look like."""

import datetime
from typing import Literal

import msgspec

from shared.contracts.internal_events import Status


class ShadowBegun(msgspec.Struct):
    """A policy version that runs in shadow."""

    policy: str
    version: str
    hash: str


class Differing(msgspec.Struct):
    """How many pairs of how many learners differ by the two statuses; null where that would tell of few."""

    live: Status
    shadow: Status
    pairs: int | None
    learners: int | None


class Shadow(msgspec.Struct):
    """A policy (its hash) in shadow: since when, how many positions behind, and how many pairs differ."""

    tenant: str
    policy: str
    framework: str
    started_by: str
    started_at: datetime.datetime
    behind: int
    differences: list[Differing]


class Difference(msgspec.Struct):
    """Where a shadow and the live policy disagree, when either says that mastery was shown, and since when they do."""

    learner: str
    competency: str
    live: Status
    shadow: Status
    live_shown_at: str | None
    shadow_shown_at: str | None
    since: datetime.datetime


class LevelChanged(msgspec.Struct):
    """A level that a learner would gain or lose."""

    learner: str
    level: str
    change: Literal["gained", "lost"]


class Differences(msgspec.Struct):
    """A page of differences, and the levels that its learners would gain or lose."""

    items: list[Difference]
    levels: list[LevelChanged]
