"""What a history comes to."""

import dataclasses

CAUGHT_UP_S_MAX = 30.0
EXAMPLES_MAX = 20


@dataclasses.dataclass
class Verdict:
    """What was counted; everything from `lost` on is to be zero, `caught_up_s` below its limit, `verified` true."""

    acknowledged: int = 0
    in_log: int = 0
    uncertain: int = 0
    """Items whose sender never learned what became of them; they may be held or not."""
    faults: int = 0
    fences_lost: int = 0
    """How often a process found, before it wrote, that another owns its shards: how often the fence was needed."""
    caught_up_s: float = 0.0
    verified: bool | None = None
    """What `attain verify` said; None where it was not asked."""
    lost: int = 0
    duplicated: int = 0
    refused: int = 0
    wrong_answers: int = 0
    """Requests answered by neither their items nor 503 as a problem that says when to come again."""
    misplaced: int = 0
    """Acknowledged with a position at which the log holds something else."""
    disordered: int = 0
    """Before an item of the same learner that was acknowledged before it was sent."""
    holes: int = 0
    split_learners: int = 0
    wrong_states: int = 0
    wrong_read_models: int = 0
    wrong_events: int = 0
    wrong_logs: int = 0
    wrong_topics: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every promise was kept, and something was read at all."""
        names = [field.name for field in dataclasses.fields(self)]
        counts = [getattr(self, name) for name in names[names.index("lost") : names.index("examples")]]
        return (
            not any(counts)
            and self.verified is not False
            and self.caught_up_s <= CAUGHT_UP_S_MAX
            and 0 < self.acknowledged <= self.in_log + self.uncertain
        )

    def note(self, text: str) -> None:
        """Keep the first few faults in words."""
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(text)
