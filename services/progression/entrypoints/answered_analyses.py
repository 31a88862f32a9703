"""What answers of analyses look like: of policies that are compared, proposed, or held against evidence."""

import datetime
from typing import Literal

import msgspec

from services.progression.domain.rules import Mode
from services.progression.entrypoints.answered_rules import PolicyChecked
from shared.contracts.internal_events import Status


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


class ReachOfPart(msgspec.Struct):
    """How far a policy reaches among standards of a subject and grade; null where that would tell of few."""

    subject: str
    grade: str
    learners: int | None
    pairs: int | None
    decidable: float | None
    undecided_by: dict[str, float | None]


class Compared(msgspec.Struct):
    """
    What a policy would do to pairs of learner and competency; `subjects` says which of them could be decided then.

    What was compared by an earlier version may be without `levels`, `subjects`, `suppressed_below` and numbers of learners.
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
    subjects: list[ReachOfPart] | msgspec.UnsetType = msgspec.UNSET


class PolicyCompared(Compared, kw_only=True):
    """A policy version, and what it would do."""

    policy: str
    version: str
    hash: str


class PolicyReach(PolicyChecked, kw_only=True):
    """
    Of which pairs of learner and competency, with evidence, a policy could say anything: shares of them.

    `undecided_by` is by the gate that a pair lacks, and one may lack several. A number that would tell of few is null.
    """

    suppressed_below: int
    learners: int | None
    pairs: int | None
    decidable: float | None
    undecided_by: dict[str, float | None]
    subjects: list[ReachOfPart]


class Proposed(msgspec.Struct):
    """A proposal with what it is foreseen to do: how many events of a type, and the comparison."""

    id: str
    policy: str
    version: str
    mode: Mode
    expected: dict[str, int | None]
    comparison: Compared


class Proposal(msgspec.Struct):
    """
    What was proposed, by whom, what it replaces (`policy`, `replaced`: hashes), and who has approved it.

    `now_because` says why it was adopted in a change freeze.
    """

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
    now_because: str | None = None


class SplitHalf(msgspec.Struct):
    """
    Whether the means of the odd and of the even pieces are on the same side of the scale's cut: a share of pairs, and the same
    beyond chance (kappa, -1..1); and the reliability of the mean of all pieces, 0..1 (Spearman-Brown). Null where all are alike.

    It is of the evidence and that cut, whatever the policy makes of them.
    """

    agreement: float
    kappa: float | None
    reliability: float | None


class Replayed(msgspec.Struct):
    """
    Of how many pairs the policy can decide either half of the evidence, the share of which it decides both alike, and the same
    beyond chance (kappa); null where all are alike. A half is less than the policy decides on, so the whole is mostly surer.
    """

    pairs: int
    agreement: float
    kappa: float | None


class Classification(msgspec.Struct):
    """
    What the scale's cut on a mean of all pieces would do (Livingston and Lewis), in shares of all pairs: right, alike if all were
    done again, passing wrongly and held back wrongly. Not what the policy does, whose method may be another.
    """

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
    """
    How the verdicts before the first piece of an outside test agree with that: `false_advance` is the share below the cut there
    of those that were on the record, `false_hold` the share at it of the others.
    """

    source: str
    pairs: int
    agreement: float
    kappa: float | None
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
    """
    How marks of one learner vary about the level, in squared points of a rubric, from so many differences of successive marks;
    the share of pieces that are retakes, and of the variance that is the task's, null where retakes are too few to tell.
    """

    differences: int
    variance: float
    retakes: float
    task_share: float | None


class Audited(msgspec.Struct):
    """
    How far the verdicts of a policy on evidence alone can be trusted; a figure is null where there is too little for it.

    `shown` are pairs whose evidence is enough without what people decided, such as a sign-off that the policy asks for: of a
    policy that always asks for one there are none. `fragile` is the share of them that a single piece less would take off,
    `over_testing_index` the share of all pieces that came while they were shown, unless a re-check asked for it.
    """

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
    replayed: Replayed | None = None
