"""The members of a policy; what each means when it is left out is its default, and that is: no such rule."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.progression.domain.methods import Method
from shared.contracts.internal_events import Competency, Kind

Role = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,39}$")]
Code = Annotated[str, Field(min_length=1, max_length=300)]


def fault(pointer: str, text: str) -> PydanticCustomError:
    """Return the error of a rule between members; `pointer` is relative to the member that raises it."""
    return PydanticCustomError("policy", "{text}", {"text": text, "pointer": pointer})


class Part(BaseModel):
    """The base of every part of a policy: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Scale(Part):
    """
    The scale that values are on; `mastery` is its cut. Without a scale a value is the share of full marks.

    `step` is the grid that marks are given on: values are never rounded to it. `labels` names points of the scale, so that a
    level given as one of these words can be placed.
    """

    min: float = 0.0
    max: float
    step: float | None = Field(None, gt=0)
    mastery: float
    labels: dict[str, Annotated[str, Field(min_length=1, max_length=100)]] = {}

    @model_validator(mode="after")
    def _ordered(self) -> "Scale":
        if not self.min < self.mastery <= self.max:
            raise ValueError("the order is min < mastery <= max")
        for point in self.labels:
            try:
                placed = float(point)
            except ValueError:
                placed = float("nan")
            if not self.min <= placed <= self.max:
                raise fault("/labels", f"{point!r} is not a point of the scale")
        if len({name.casefold() for name in self.labels.values()}) < len(self.labels):
            raise fault("/labels", "two points have the same label")
        return self


class Normalise(Part):
    """
    The map from the share of full marks to the scale: straight lines between anchors (share, value), flat outside.

    Source: the cut-anchored map that Canvas applies where an alignment has a cut of its own.
    """

    anchors: tuple[tuple[float, float], ...] = Field(min_length=2, max_length=20)

    @model_validator(mode="after")
    def _rising(self) -> "Normalise":
        pairs = list(zip(self.anchors, self.anchors[1:], strict=False))
        if any(b[0] <= a[0] or b[1] < a[1] for a, b in pairs):
            raise fault("/anchors", "the shares rise and the values do not fall from anchor to anchor")
        return self


class Window(Part):
    """Which pieces are looked at: those since a date, the last so many, or both."""

    last: int | None = Field(None, ge=1, le=200)
    since: datetime.date | None = None


class EvidenceRules(Part):
    """
    Which pieces count and for how much; accommodations are never looked at.

    `kinds` are weights by kind of evidence, 1 where not named; a weight of 0 never counts. `collapse` makes one piece of the
    rows that one activity gave on one occasion and attempt, valued by points; `canvas_compat` gives each row that value and
    keeps them all, as Canvas does. `reassess` says what a later attempt at the same activity does to the earlier. `assisted`
    is help with the construct itself. `missing: min` counts work marked as missing as the lowest value. Quizzes of fewer
    than `min_items` items are half a piece.
    """

    kinds: dict[Kind, Annotated[float, Field(ge=0, le=10)]] = {}
    collapse: Literal["none", "activity_occasion", "canvas_compat"] = "none"
    reassess: Literal["append", "replace_latest", "replace_best"] = "append"
    assisted: Literal["exclude", "half", "incorrect"] = "exclude"
    missing: Literal["ignore", "min"] = "ignore"
    window: Window | None = None
    min_items: int | None = Field(None, ge=2, le=200)


class Depth(Part):
    """
    Depth of knowledge: at least `count` pieces at `level` or deeper, the standard's own level where none is given.

    With `when_tagged` pieces without a tag never stand in the way: nothing is asked where no piece has one.
    """

    level: int | None = Field(None, ge=1, le=4)
    count: int = Field(1, ge=1, le=100)
    when_tagged: bool = False


class Sufficiency(Part):
    """
    How much must have been seen before a score means anything.

    An occasion is a local school day with evidence, or, with `occasion_gap_h`, a time at least so long after the start of
    the last. `kinds_all` must each be among the pieces. `min_items` adds up the items of quizzes; other pieces count as one.
    Pieces older than `max_age_days` at the time of the latest do not count towards any of this.
    """

    min_evidence: int = Field(1, ge=1, le=1000)
    min_activities: int = Field(1, ge=1, le=100)
    min_occasions: int = Field(1, ge=1, le=100)
    occasion: Literal["school_day"] = "school_day"
    occasion_gap_h: float | None = Field(None, gt=0, le=24 * 366)
    min_assessors: int = Field(0, ge=0, le=10)
    min_items: int = Field(0, ge=0, le=10_000)
    kinds_all: tuple[Kind, ...] = ()
    dok: Literal["when_tagged"] | Depth | tuple[Depth, ...] = ()
    max_age_days: int | None = Field(None, ge=1, le=3660)

    @property
    def depths(self) -> tuple[Depth, ...]:
        """The depth rules, however they are written."""
        if self.dok == "when_tagged":
            return (Depth(when_tagged=True),)
        return (self.dok,) if isinstance(self.dok, Depth) else self.dok

    def lasting(self, days: int) -> "Sufficiency":
        """Return the same where pieces count for so many days longer."""
        longer = {"max_age_days": self.max_age_days + days} if self.max_age_days is not None else {}
        return self.model_copy(update=longer)


class SignOff(Part):
    """A person's confirmation: `by` whom, and `of` what where the path has no method of its own."""

    by: Role
    of: Literal["provisional"] | None = None


class Path(Part):
    """One way to show it: a method that is met on sufficient evidence, a sign-off, or both."""

    method: Method | None = None
    sufficiency: Sufficiency = Sufficiency()
    sign_off: SignOff | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Path":
        confirms = self.sign_off is not None and self.sign_off.of is not None
        if self.method is None and not confirms:
            raise fault("/method", "a path has a method, or a sign_off of provisional")
        if self.method is not None and confirms:
            raise fault("/sign_off/of", "a path with a method signs that method off; leave `of` out")
        if self.method is None and self.sufficiency != Sufficiency():
            raise fault("/sufficiency", "a path without a method has no sufficiency of its own")
        return self


class Mastered(Part):
    """Any one of the paths shows mastery."""

    any_of: tuple[Path, ...] = Field(min_length=1, max_length=10)


class Decision(Part):
    """
    The bar, and what a crossing does.

    Without `at_least` the method's own cut decides, as it does of a provisional path always. `rounding` rounds the score half
    up before it is compared and shown. `current` follows the value, `first_crossing` keeps it, `confirm` waits for `confirm_on`
    further pieces that meet the rule.
    """

    at_least: float | None = None
    rounding: str = Field("none", pattern=r"^(none|half_up_[0-6])$")
    min_probability: float | None = Field(None, gt=0, lt=1)
    latch: Literal["current", "first_crossing", "confirm"] = "current"
    confirm_on: int = Field(1, ge=1, le=10)

    @property
    def bar(self) -> float | None:
        """What the score has to reach, None where the method's own cut decides."""
        return max((bar for bar in (self.at_least, self.min_probability) if bar is not None), default=None)

    @property
    def by_own_cuts(self) -> "Decision":
        """The same for a path that the cut of its own method decides."""
        return self.model_copy(update={"at_least": None, "min_probability": None})

    @property
    def digits(self) -> int | None:
        """Digits after the point that scores are rounded to, None for no rounding."""
        return None if self.rounding == "none" else int(self.rounding[-1])


class Contradiction(Part):
    """The last `last` pieces, all newer than the crossing, below the value `below`."""

    last: int = Field(ge=1, le=20)
    below: float


class Upkeep(Part):
    """
    What makes a mastered competency due for a re-check, and what spares one.

    `reverify_after_days` are school days. `by_use`: success on a competency that needs this one is a re-check.
    `check_in_by_use`: where the first two pieces on one that needs it are both below the cut, this one is due. At most
    `max_per_week` are asked of a learner.
    """

    on_contradiction: Contradiction | None = None
    reverify_after_days: int | None = Field(None, ge=1, le=3660)
    by_use: bool = False
    check_in_by_use: bool = False
    max_per_week: int | None = Field(None, ge=0, le=50)
    on_lapse: Literal["reverify", "none"] = "reverify"


class Override(Part):
    """Who may set a standing by hand, whether a reason is asked, for how long it holds, and whether it may lower."""

    roles: tuple[Role, ...] = Field(min_length=1, max_length=20)
    reason: bool = True
    expires_days: int | None = Field(None, ge=1, le=3660)
    may_lower: bool = False


class Selector(Part):
    """Which competencies a policy is for: those that fit every member given."""

    framework: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    subject: tuple[Code, ...] = Field((), max_length=100)
    level: tuple[Code, ...] = Field((), max_length=100)
    competencies: tuple[Code, ...] = Field((), max_length=2000)
    power: bool | None = None

    @property
    def says(self) -> int:
        """How much it says: naming competencies more than a level, that more than a subject, that more than power alone."""
        members = (self.framework is not None, self.power is not None, self.subject, self.level, self.competencies)
        return sum(2**place for place, given in enumerate(members) if given)

    def fits(self, competency: str, entry: Competency | None) -> bool:
        """Tell whether a competency (full id, and what its framework says of it) is one of those meant."""
        framework, _, code = competency.partition(":")
        if self.framework not in (None, framework):
            return False
        if self.competencies and competency not in self.competencies and code not in self.competencies:
            return False
        if not (self.subject or self.level or self.power is not None):
            return True
        return (
            entry is not None
            and (not self.subject or entry.subject in self.subject)
            and (not self.level or entry.level in self.level)
            and self.power in (None, entry.power)
        )
