"""
Taking back, scoring anew or moving pieces of evidence: which they are, and what would come of it for a learner, by the fold
itself.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

import msgspec

from services.progression.domain.analysis.comparison import verdict_of
from services.progression.domain.entry import Entry
from services.progression.domain.inputs import EvidenceSet, Key, Learner, input_of, valid_pieces
from services.progression.domain.learner import LearnerState
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Rules
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.states import KeyState, Piece
from services.progression.domain.telling import SUPPORT, Told
from shared.contracts import EvidenceRecorded, EvidenceRetracted, Kind, Score, Touched
from shared.shards import stable_id

FEW = 4
"""Pieces of one learner up to which every order is tried."""


class Selection(NamedTuple):
    """
    Pieces of one source: of an activity, with an id of the source's own, that occurred from `since` until before `until`.

    With `scores` (by id) it is the pieces that are named there, and each is to have its new score instead of being taken back;
    with `to` they are another learner's.
    """

    source: str
    activity: str = ""
    item: str = ""
    since: str = ""
    until: str = ""
    scores: Mapping[str, Score] | None = None
    to: str = ""

    def has(self, piece: Piece) -> bool:
        """Tell whether a piece is among them; what is left empty asks nothing."""
        at, _, source, id = piece.order
        return (
            source == self.source
            and self.activity in ("", piece.activity)
            and self.item in ("", id)
            and (self.scores is None or id in self.scores)
            and self.since <= at
            and (not self.until or at < self.until)
        )


def rescored_id(source: str, id: str, score: Score) -> str:
    """Return the source's id of what supersedes a piece: the same for the same new score."""
    return f"rescored-{stable_id(source, id, msgspec.json.encode(score).decode())}"


class Outcome(NamedTuple):
    """What correcting pieces does to one learner: the pieces in the order in which to do it, the events, the statuses."""

    learner: str
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
                if not event.type.startswith(SUPPORT)
            ],
        }


def foresee(
    learner: Learner,
    held: Mapping[Key, tuple[KeyState, EvidenceSet]],
    standing: LearnerState,
    rules: Rules,
    policies: dict[str, Policy],
    selection: Selection,
) -> Outcome | None:
    """
    Return what comes of correcting a learner's selected pieces, one after the other; None where there are none.

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
        tried.append(_correct(learner, held, standing, rules, policies, ordered, speaks_to, selection))
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


def foresee_arrival(
    learner: Learner,
    held: Mapping[Key, tuple[KeyState, EvidenceSet]],
    standing: LearnerState,
    rules: Rules,
    policies: dict[str, Policy],
    departure: Outcome,
) -> Outcome:
    """Return what comes of the pieces that another learner loses, for the learner whose they are; otherwise as `foresee`."""
    named = tuple(departure.competencies)
    events: list[EvidenceRecorded | EvidenceRetracted] = [
        _again(learner[1], piece, named, f"moved-{piece.evidence_id}", piece.order[3], piece.score)
        for piece in departure.pieces
    ]
    return _outcome(learner, held, standing, rules, policies, departure.pieces, events, named)


def _correct(
    learner: Learner,
    held: Mapping[Key, tuple[KeyState, EvidenceSet]],
    standing: LearnerState,
    rules: Rules,
    policies: dict[str, Policy],
    ordered: list[Piece],
    speaks_to: Mapping[str, list[str]],
    selection: Selection,
) -> Outcome:
    events = [_correction(learner[1], piece, tuple(speaks_to[piece.evidence_id]), selection) for piece in ordered]
    named = {competency for each in speaks_to.values() for competency in each}
    return _outcome(learner, held, standing, rules, policies, ordered, events, named)


def _outcome(
    learner: Learner,
    held: Mapping[Key, tuple[KeyState, EvidenceSet]],
    standing: LearnerState,
    rules: Rules,
    policies: dict[str, Policy],
    ordered: list[Piece],
    events: Sequence[EvidenceRecorded | EvidenceRetracted],
    named: Iterable[str],
) -> Outcome:
    """Fold events, one a piece, that touch the named competencies into copies of what the learner has of them."""
    keys = sorted((*learner, competency) for competency in named)
    entries, before = {}, {}
    for key in keys:
        state, evidence = held.get(key) or (rules.new_state(key[2]), {})
        entries[key] = Entry(msgspec.structs.replace(state), rules.no, dict(evidence))
        before[key] = verdict_of(state, policies.get(state.policy)).status
    fold = ShardFold(entries, {learner[0]: rules}, policies)
    for number, (piece, event) in enumerate(zip(ordered, events, strict=True), start=1):
        fold.fold(input_of(learner[0], f"correction-{number}", number, piece.order[0], event))
    fold.describe_touched()
    copied = msgspec.msgpack.decode(msgspec.msgpack.encode(standing), type=LearnerState)
    told = fold.tell({learner: copied})
    if fold.blocked:
        raise ValueError(f"learner {learner[1]} cannot be folded: {fold.blocked[learner]}")
    states = {key: fold.entries[key].state for key in keys}
    after = {key: verdict_of(state, policies.get(state.policy)).status for key, state in states.items()}
    moves: list[tuple[str, str]] = [(before[key], after[key]) for key in keys]
    return Outcome(learner[1], ordered, told, moves, [key[2] for key in keys])


def _correction(
    learner: str, piece: Piece, competencies: tuple[str, ...], selection: Selection
) -> EvidenceRecorded | EvidenceRetracted:
    """Return the event that takes a piece back or away, or that puts one with the new score in its place."""
    gone = (Touched(piece.evidence_id, competencies),)
    if selection.scores is None:
        relation: Literal["retracts", "supersedes"] = "supersedes" if selection.to else "retracts"
        return EvidenceRetracted(learner, piece.evidence_id, relation, gone)
    score = selection.scores[piece.order[3]]
    id = rescored_id(piece.order[2], piece.order[3], score)
    return _again(learner, piece, competencies, f"{piece.evidence_id}-rescored", id, score, gone)


def _again(
    learner: str, piece: Piece, competencies: tuple[str, ...], evidence_id: str, id: str, score: Score,
    gone: tuple[Touched, ...] = (),
) -> EvidenceRecorded:  # fmt: skip
    """Return the event of a piece that has all that another one had, but for what is given."""
    at, attempt, source, _ = piece.order
    return EvidenceRecorded(
        evidence_id, source, id, learner, competencies, at, score, attempt, kind=cast("Kind | None", piece.kind),
        items=piece.items, assisted=piece.assisted, dok=piece.dok, assessor=piece.assessor,
        activity=piece.activity if piece.activity != piece.evidence_id else None,
        assessor_type="human" if piece.judged else None, invalidates=gone,
    )  # fmt: skip
