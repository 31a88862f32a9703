"""The share of right answers that the evidence supports."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from services.progression.domain.distributions import beta_cdf
from services.progression.domain.methods.base import Parameters, State, Value
from services.progression.domain.rounding import settled

Positive = Annotated[float, Field(gt=0, strict=True)]


class BetaBinomial(Parameters):
    """
    The probability that the learner's share of right answers is at or above `cut`: 1 - I_cut(a + right, b + wrong).

    `prior` is (a, b): (1, 1) knows nothing, (0.5, 0.5) is Jeffreys'. A piece counts by its weight. Passed at 0.8 where a
    policy gives no bar.

    Source: the conjugate posterior of a binomial; from (1, 1), 8 of 10 right at a cut of 0.8 gives 0.3826.
    """

    weighs: ClassVar[bool] = True

    type: Literal["beta_binomial"]
    # Not strict: a list is how a file writes a pair.
    prior: tuple[Positive, Positive] = Field(strict=False)
    cut: float = Field(gt=0, lt=1)

    def start(self) -> State:
        """The weights of the right and of the wrong pieces."""
        return (0.0, 0.0)

    def step(self, state: State, piece: Value) -> State:
        right, wrong = state
        return (right + piece.weight, wrong) if piece.correct else (right, wrong + piece.weight)

    def mean(self, state: State) -> float:
        """Return the expected share of right answers."""
        a, b = self._posterior(state)
        return a / (a + b)

    def score(self, state: State) -> float:
        # The mirrored function keeps its digits where the probability is small.
        a, b = self._posterior(state)
        return settled(beta_cdf(1 - self.cut, b, a))

    def passed(self, state: State, score: float, cut: float) -> bool:
        return score >= 0.8

    def _posterior(self, state: State) -> tuple[float, float]:
        return self.prior[0] + state[0], self.prior[1] + state[1]
