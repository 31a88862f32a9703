"""What the audit finds: numbers that are to be zero, and the first faults in words."""

import dataclasses


@dataclasses.dataclass
class Findings:
    """What the audit counted; everything but `evidence` and `erased` is to be zero."""

    evidence: int = 0
    lost: int = 0
    duplicated: int = 0
    mismatched_states: int = 0
    mismatched_standings: int = 0
    """Learners of whom progression holds something else on the record, or as told, than the journal gives."""
    mismatched_read_models: int = 0
    missing_events: int = 0
    extra_events: int = 0
    mismatched_events: int = 0
    """Public events that say something else than the journal gives."""
    erased: int = 0
    """Learners who are forgotten; nothing of them is to be found."""
    erased_found: int = 0
    state_digest: str = ""
    examples: list[str] = dataclasses.field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is lost, doubled or different."""
        return not any(
            (self.lost, self.duplicated, self.mismatched_states, self.mismatched_standings, self.mismatched_read_models,
             self.missing_events, self.extra_events, self.mismatched_events, self.erased_found)
        )  # fmt: skip

    def note(self, text: str) -> None:
        """Keep the first few faults in words."""
        if len(self.examples) < 20:
            self.examples.append(text)
