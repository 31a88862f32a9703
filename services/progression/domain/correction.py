"""Taking back, scoring anew or moving pieces of evidence: what would come of it for a learner, by the fold itself."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Literal, NamedTuple, cast

import msgspec

from services.progression.domain.analysis.comparison import verdict_of
from services.progression.domain.entry import Entry
from services.progression.domain.inputs import EvidenceSet, Input, Key, Learner, input_of, valid_pieces
from services.progression.domain.learner import LearnerState
from services.progression.domain.policy import Policy
from services.progression.domain.refolding import refold_learner
from services.progression.domain.rules import Rules
from services.progression.domain.selecting import Selection, rescored_id
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.states import KeyState, Piece
from services.progression.domain.telling import SUPPORT, Told
from shared.contracts.internal_events import Aligned, EvidenceRecorded, EvidenceRetracted, Kind, Score, Status, Touched
from shared.contracts.native import moved_id
from shared.contracts.public_events import SNAPSHOT_AMENDED
from shared.errors import Refused

FEW = 4
"""Pieces of one learner up to which every order is tried."""


@dataclasses.dataclass(frozen=True, slots=True)
class LearnerRecord:
    """
    All that is kept of one learner at the instant `at`: every key with its evidence, and the standing; and the rules in force.

    What is foreseen of it changes nothing of what it holds.
    """

    learner: Learner
    held: Mapping[Key, tuple[KeyState, EvidenceSet]]
    standing: LearnerState
    rules: Rules
    policies: dict[str, Policy]
    at: str
    older: Mapping[Key, int] = dataclasses.field(default_factory=dict)
    """The keys that are older than the rules in force, with the activation up to which they are folded."""
    uncovered: Mapping[str, Touched] = dataclasses.field(default_factory=dict)
    """What counts again once a piece is taken back, by that piece's id at its source: what it had superseded."""

    def state(self, key: Key) -> KeyState:
        """Return the state of a key, which is a new one where nothing is held of it."""
        held = self.held.get(key)
        return held[0] if held is not None else self.rules.new_state(key[2])

    def entry(self, key: Key) -> Entry:
        """Return a copy of a key to fold into."""
        evidence = self.held[key][1] if key in self.held else {}
        rules_no = self.older.get(key, self.rules.no)
        return Entry(msgspec.structs.replace(self.state(key)), rules_no, dict(evidence))

    def status(self, state: KeyState) -> Status:
        """Return the status that a state has."""
        return verdict_of(state, self.policies.get(state.policy)).status


class Selected(NamedTuple):
    """A piece to be corrected, with the competencies that it speaks to, and how."""

    piece: Piece
    speaks_to: tuple[Aligned, ...]

    @property
    def competencies(self) -> tuple[str, ...]:
        """The competencies that the piece speaks to."""
        return tuple([aligned.competency for aligned in self.speaks_to])


class Outcome(NamedTuple):
    """
    What correcting pieces does to one learner: the pieces in the order in which to do it, the events, the statuses.

    Prompts to adults are not among the events: they clear themselves.
    """

    learner: str
    selected: list[Selected]
    told: list[Told]
    moves: list[tuple[str, str]]
    """Status before and after, of each of `competencies`."""
    competencies: list[str]
    """Those that the pieces speak to, and those that are reached by what follows."""
    is_certain: bool = True
    """Whether the same is told wherever batches end between the pieces; else more may be, which ends in the same statuses."""

    @property
    def pieces(self) -> list[Piece]:
        """The pieces in the order in which to do it."""
        return [each.piece for each in self.selected]

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
            "is_certain": self.is_certain,
        }


def selected_ids(record: LearnerRecord, selection: Selection) -> tuple[list[str], list[str]]:
    """Return the source's ids of a learner's selected pieces: of those that do not count, and of those that do."""
    counts: dict[str, bool] = {}
    for _, evidence in record.held.values():
        for piece, valid in evidence.values():
            if piece is not None and selection.has(piece):
                id = piece.order[3]
                counts[id] = counts.get(id, False) or valid
    return [id for id in counts if not counts[id]], [id for id in counts if counts[id]]


def foresee(record: LearnerRecord, selection: Selection) -> Outcome | None:
    """
    Return what comes of correcting a learner's selected pieces, one after the other; None where there are none.

    Of the orders in which it can be done, it is one in which the least is told on the way: in another, something may be
    withdrawn, reinstated and withdrawn again; and if there is one, one in which that is the same whether the pieces come in one
    batch or each in its own. If there is none and a batch ends between them, credit may be told that is taken back by the next:
    then it is not certain.
    """
    record = _brought_up(record)
    pieces: dict[str, Piece] = {}
    speaks_to: dict[str, list[Aligned]] = {}
    for (_, _, competency), (_, evidence) in record.held.items():
        for piece in valid_pieces(evidence):
            if selection.has(piece):
                pieces[piece.evidence_id] = piece
                strength: Literal["full", "partial"] = "partial" if piece.partial else "full"
                speaks_to.setdefault(piece.evidence_id, []).append(Aligned(competency, piece.weight, strength))
    if not pieces:
        return None
    tried: list[tuple[bool, int, int, Outcome]] = []
    for ordered in _orders(list(pieces.values())):
        selected = [Selected(piece, tuple(speaks_to[piece.evidence_id])) for piece in ordered]
        events = [_correction(record, each, selection) for each in selected]
        at_once = _outcome(record, selected, [events])
        apart = _outcome(record, selected, [[event] for event in events]) if len(events) > 1 else at_once
        differs = _kinds(at_once) != _kinds(apart)
        tried.append((differs, len(apart.told), len(tried), at_once))
        scopes = [scope for type, scope in _kinds(apart).elements() if type != SNAPSHOT_AMENDED]
        if not differs and len(scopes) == len(set(scopes)):
            # Nothing is told twice of anything: no order can do better.
            break
    differs, *_, best = min(tried, key=itemgetter(0, 1, 2))
    return best._replace(is_certain=not differs)


def _kinds(outcome: Outcome) -> Counter[tuple[str, str]]:
    """Return what is told of which scopes."""
    return Counter((event.type, event.data["scope"]["id"]) for event in outcome.told)


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


def foresee_arrival(record: LearnerRecord, departure: Outcome) -> Outcome:
    """Return what comes of the pieces that another learner loses, for the learner whose they are."""
    learner = record.learner[1]
    events = [
        _again(learner, each, moved_id(each.piece.order[2], each.piece.order[3], learner), each.piece.score)
        for each in departure.selected
    ]
    return _outcome(_brought_up(record), departure.selected, [events])


def _brought_up(record: LearnerRecord) -> LearnerRecord:
    """Return a record brought up to the rules in force, as it is before anything newer is folded."""
    if not record.older:
        return record
    entries = {key: record.entry(key) for key in record.held}
    standing = _copied(record.standing)
    fold = ShardFold(entries, {record.learner[0]: record.rules}, record.policies)
    refold_learner(fold, record.learner, entries)
    _tell(record, fold, standing)
    _follow(record, fold, standing, last=0)
    held = {key: (entry.state, entry.evidence or {}) for key, entry in entries.items()}
    return dataclasses.replace(record, held=held, standing=standing, older={})


def _outcome(
    record: LearnerRecord, selected: list[Selected], batches: Iterable[Sequence[EvidenceRecorded | EvidenceRetracted]]
) -> Outcome:
    """
    Fold batches of events, one a piece, and behind each what follows from it, as the shard's owner would, into copies of what
    is kept.
    """
    tenant, learner = record.learner
    # Behind all terms that are closed: what they had on the record may be amended.
    last = max((term.pos for term in record.rules.closed), default=0)
    entries: dict[Key, Entry] = {}
    standing = _copied(record.standing)
    told: list[Told] = []
    for events in batches:
        inputs = [
            input_of(tenant, f"correction-{pos}", pos, record.at, event) for pos, event in enumerate(events, last + 1)
        ]
        last += len(inputs)
        fold = _fold(record, entries, inputs)
        told += [*_tell(record, fold, standing), *_follow(record, fold, standing, last)]
    reached = sorted(entries)
    moves: list[tuple[str, str]] = [
        (record.status(record.state(key)), record.status(entries[key].state)) for key in reached
    ]
    shown = [event for event in told if not event.type.startswith(SUPPORT)]
    return Outcome(learner, selected, shown, moves, [key[2] for key in reached])


def _follow(record: LearnerRecord, fold: ShardFold, standing: LearnerState, last: int) -> list[Told]:
    """Fold what follows from a fold, behind a position, until nothing more does; return what is told."""
    told: list[Told] = []
    while fold.decided:
        inputs = [
            input_of(tenant, id, last + n, record.at, decision)
            for n, (tenant, id, decision) in enumerate(fold.decided, start=1)
        ]
        fold, last = _fold(record, fold.entries, inputs), last + len(inputs)
        told += _tell(record, fold, standing)
    return told


def _fold(record: LearnerRecord, entries: dict[Key, Entry], inputs: Sequence[Input]) -> ShardFold:
    """Fold inputs of the learner into `entries`, adding to them what the inputs touch."""
    for key in itertools.chain.from_iterable(item.keys for item in inputs):
        if key not in entries:
            entries[key] = record.entry(key)
    fold = ShardFold(entries, {record.learner[0]: record.rules}, record.policies)
    for item in inputs:
        fold.fold(item)
    return fold


def _tell(record: LearnerRecord, fold: ShardFold, standing: LearnerState) -> list[Told]:
    """Fold what changed into the learner's standing; return what is told; raises `Refused` where that cannot be folded."""
    fold.describe_touched()
    told = fold.tell({record.learner: standing}, at_once=True)
    if fold.blocked:
        raise Refused(f"learner {record.learner[1]} cannot be folded: {fold.blocked[record.learner]}")
    return told


def _copied(standing: LearnerState) -> LearnerState:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(standing), type=LearnerState)


def _correction(
    record: LearnerRecord, selected: Selected, selection: Selection
) -> EvidenceRecorded | EvidenceRetracted:
    """Return the event that takes a piece back or away, or that puts one with the new score in its place."""
    piece, learner = selected.piece, record.learner[1]
    gone = (Touched(piece.evidence_id, selected.competencies),)
    if selection.to:
        return EvidenceRetracted(learner, piece.evidence_id, "supersedes", gone)
    if selection.scores is None:
        again = record.uncovered.get(piece.order[3])
        return EvidenceRetracted(learner, piece.evidence_id, "retracts", gone, (again,) if again is not None else ())
    score = selection.scores[piece.order[3]]
    return _again(learner, selected, rescored_id(piece.order[2], piece.order[3], score), score, gone)


def _again(learner: str, selected: Selected, id: str, score: Score, gone: tuple[Touched, ...] = ()) -> EvidenceRecorded:
    """Return the event of a piece that has all that another one had, but for what is given."""
    piece = selected.piece
    at, attempt, source, _ = piece.order
    return EvidenceRecorded(
        f"{piece.evidence_id}-{id}", source, id, learner, selected.competencies, at, score, attempt,
        kind=cast("Kind | None", piece.kind), items=piece.items, assisted=piece.assisted, dok=piece.dok,
        assessor=piece.assessor, activity=piece.activity if piece.activity != piece.evidence_id else None,
        assessor_type="human" if piece.judged else None, invalidates=gone, alignment=selected.speaks_to,
    )  # fmt: skip
