"""What the audit finds: numbers that are to be zero, and the first faults in words."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

EXAMPLES_MAX = 20
OF_A_KIND_MAX = 3


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
    told_otherwise: Counter[str] = dataclasses.field(default_factory=Counter)
    """How many differences of what was told, and of what is held as told, there are of each kind."""
    last_told_otherwise: str = ""
    """Of when the latest event among them is; empty where they are no events."""
    examples: list[str] = dataclasses.field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is lost, doubled or different."""
        return not any(
            (self.lost, self.duplicated, self.mismatched_states, self.mismatched_standings, self.mismatched_read_models,
             self.missing_events, self.extra_events, self.mismatched_events, self.erased_found)
        )  # fmt: skip

    @property
    def only_told(self) -> bool:
        """Whether evidence, states and read models agree, and nothing differs but what was told."""
        return not self.ok and not any(
            (self.lost, self.duplicated, self.mismatched_states, self.mismatched_read_models, self.erased_found)
        )

    def note(self, text: str) -> None:
        """Keep the first few faults in words."""
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(text)

    def different(self, where: str, computed: Mapping[Any, Any], held: Mapping[Any, Any]) -> int:
        """Return of how many keys something else is held than was computed, and keep the first few in words."""
        keys = [key for key in computed.keys() | held.keys() if computed.get(key) != held.get(key)]
        for key in keys[:OF_A_KIND_MAX]:
            self.note(f"{where} {key}: holds {held.get(key)}, computed {computed.get(key)}")
        return len(keys)

    def note_told(self, kind: str, text: str, at: str = "") -> None:
        """Count a difference of what was told, of an instant, and keep the first few of a kind in words."""
        self.told_otherwise[kind] += 1
        self.last_told_otherwise = max(self.last_told_otherwise, at)
        if self.told_otherwise[kind] <= OF_A_KIND_MAX:
            self.note(text)
