"""What the evidence and the decisions of a key give, folded once, and what further evidence would make of it."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from services.progression.domain.mastery import after, replay
from services.progression.domain.policy.rule import Rule
from services.progression.domain.standing import status_of
from services.progression.domain.states import Decided, KeyState, Piece
from shared.contracts.internal_events import Status


class Known:
    """
    Valid `pieces` in canonical order, decisions in the journal's order, and the `state` and `status` they give under a rule.

    `at` is the instant up to which the status has aged.
    """

    __slots__ = ("_decisions", "at", "pieces", "rule", "state", "status")

    def __init__(
        self, pieces: Iterable[Piece], rule: Rule | None, decisions: Iterable[Decided] = (), at: str | None = None
    ) -> None:
        self.pieces = sorted(pieces, key=attrgetter("order"))
        self.rule = rule
        self._decisions = tuple(decisions)
        self.at = at
        self.state = replay(KeyState(), self.pieces, rule, "", self._decisions)
        self.status = status_of(self.state, rule, at)

    def status_with(self, more: Sequence[Piece]) -> Status:
        """Return the status that further pieces would give, which sort after those that are known; the rule is one."""
        assert self.rule is not None
        state = after(self.state, self.pieces, more, self.rule, self._decisions)
        return status_of(state, self.rule, self.at)
