"""What answers of analyses look like: of policies that are compared, proposed, in shadow or in force, and of corrections."""

import datetime
from typing import Literal

import msgspec

from services.progression.domain.rules import Mode
from shared.contracts import Score, Status
from shared.foreseen import EventForeseen, StatusChange


class OfSchool(msgspec.Struct):
    """What learners of a school gain and lose; null where that would tell of few."""

    school: str
    learners: int | None
    gained: int | None
    lost: int | None


class OfGroup(msgspec.Struct):
    """What learners with a value in a group gain and lose; null where that would tell of few."""

    group: str
    value: str
    learners: int | None
    gained: int | None
    lost: int | None


class OfLevel(msgspec.Struct):
    """How many learners gain and lose a level; null where that would tell of few."""

    level: str
    gained: int | None
    lost: int | None


class OfCompetency(msgspec.Struct):
    """How many pairs of a competency there are, and are gained and lost; null where that would tell of few."""

    competency: str
    pairs: int | None
    gained: int | None
    lost: int | None


class LevelsCompared(msgspec.Struct):
    """How many learners would gain or lose a level, by level, school and group."""

    suppressed_below: int
    learners: int | None
    learners_gaining: int | None
    learners_losing: int | None
    items: list[OfLevel]
    schools: list[OfSchool]
    groups: list[OfGroup]


class Move(msgspec.Struct):
    """How many pairs would have another status; `learners` are those behind them."""

    from_: Status = msgspec.field(name="from")
    to: Status
    pairs: int | None
    learners: int | msgspec.UnsetType | None = msgspec.UNSET


class Decidable(msgspec.Struct):
    """The share of pairs that can be decided."""

    before: float | None
    after: float | None


class UndecidedBy(msgspec.Struct):
    """The share of pairs that a gate keeps from being decided, by gate."""

    before: dict[str, float | None]
    after: dict[str, float | None]


class Compared(msgspec.Struct):
    """
    What a policy would do to pairs of learner and competency.

    What was compared by an earlier version may be without `levels`, `suppressed_below` and numbers of learners.
    """

    learners: int | None
    pairs: int | None
    gained: int | None
    lost: int | None
    redated: int | None
    decidable: Decidable
    undecided_by: UndecidedBy
    moves: list[Move]
    competencies: list[OfCompetency]
    schools: list[OfSchool]
    groups: list[OfGroup]
    suppressed_below: int | msgspec.UnsetType = msgspec.UNSET
    learners_gaining: int | msgspec.UnsetType | None = msgspec.UNSET
    learners_losing: int | msgspec.UnsetType | None = msgspec.UNSET
    learners_redated: int | msgspec.UnsetType | None = msgspec.UNSET
    levels: LevelsCompared | msgspec.UnsetType = msgspec.UNSET


class PolicyCompared(Compared, kw_only=True):
    """A policy version, and what it would do."""

    policy: str
    version: str
    hash: str


class Proposed(msgspec.Struct):
    """A proposal with what it is foreseen to do: how many events of a type, and the comparison."""

    id: str
    policy: str
    version: str
    mode: Mode
    expected: dict[str, int | None]
    comparison: Compared


class Proposal(msgspec.Struct):
    """What was proposed, by whom, what it replaces (`policy`, `replaced`: hashes), and who has approved it."""

    tenant: str
    id: str
    policy: str
    replaced: str
    framework: str
    mode: Mode
    reason: str
    expected: dict[str, int | None]
    proposed_by: str
    proposed_at: datetime.datetime
    approved_by: str | None
    approved_at: datetime.datetime | None
    comparison: Compared | None


class ShadowBegun(msgspec.Struct):
    """A policy version that runs in shadow."""

    policy: str
    version: str
    hash: str


class Differing(msgspec.Struct):
    """How many pairs differ by the two statuses; null where that would tell of few."""

    live: Status
    shadow: Status
    pairs: int | None


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


class SplitHalf(msgspec.Struct):
    """Agreement of the halves of the evidence, the same beyond chance, and reliability at full length."""

    agreement: float
    kappa: float
    reliability: float


class Classification(msgspec.Struct):
    """Accuracy and consistency of the cut (Livingston and Lewis), and the shares that it is wrong about."""

    accuracy: float
    consistency: float
    false_advance: float
    false_hold: float


class Redundancy(msgspec.Struct):
    """The share of pieces that could hardly have changed a status when given: while mastery was shown, and otherwise."""

    pieces: int
    share: float
    shown: float
    unshown: float


class Outside(msgspec.Struct):
    """How the verdicts agree with an outside test."""

    source: str
    pairs: int
    agreement: float
    kappa: float
    false_advance: float | None
    false_hold: float | None


class Bias(msgspec.Struct):
    """An activity that is harder for a group than for the largest of its dimension, as far as `delta`, graded as ETS does."""

    competency: str
    activity: str
    group: str
    focal: str
    reference: str
    learners: int
    delta: float
    grade: Literal["B", "C"]


class Noise(msgspec.Struct):
    """How many differences there are of two marks, their variance, and what of it is the task."""

    differences: int
    variance: float
    retakes: float
    task_share: float | None


class Audited(msgspec.Struct):
    """How far the verdicts of a policy can be trusted; a figure is null where there is too little for it."""

    policy: str
    version: str
    pairs_in_halves: int
    split_half: SplitHalf | None
    classification: Classification | None
    shown: int
    fragile: float | None
    over_testing_index: float | None
    redundancy: Redundancy | None
    outside: Outside | None
    bias: list[Bias]
    noise: Noise | None


class StatusMove(msgspec.Struct):
    """How many pairs would have another status."""

    from_: Status = msgspec.field(name="from")
    to: Status
    pairs: int


class SchoolCorrected(msgspec.Struct):
    """What a correction would do in a school; null where that would tell of few."""

    school: str
    learners: int | None
    withdrawn: int | None
    reviews: int | None


class ToCorrect(msgspec.Struct):
    """A piece to be corrected; with new scores also whose it is at its source, and the id and score that it is to have."""

    source: str
    id: str
    evidence_id: str | msgspec.UnsetType = msgspec.UNSET
    learner: str | msgspec.UnsetType | None = msgspec.UNSET
    as_: str | msgspec.UnsetType = msgspec.field(name="as", default=msgspec.UNSET)
    score: Score | msgspec.UnsetType = msgspec.UNSET


class Withdrawal(msgspec.Struct):
    """A competency that a learner would lose."""

    learner: str
    scope: str


class Forecast(msgspec.Struct):
    """What a correction would do, and the pieces in the order in which to correct them."""

    pieces: int
    learners: int
    pairs: int
    events: dict[str, int]
    statuses: list[StatusMove]
    schools: list[SchoolCorrected]
    items: list[ToCorrect]
    withdrawn: list[Withdrawal]


class Foreseen(msgspec.Struct):
    """Every status and event that would change for one learner."""

    pieces: list[str]
    statuses: list[StatusChange]
    events: list[EventForeseen]


class Correction(Foreseen):
    """The same for the learner who has the piece, and for the one `to` whom it is given, where it is."""

    to: Foreseen | msgspec.UnsetType = msgspec.UNSET


class Redriven(msgspec.Struct):
    """The position of the decision in each shard."""

    positions: dict[str, str]
