"""Bayesian Knowledge Tracing."""

from typing import Literal

from pydantic import Field

from services.progression.domain.methods.base import Parameters, State, Value

LEAST = 1e-150
"""What a belief shrinks to at most: at 0 no evidence could ever raise it again."""


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
            if 0.0 < unknown < LEAST:
                unknown = LEAST
        else:
            known, unknown = known * self.p_s, unknown * (1 - self.p_g)
            if 0.0 < known < LEAST:
                known = LEAST
        total = known + unknown
        known, unknown = known / total, unknown / total
        return (known * (1 - self.p_f) + unknown * self.p_t, unknown * (1 - self.p_t) + known * self.p_f)

    def p_correct(self, state: State) -> float:
        """Return the probability that the next answer is right."""
        return float(state[0] * (1 - self.p_s) + state[1] * self.p_g)

    def observed(self, state: State, piece: Value) -> float:
        """Return P(L) given the piece and before the transition: a step in which nothing is learned or forgotten."""
        return float(self.model_copy(update={"p_t": 0.0, "p_f": 0.0}).step(state, piece)[0])

    def score(self, state: State) -> float:
        return float(state[0])

    def passed(self, state: State, score: float, cut: float) -> bool:
        return score >= 0.95
