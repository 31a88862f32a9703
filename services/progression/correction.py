"""Taking back many pieces of evidence at once: which they are, and what would come of it, by the fold itself."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from services.progression.analysis.comparison import verdict_of
from services.progression.analysis.small_groups import hidden_groups
from services.progression.domain import Entry, ShardFold
from services.progression.inputs import Key, Learner, input_of, valid_pieces
from services.progression.learner import LearnerState
from services.progression.policy import Policy
from services.progression.rules import Rules
from services.progression.states import KeyState, Piece
from services.progression.telling import Told
from shared.contracts import EvidenceRetracted, Touched

FEW = 4
"""Pieces of one learner up to which every order is tried."""
REVIEW = "attain.level.review_required.v1"
WITHDRAWN = "attain.competency.withdrawn.v1"


class Selection(NamedTuple):
    """Pieces of one source: of an activity, with an id of the source's own, that occurred from `since` until before `until`."""

    source: str
    activity: str = ""
    item: str = ""
    since: str = ""
    until: str = ""

    def has(self, piece: Piece) -> bool:
        """Tell whether a piece is among them; what is left empty asks nothing."""
        at, _, source, id = piece.order
        return (
            source == self.source
            and self.activity in ("", piece.activity)
            and self.item in ("", id)
            and self.since <= at
            and (not self.until or at < self.until)
        )


class Outcome(NamedTuple):
    """What taking pieces back does to one learner: the pieces in the order in which to do it, the events, the statuses."""

    pieces: list[Piece]
    told: list[Told]
    moves: list[tuple[str, str]]
    """Status before and after, of each of `competencies`."""
    competencies: list[str]

    def report(self) -> dict[str, Any]:
        """Return every status and event that would change, as plain data."""
        moved = zip(self.competencies, self.moves, strict=True)
        return {
            "pieces": [piece.evidence_id for piece in self.pieces],
            "statuses": [
                {"competency": competency, "before": before, "after": after} for competency, (before, after) in moved
            ],
            "events": [
                {"type": event.type, "scope": event.data["scope"], "reason": event.data["reason"]}
                for event in self.told
            ],
        }


def foresee(
    learner: Learner,
    held: Mapping[Key, tuple[KeyState, dict[str, tuple[Piece | None, bool]]]],
    standing: LearnerState,
    rules: Rules,
    policies: dict[str, Policy],
    selection: Selection,
) -> Outcome | None:
    """
    Return what comes of taking back a learner's selected pieces, one after the other; None where there are none.

    Of the orders in which it can be done, it is one in which the least is told on the way: in another, something may be
    withdrawn, reinstated and withdrawn again. `held` are all keys of the learner, with their evidence; nothing that is
    given is changed.
    """
    pieces: dict[str, Piece] = {}
    speaks_to: dict[str, list[str]] = {}
    for (_, _, competency), (_, evidence) in held.items():
        for piece in valid_pieces(evidence):
            if selection.has(piece):
                pieces[piece.evidence_id] = piece
                speaks_to.setdefault(piece.evidence_id, []).append(competency)
    if not pieces:
        return None
    tried: list[Outcome] = []
    for ordered in _orders(list(pieces.values())):
        tried.append(_take_back(learner, held, standing, rules, policies, ordered, speaks_to))
        scopes = [event.data["scope"]["id"] for event in tried[-1].told]
        if len(scopes) == len(set(scopes)):
            # Nothing is told twice of anything: no order can do better.
            break
    return min(tried, key=lambda outcome: len(outcome.told))


def _orders(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Yield orders to try, each once: as it happened, the other way round, by value, and all where they are few."""
    ordered = sorted(pieces, key=lambda piece: piece.order)
    by_value = sorted(ordered, key=lambda piece: piece.score.raw or piece.score.scaled or 0.0)
    all_of_few = itertools.permutations(ordered) if len(ordered) <= FEW else ()
    seen: set[tuple[str, ...]] = set()
    for candidate in (ordered, ordered[::-1], by_value, by_value[::-1], *all_of_few):
        ids = tuple(piece.evidence_id for piece in candidate)
        if ids not in seen:
            seen.add(ids)
            yield list(candidate)


def _take_back(
    learner: Learner,
    held: Mapping[Key, tuple[KeyState, dict[str, tuple[Piece | None, bool]]]],
    standing: LearnerState,
    rules: Rules,
    policies: dict[str, Policy],
    ordered: list[Piece],
    speaks_to: Mapping[str, list[str]],
) -> Outcome:
    touched = {(*learner, competency) for named in speaks_to.values() for competency in named}
    entries = {key: Entry(msgspec.structs.replace(held[key][0]), rules.no, dict(held[key][1])) for key in touched}
    before = {key: verdict_of(held[key][0], policies.get(held[key][0].policy)).status for key in touched}
    fold = ShardFold(entries, {learner[0]: rules}, policies)
    for number, piece in enumerate(ordered, start=1):
        gone = Touched(piece.evidence_id, tuple(speaks_to[piece.evidence_id]))
        event = EvidenceRetracted(learner[1], piece.evidence_id, "retracts", (gone,))
        fold.fold(input_of(learner[0], f"void-{number}", number, piece.order[0], event))
    fold.describe_touched()
    copied = msgspec.msgpack.decode(msgspec.msgpack.encode(standing), type=LearnerState)
    told = fold.tell({learner: copied})
    if fold.blocked:
        raise ValueError(f"learner {learner[1]} cannot be folded: {fold.blocked[learner]}")
    states = {key: fold.entries[key].state for key in touched}
    after = {key: verdict_of(state, policies.get(state.policy)).status for key, state in states.items()}
    keys = sorted(touched)
    return Outcome(ordered, told, [(before[key], after[key]) for key in keys], [key[2] for key in keys])


@dataclasses.dataclass(slots=True)
class Forecast:
    """Outcomes of learners added up; `report` gives them as plain data."""

    pieces: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    """(source, the source's own id), each learner's in order."""
    learners: Counter[str] = dataclasses.field(default_factory=Counter)
    """By school, as in `withdrawn` and `reviews`."""
    withdrawn: Counter[str] = dataclasses.field(default_factory=Counter)
    reviews: Counter[str] = dataclasses.field(default_factory=Counter)
    events: Counter[str] = dataclasses.field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    taken: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    """(learner, competency) pairs that would be withdrawn, in the order of learners."""

    def add(self, outcome: Outcome, school: str) -> None:
        """Count one learner."""
        self.pieces += [(piece.order[2], piece.order[3]) for piece in outcome.pieces]
        self.learners[school] += 1
        self.moves.update(outcome.moves)
        for event in outcome.told:
            self.events[event.type] += 1
            self.withdrawn[school] += event.type == WITHDRAWN
            if event.type == WITHDRAWN:
                self.taken.append((event.learner, event.data["scope"]["id"]))
            self.reviews[school] += event.type == REVIEW

    def report(self) -> dict[str, Any]:
        """Return the forecast; small numbers of schools are None."""
        return {
            "pieces": len(self.pieces),
            "learners": self.learners.total(),
            "pairs": self.moves.total(),
            "events": dict(sorted(self.events.items())),
            "statuses": [
                {"from": before, "to": after, "pairs": count}
                for (before, after), count in sorted(self.moves.items())
                if before != after
            ],
            "schools": _by_school(
                self.learners, {"learners": self.learners, "withdrawn": self.withdrawn, "reviews": self.reviews}
            ),
        }


def _by_school(sizes: Counter[str], counted: Mapping[str, Counter[str]]) -> list[dict[str, Any]]:
    schools: Iterable[str] = sorted(sizes)
    hidden = {name: hidden_groups({s: counts[s] for s in schools}, sizes) for name, counts in counted.items()}
    return [
        {"school": school} | {name: None if school in hidden[name] else counted[name][school] for name in counted}
        for school in schools
    ]
