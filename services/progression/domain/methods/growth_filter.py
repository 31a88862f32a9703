"""Growth with its uncertainty."""

import math
from typing import ClassVar, Literal

from pydantic import Field

from services.progression.domain.distributions import normal_cdf
from services.progression.domain.methods.base import Parameters, State, Value


class GrowthFilter(Parameters):
    """
    A Kalman filter on the rubric scale; the score is the probability that the learner is at or above `cut`.

    Between pieces the level drifts by `drift` and its variance grows by `process_var`; a piece is the level with a variance
    of `obs_var` / weight, so that weightier evidence moves it further. Passed at 0.8 where a policy gives no bar.

    Source: the scalar Kalman filter: K = V / (V + R/w), mean += K (s - mean), V = (1 - K) V; P = Phi((mean - cut) / sqrt V).
    """

    weighs: ClassVar[bool] = True

    type: Literal["growth_filter"]
    mu0: float
    var0: float = Field(gt=0)
    drift: float
    process_var: float = Field(ge=0)
    obs_var: float = Field(gt=0)
    cut: float
    weight_means: Literal["obs_var/weight"] = "obs_var/weight"

    def start(self) -> State:
        return ()

    def step(self, state: State, piece: Value) -> State:
        """Fold one piece; the first meets the prior as it is."""
        mean, variance = (state[0] + self.drift, state[1] + self.process_var) if state else (self.mu0, self.var0)
        gain = variance / (variance + self.obs_var / piece.weight)
        return (mean + gain * (piece.value - mean), (1 - gain) * variance)

    def score(self, state: State) -> float:
        mean, variance = state or (self.mu0, self.var0)
        # A long row of pieces without process variance can leave none.
        return normal_cdf((mean - self.cut) / math.sqrt(variance)) if variance > 0 else float(mean >= self.cut)

    def passed(self, state: State, score: float, cut: float) -> bool:
        return score >= 0.8
