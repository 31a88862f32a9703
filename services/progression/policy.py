"""
The policy language: what counts as mastery, in a file that people can read.

What is left out means no such rule. Members of the language that are not built yet are refused by name, never ignored.
A version of a policy is the SHA-256 of its content in canonical form; every decision pins the version it used.
"""

import functools
import hashlib
from typing import Any, Literal

import msgspec
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.progression.methods import METHOD_TAGS, BayesianKnowledgeTracing, Both, Method, Value
from shared.contracts import Score
from shared.errors import InvalidEvent

POLICY_BYTES_MAX = 64 * 1024
NOT_BUILT_MEMBERS = frozenset(
    (
        "provisional", "mastered", "sign_off", "override", "stuck", "support", "applies_to", "normalise", "advancement",
        "settle", "effective_from", "supersedes", "version", "compat",
        "evidence.kinds", "evidence.collapse", "evidence.reassess", "evidence.missing", "evidence.window",
        "evidence.min_items", "sufficiency.kinds_all", "sufficiency.min_assessors",
        "sufficiency.max_age_days", "sufficiency.occasion_gap_h", "sufficiency.min_items", "decision.rounding",
        "decision.min_probability", "decision.confirm_on", "upkeep.reverify_after_days", "upkeep.half_life_days",
        "upkeep.on_lapse", "upkeep.by_use", "upkeep.max_per_week", "method.params",
    )
)  # fmt: skip

NOT_BUILT_VALUES = {
    "decision.latch": ("confirm",),
    "gating": ("soft", "hard"),
    "evidence.assisted": ("incorrect", "half"),
    "sufficiency.dok": ("when_tagged",),
}


class Part(BaseModel):
    """The base of every part of a policy: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Scale(Part):
    """The scale that values are on; `mastery` is its cut. Without a scale a value is the share of full marks."""

    min: float = 0.0
    max: float
    step: float | None = Field(None, gt=0)
    mastery: float

    @model_validator(mode="after")
    def _ordered(self) -> "Scale":
        if not self.min < self.mastery <= self.max:
            raise ValueError("the order is min < mastery <= max")
        return self


class EvidenceRules(Part):
    """Which pieces count: work with assistance on the construct itself does not; accommodations never matter."""

    assisted: Literal["exclude"] = "exclude"


class Depth(Part):
    """At least `count` pieces at a depth of knowledge (1 to 4) or below it."""

    level: int = Field(ge=1, le=4)
    count: int = Field(1, ge=1, le=100)


class Sufficiency(Part):
    """How much must have been seen before a score means anything; an occasion is a day (UTC) with evidence."""

    min_evidence: int = Field(1, ge=1, le=1000)
    min_activities: int = Field(1, ge=1, le=100)
    min_occasions: int = Field(1, ge=1, le=100)
    occasion: Literal["school_day"] = "school_day"
    dok: tuple[Depth, ...] = Field((), max_length=4)


class Decision(Part):
    """The bar, and what a crossing does: `current` follows the value, `first_crossing` keeps it."""

    at_least: float | None = None
    latch: Literal["current", "first_crossing"] = "current"


class Contradiction(Part):
    """The last `last` pieces, all newer than the crossing, below the value `below`."""

    last: int = Field(ge=1, le=20)
    below: float


class Upkeep(Part):
    """What makes a mastered competency due for a re-check."""

    on_contradiction: Contradiction | None = None


class Policy(Part):
    """One policy: how evidence becomes a value, and the value a standing."""

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    scale: Scale | None = None
    evidence: EvidenceRules = EvidenceRules()
    method: Method
    sufficiency: Sufficiency = Sufficiency()
    decision: Decision = Decision()
    upkeep: Upkeep = Upkeep()
    gating: Literal["advisory"] = "advisory"
    rationale: str = Field("", max_length=4000)

    @model_validator(mode="after")
    def _bar_is_reachable(self) -> "Policy":
        method = self.method.first if isinstance(self.method, Both) else self.method
        if isinstance(method, BayesianKnowledgeTracing):
            bar = 0.95 if self.decision.at_least is None else self.decision.at_least
            if bar > 1 - method.p_f:
                raise ValueError(f"with p_f = {method.p_f} the probability never reaches {bar}")
        return self

    @model_validator(mode="after")
    def _method_knows_the_scale(self) -> "Policy":
        low, high = (0.0, 1.0) if self.scale is None else (self.scale.min, self.scale.max)
        # The model is frozen for everyone else.
        self.__dict__["method"] = self.method.on_scale(low, high)
        return self

    @functools.cached_property
    def hash(self) -> str:
        """The SHA-256 of the policy's content in canonical form, hex."""
        content = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()

    @property
    def version(self) -> str:
        """The short form of the hash that people see."""
        return self.hash[:12]

    @functools.cached_property
    def watches(self) -> bool:
        """Whether pieces after the crossing can make it due for a re-check."""
        return self.decision.latch == "current" or self.upkeep.on_contradiction is not None

    @functools.cached_property
    def cut(self) -> float:
        """The value from which a piece is correct: the scale's mastery, or full marks."""
        return self.scale.mastery if self.scale is not None else 1.0

    def value(self, score: Score) -> Value | None:
        """
        Put a score on the policy's scale, the share capped at 1; None where the score cannot be placed.

        A `level` is taken as a point of the policy's own scale; a negative `scaled` is the scale's minimum.
        """
        if score.level is not None:
            if self.scale is None or isinstance(score.level, str):
                return None
            placed = min(max(float(score.level), self.scale.min), self.scale.max)
            return Value(placed, placed >= self.cut)
        if score.raw is not None and score.max is not None:
            share = (score.raw - score.min) / (score.max - score.min)
        elif score.scaled is not None:
            share = score.scaled
        else:
            return None
        share = 0.0 if share < 0 else 1.0 if share > 1 else share
        scale = self.scale
        placed = share if scale is None else scale.min + share * (scale.max - scale.min)
        return Value(placed, placed >= self.cut)


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: a few of them can stand for more than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not part of a policy")
        return super().compose_node(parent, index)


def read_policy(text: bytes) -> Policy:
    """
    Read a policy from JSON or YAML.

    Raises:
        InvalidEvent: not readable, not of the language, or of a part of it that is not built; with a pointer.
    """
    if len(text) > POLICY_BYTES_MAX:
        raise InvalidEvent(f"a policy is at most {POLICY_BYTES_MAX} bytes")
    try:
        content = yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"the policy is neither JSON nor YAML: {' '.join(str(error).split())}") from error
    return policy_from(content)


def policy_from(content: Any) -> Policy:
    """Make a policy of decoded content; raises `InvalidEvent` as `read_policy` does."""
    if not isinstance(content, dict):
        raise InvalidEvent("a policy is an object with at least id and method", pointer="")
    _refuse_not_built(content)
    try:
        return Policy.model_validate_json(msgspec.json.encode(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        places = [part for part in first["loc"] if part not in METHOD_TAGS]
        raise InvalidEvent(first["msg"], pointer="".join(f"/{place}" for place in places)) from error
    except (msgspec.MsgspecError, TypeError) as error:
        raise InvalidEvent(f"the policy has a value that JSON does not have: {error}") from error


def _refuse_not_built(content: dict[str, Any]) -> None:
    """Refuse members and values that the language has and this version does not, by name."""
    given = {str(name): member for name, member in content.items()}
    for name, member in content.items():
        if isinstance(member, dict):
            given |= {f"{name}.{child}": value for child, value in member.items()}
    for path, value in given.items():
        pointer = "/" + path.replace(".", "/")
        if path in NOT_BUILT_MEMBERS:
            raise InvalidEvent(f"{path} is not built yet", pointer=pointer)
        if isinstance(value, str) and value in NOT_BUILT_VALUES.get(path, ()):
            raise InvalidEvent(f"{path}: {value} is not built yet", pointer=pointer)
