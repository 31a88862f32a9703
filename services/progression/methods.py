"""
The mastery methods: how a running score follows from a sequence of values.

Each is a frozen pydantic model of its parameters (the policy language's member `method`) with a forward step over a small
immutable state: `start`, `step`, `score`, and `passed`, the method's own cut for policies without `decision.at_least`.
A replay is the same steps in canonical order, so incremental and replayed states are equal to the last bit.
"""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

State = tuple[Any, ...]


class Value(NamedTuple):
    """
    One piece as a method sees it: on the policy's scale (a share of full marks without one), and at the cut or not.

    `first` tells a first attempt, `judged` a value that a person gave, `item` the activity it comes from.
    """

    value: float
    correct: bool
    weight: float = 1.0
    first: bool = True
    judged: bool = False
    item: str = ""


class Parameters(BaseModel):
    """The base of every method's parameters: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def window(self) -> int:
        """Return how many of the latest pieces a crossing rests on, for its receipt (at most 20)."""
        return 20


class Streak(Parameters):
    """
    N in a row: score 1 when the last `n` pieces are correct, else run / n.

    Source: N-consecutive-correct-responses as in ASSISTments skill builders (Kelly, Wang, Thompson & Heffernan 2015).
    """

    type: Literal["streak"]
    n: int = Field(ge=1, le=100)

    def window(self) -> int:
        return min(self.n, 20)

    def start(self) -> State:
        return (0,)

    def step(self, state: State, piece: Value) -> State:
        return (state[0] + 1,) if piece.correct else (0,)

    def score(self, state: State) -> float:
        run: int = state[0]
        return 1.0 if run >= self.n else run / self.n

    def passed(self, state: State, mastery: float) -> bool:
        return bool(state[0] >= self.n)


class DecayingAverage(Parameters):
    """
    Recursive decaying average: d1 = s1, dk = (1 - weight) d(k-1) + weight sk.

    Source: the "decaying average" of Mastery Connect and Canvas' standard_decaying_average; 2, 3, 4 at 0.65 gives 3.5275.
    """

    type: Literal["sda"]
    weight: float = Field(gt=0, le=1)

    def start(self) -> State:
        return ()

    def step(self, state: State, piece: Value) -> State:
        if not state:
            return (piece.value,)
        return ((1 - self.weight) * state[0] + self.weight * piece.value,)

    def score(self, state: State) -> float:
        return float(state[0])

    def passed(self, state: State, mastery: float) -> bool:
        return bool(state[0] >= mastery)


class NOfLast(Parameters):
    """
    N of the last `window` pieces at or above a value: score = hits / n, 1 at most.

    Source: the "2 of the last 3" rule of standards-based grading guides; a window of n is N in a row.
    """

    type: Literal["n_of_last"]
    n: int = Field(ge=1, le=100)
    window_: int = Field(alias="window", ge=1, le=100)
    at_or_above: float

    @model_validator(mode="after")
    def _reachable(self) -> "NOfLast":
        if self.n > self.window_:
            raise ValueError(f"n = {self.n} can never be reached in a window of {self.window_}")
        return self

    def window(self) -> int:
        return min(self.window_, 20)

    def start(self) -> State:
        return ()

    def step(self, state: State, piece: Value) -> State:
        return (*state[-(self.window_ - 1) :], piece.value >= self.at_or_above) if self.window_ > 1 else (
            piece.value >= self.at_or_above,
        )  # fmt: skip

    def score(self, state: State) -> float:
        return min(1.0, sum(state) / self.n)

    def passed(self, state: State, mastery: float) -> bool:
        return sum(state) >= self.n


class BayesianKnowledgeTracing(Parameters):
    """
    Bayesian Knowledge Tracing; the score is P(L) after the transition of the last opportunity.

    The state is the pair (L, u = 1 - L), each by its own formula: after a long run of right answers L alone rounds to 1
    and sticks there.

    Source: Corbett & Anderson 1995, with forgetting as in pyBKT; mastered at 0.95 where a policy gives no bar.
    """

    type: Literal["bkt"]
    p_l0: float = Field(ge=0, le=1)
    p_t: float = Field(ge=0, le=1)
    p_g: float = Field(gt=0, lt=1)
    p_s: float = Field(gt=0, lt=1)
    p_f: float = Field(0.0, ge=0, le=1)

    def start(self) -> State:
        return (self.p_l0, 1.0 - self.p_l0)

    def step(self, state: State, piece: Value) -> State:
        known, unknown = state
        if piece.correct:
            known, unknown = known * (1 - self.p_s), unknown * self.p_g
        else:
            known, unknown = known * self.p_s, unknown * (1 - self.p_g)
        total = known + unknown
        known, unknown = known / total, unknown / total
        return (known * (1 - self.p_f) + unknown * self.p_t, unknown * (1 - self.p_t) + known * self.p_f)

    def score(self, state: State) -> float:
        return float(state[0])

    def passed(self, state: State, mastery: float) -> bool:
        return bool(state[0] >= 0.95)


class MeanOfLast(Parameters):
    """The mean of the last `k` pieces; at or above a value once there are `k`."""

    type: Literal["mean_of_last"]
    k: int = Field(ge=1, le=100)
    at_or_above: float

    def window(self) -> int:
        return min(self.k, 20)

    def start(self) -> State:
        return ()

    def step(self, state: State, piece: Value) -> State:
        return (*state, piece.value)[-self.k :]

    def score(self, state: State) -> float:
        return sum(state) / len(state)

    def passed(self, state: State, mastery: float) -> bool:
        return len(state) == self.k and self.score(state) >= self.at_or_above


class LatestAtOrAbove(Parameters):
    """The latest piece at or above a cut, and another method where one is joined."""

    type: Literal["latest_at_or_above"]
    cut: float
    and_: "Method | None" = Field(None, alias="and")

    def start(self) -> State:
        return (0.0, *(self.and_.start() if self.and_ is not None else ()))

    def step(self, state: State, piece: Value) -> State:
        return (piece.value, *(self.and_.step(state[1:], piece) if self.and_ is not None else ()))

    def score(self, state: State) -> float:
        return float(state[0])

    def passed(self, state: State, mastery: float) -> bool:
        return state[0] >= self.cut and (self.and_ is None or self.and_.passed(state[1:], mastery))


Method = Annotated[
    Streak | DecayingAverage | NOfLast | BayesianKnowledgeTracing | MeanOfLast | LatestAtOrAbove,
    Field(discriminator="type"),
]
LatestAtOrAbove.model_rebuild()
NOT_BUILT = (
    "wda", "n_mastery", "highest", "latest", "mean", "median", "mode", "power_law",
    "cusum", "beta_binomial", "irt_eap", "growth_filter", "first_attempt", "teacher",
)  # fmt: skip
"""Methods of the policy language that this version refuses by name."""
