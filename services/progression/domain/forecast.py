"""What a correction would do to all learners that it concerns, added up."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from services.progression.domain.analysis.small_groups import hidden_groups
from services.progression.domain.correction import Outcome
from services.progression.domain.states import Piece

REVIEW = "attain.level.review_required.v1"
WITHDRAWN = "attain.competency.withdrawn.v1"


@dataclasses.dataclass(slots=True)
class Forecast:
    """Outcomes of learners added up; `report` gives them as plain data."""

    pieces: list[tuple[str, Piece]] = dataclasses.field(default_factory=list)
    """Each with its learner, whose own are in order."""
    learners: Counter[str] = dataclasses.field(default_factory=Counter)
    """By school, as in `withdrawn` and `reviews`."""
    withdrawn: Counter[str] = dataclasses.field(default_factory=Counter)
    reviews: Counter[str] = dataclasses.field(default_factory=Counter)
    events: Counter[str] = dataclasses.field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    taken: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    """(learner, competency) pairs that would be withdrawn, in the order of learners."""
    uncertain: int = 0
    """Learners of whom more may be told on the way (`Outcome.is_certain`)."""

    def add(self, outcome: Outcome, school: str) -> None:
        """Count one learner."""
        self.pieces += [(outcome.learner, piece) for piece in outcome.pieces]
        self.learners[school] += 1
        self.moves.update(outcome.moves)
        self.uncertain += not outcome.is_certain
        for event in outcome.told:
            self.events[event.type] += 1
            self.withdrawn[school] += event.type == WITHDRAWN
            if event.type == WITHDRAWN:
                self.taken.append((event.learner, event.data["scope"]["id"]))
            self.reviews[school] += event.type == REVIEW

    def report(self, small: int) -> dict[str, Any]:
        """Return the forecast; numbers of schools below `small` are None."""
        return {
            "pieces": len(self.pieces),
            "learners": self.learners.total(),
            "uncertain": self.uncertain,
            "pairs": self.moves.total(),
            "events": dict(sorted(self.events.items())),
            "statuses": [
                {"from": before, "to": after, "pairs": count}
                for (before, after), count in sorted(self.moves.items())
                if before != after
            ],
            "schools": _by_school(
                self.learners,
                {"learners": self.learners, "withdrawn": self.withdrawn, "reviews": self.reviews},
                small,
            ),
        }


def _by_school(sizes: Counter[str], counted: Mapping[str, Counter[str]], small: int) -> list[dict[str, Any]]:
    schools: Iterable[str] = sorted(sizes)
    hidden = {name: hidden_groups({s: counts[s] for s in schools}, sizes, small) for name, counts in counted.items()}
    return [
        {"school": school} | {name: None if school in hidden[name] else counted[name][school] for name in counted}
        for school in schools
    ]
