"""A key in memory."""

import dataclasses

from services.progression.domain.evidence_rules import activity_of
from services.progression.domain.inputs import EvidenceSet, Input, absorb
from services.progression.domain.mastery import KeyState, Piece, stands_alone
from services.progression.domain.policy import Rule


@dataclasses.dataclass(slots=True)
class Entry:
    """The state of a key, and its set of evidence where that was needed."""

    state: KeyState
    rules_no: int
    evidence: EvidenceSet | None = None
    _activities: set[tuple[str, str]] | None = None

    def absorb(self, competency: str, item: Input) -> None:
        """Take an input into the evidence in memory."""
        assert self.evidence is not None
        absorb(self.evidence, competency, item.event)
        if item.piece is None:
            # Whatever it brought or changed, it is replayed: looking through all of them again costs no more.
            self._activities = None
        elif self._activities is not None:
            self._activities.add(activity_of(item.piece))

    def drop_evidence(self) -> None:
        """Keep the state alone."""
        self.evidence = self._activities = None

    def alone(self, rule: Rule | None, piece: Piece) -> bool:
        """Tell whether a piece that sorts last can be folded in one step: evidence in memory knows more than the state."""
        if rule is None or rule.plain or stands_alone(rule, self.state, piece):
            return True
        if self.evidence is None or not rule.steps:
            return False
        if self._activities is None:
            self._activities = {activity_of(held) for held, _ in self.evidence.values() if held is not None}
        return activity_of(piece) not in self._activities
