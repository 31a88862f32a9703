"""Two methods joined."""

from collections.abc import Iterable
from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from services.progression.domain.methods.base import Parameters, State, Value
from services.progression.domain.methods.registry import Single


class Both(Parameters):
    """
    `and`: passed when both methods pass; the score is that of the first, the second is a condition on it.

    Written as the first method with a member `and` that holds the second: `{type: X, ..., and: {type: Y, ...}}`.
    """

    first: Single
    second: Single = Field(alias="and")

    @model_validator(mode="before")
    @classmethod
    def _split(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {"first": {name: value for name, value in content.items() if name != "and"}, "and": content["and"]}

    @model_serializer(mode="wrap")
    def _join(self, inner: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = inner(self)
        return {**content.pop("first"), **content}

    @property
    def parts(self) -> tuple[Parameters, ...]:
        return self.first, self.second

    def window(self) -> int:
        return max(self.first.window(), self.second.window())

    def looks_back(self) -> int:
        first, second = self.first.looks_back(), self.second.looks_back()
        return max(first, second) if first and second else 0

    def on_scale(self, low: float, high: float) -> Self:
        parts = {"first": self.first.on_scale(low, high), "second": self.second.on_scale(low, high)}
        return self.model_copy(update=parts)

    def start(self) -> State:
        return self._joined(self.first.start(), self.second.start())

    def step(self, state: State, piece: Value) -> State:
        first, second = self._parted(state)
        return self._joined(self.first.step(first, piece), self.second.step(second, piece))

    def replay(self, pieces: Iterable[Value]) -> State:
        held = tuple(pieces)
        return self._joined(self.first.replay(held), self.second.replay(held))

    def score(self, state: State) -> float:
        return self.first.score(self._parted(state)[0])

    def passed(self, state: State, score: float, cut: float) -> bool:
        return self.first.passed(self._parted(state)[0], score, cut) and self.condition_met(state, cut)

    def condition_met(self, state: State, cut: float) -> bool:
        """Tell whether the second method passes, which is asked for whatever bar a policy sets for the score."""
        second = self._parted(state)[1]
        return self.second.passed(second, self.second.score(second), cut)

    @staticmethod
    def _joined(first: State, second: State) -> State:
        """Return both states as one flat one: the length of the first, the first, the second."""
        return (len(first), *first, *second)

    @staticmethod
    def _parted(state: State) -> tuple[State, State]:
        end = 1 + state[0]
        return state[1:end], state[end:]
