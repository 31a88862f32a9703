"""
What becomes of each item of a batch, given what is known of the ids it touches: pure, in the order of the batch.

Deciding the same items again on the outcome changes nothing: they are duplicates.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from services.evidence.domain.evidence import ItemStatus, Park, State, Submission
from services.evidence.domain.telling import recorded, retracted
from services.evidence.domain.validity import Forest, Piece, Place
from shared.contracts.internal_events import EvidenceRetracted, Touched
from shared.events import Draft


class Outcome(NamedTuple):
    """
    What became of an item. `draft` is the index of the event whose position answers it, `place` one appended before;
    with neither the item stands nowhere in the log yet.
    """

    status: ItemStatus
    evidence_id: str | None
    draft: int | None = None
    place: Place | None = None
    reason: str | None = None
    pointer: str | None = None
    detail: str | None = None


class Row(NamedTuple):
    """A new row of the evidence table; `draft` stands for the place that the log will give."""

    piece: Piece
    submission: Submission | None


class Decision(msgspec.Struct):
    """What a batch changes: all of it in one transaction."""

    outcomes: list[Outcome]
    drafts: list[Draft]
    inserts: dict[str, Row]
    updates: dict[str, Row]
    """Rows that were there and are accepted or parked now."""
    flipped: dict[str, bool]
    """Pieces from earlier batches whose validity changed."""
    parked: list[tuple[Submission, Park]]
    released: list[str]
    """Evidence ids that are no longer parked."""


def decide(submissions: Sequence[Submission], known: Iterable[Piece], time: str) -> Decision:
    """Decide the items in order; `known` holds what is stored of their ids, targets, chains and voiders."""
    return _Deciding(Forest(known), time).run(submissions)


class _Deciding:
    """The working state of one decision."""

    def __init__(self, forest: Forest, time: str) -> None:
        self._forest = forest
        self._stored = {evidence_id: piece.state for evidence_id, piece in forest.pieces.items()}
        self._time = time
        self._made = Decision([], [], {}, {}, {}, [], [])

    def run(self, submissions: Sequence[Submission]) -> Decision:
        made, pieces = self._made, self._forest.pieces
        for submission in submissions:
            command = submission.command
            content = command.content
            piece = pieces.get(command.evidence_id)
            if piece is None and submission.draft is not None and content.supersedes is None:
                index = len(made.drafts)
                made.drafts.append(submission.draft)
                piece = Piece(
                    command.evidence_id, command.tenant, content.source, State.ACCEPTED, command.digest,
                    submission.learner, submission.shard, None, index, competencies=submission.competencies,
                )  # fmt: skip
                pieces[command.evidence_id] = piece
                made.inserts[command.evidence_id] = Row(piece, submission)
                made.outcomes.append(Outcome("accepted", command.evidence_id, index))
            else:
                made.outcomes.append(self._decide(submission, piece))
        return made

    def _decide(self, submission: Submission, piece: Piece | None) -> Outcome:
        command = submission.command
        if piece is not None and piece.state == State.ERASED:
            return self._refused(submission, "erased", "", "its learner was erased")
        if piece is not None and piece.state != State.AWAITED:
            if piece.digest != command.digest:
                return self._refused(submission, "conflict", "/id", "the same id came with other content")
            if piece.state == State.ACCEPTED:
                return Outcome("duplicate", command.evidence_id, piece.draft, piece.place)
        if submission.park is not None:
            return self._park(submission, submission.park, piece)
        problem = self._target_problem(submission)
        if problem is not None:
            return problem
        return self._accept(submission, piece)

    def _park(self, submission: Submission, park: Park, piece: Piece | None) -> Outcome:
        command = submission.command
        if piece is None or piece.state == State.AWAITED:
            self._store(submission, State.PARKED)
        self._made.parked.append((submission, park))
        return Outcome("parked", command.evidence_id, reason=park.reason, pointer=park.pointer, detail=park.detail)

    def _target_problem(self, submission: Submission) -> Outcome | None:
        command = submission.command
        if command.target is None:
            return None
        target = self._forest.pieces.get(command.target)
        pointer = f"/{command.relation}"
        if target is not None and target.state == State.ACCEPTED and target.relation == "retracts":
            return self._refused(submission, "target_is_retraction", pointer, "a retraction cannot be undone")
        if self._forest.reaches(command.target, command.evidence_id):
            return self._refused(submission, "cycle", pointer, "the items would replace each other in a circle")
        if self._forest.is_too_long(command.target):
            return self._refused(submission, "chain_too_long", pointer, "too many items replace each other")
        return None

    def _accept(self, submission: Submission, before: Piece | None) -> Outcome:
        """Take a piece in whose id was awaited or parked, or that concerns another one."""
        made, command = self._made, submission.command
        if before is not None and before.state == State.PARKED:
            made.released.append(command.evidence_id)
        piece = self._store(submission, State.ACCEPTED)
        if command.target is not None and command.target not in self._forest.pieces:
            awaited = Piece(command.target, command.tenant, command.content.source, State.AWAITED)
            self._forest.pieces[command.target] = awaited
            made.inserts[command.target] = Row(awaited, None)
        flipped = self._forest.accept(piece)
        for other in flipped:
            if self._stored.get(other.evidence_id) == State.ACCEPTED:
                made.flipped[other.evidence_id] = other.valid
        if command.relation == "retracts":
            self._tell_retraction(submission, piece, flipped)
            return Outcome("corrected", command.evidence_id, piece.draft, piece.place)
        self._tell_recorded(submission, piece, flipped)
        return Outcome("accepted" if command.target is None else "corrected", command.evidence_id, piece.draft)

    def _store(self, submission: Submission, state: State) -> Piece:
        command = submission.command
        piece = Piece(
            command.evidence_id, command.tenant, command.content.source, state, command.digest, submission.learner,
            submission.shard, relation=command.relation, target=command.target,
            competencies=submission.competencies,
        )  # fmt: skip
        rows = self._made.updates if command.evidence_id in self._stored else self._made.inserts
        rows[command.evidence_id] = Row(piece, submission)
        self._forest.pieces[command.evidence_id] = piece
        return piece

    def _tell_recorded(self, submission: Submission, piece: Piece, flipped: Sequence[Piece]) -> None:
        assert submission.learner is not None
        own = [other for other in flipped if other.learner == submission.learner]
        piece.draft = len(self._made.drafts)
        event = recorded(
            submission.command, submission.learner, submission.shard, self._time, alignment=submission.alignment,
            valid=piece.valid, invalidates=_touched(own, valid=False), revalidates=_touched(own, valid=True),
        )  # fmt: skip
        self._made.drafts.append(event)
        self._tell_others(submission, [other for other in flipped if other.learner != submission.learner])

    def _tell_retraction(self, submission: Submission, piece: Piece, flipped: Sequence[Piece]) -> None:
        """Append to the log of the target's learner, even if nothing flips; nowhere while the target is awaited."""
        command = submission.command
        target = self._forest.pieces[command.target or ""]
        if target.state != State.ACCEPTED or target.learner is None or target.shard is None:
            piece.learner = piece.shard = None
            return
        piece.learner, piece.shard, piece.draft = target.learner, target.shard, len(self._made.drafts)
        own = [other for other in flipped if other.learner == target.learner]
        self._tell_flips(submission, target.learner, target.shard, own)
        self._tell_others(submission, [other for other in flipped if other.learner != target.learner])

    def _tell_others(self, submission: Submission, flipped: Sequence[Piece]) -> None:
        by_learner: dict[tuple[str, int], list[Piece]] = {}
        for piece in flipped:
            assert piece.learner is not None
            assert piece.shard is not None
            by_learner.setdefault((piece.learner, piece.shard), []).append(piece)
        for (learner, shard), pieces in by_learner.items():
            self._tell_flips(submission, learner, shard, pieces)

    def _tell_flips(self, submission: Submission, learner: str, shard: int, flipped: Sequence[Piece]) -> None:
        command = submission.command
        assert command.relation is not None
        event = EvidenceRetracted(
            learner, command.evidence_id, command.relation,
            _touched(flipped, valid=False), _touched(flipped, valid=True),
        )  # fmt: skip
        self._made.drafts.append(retracted(command.tenant, shard, self._time, event))

    def _refused(self, submission: Submission, reason: str, pointer: str, detail: str) -> Outcome:
        return Outcome("rejected", submission.command.evidence_id, reason=reason, pointer=pointer, detail=detail)


def _touched(pieces: Sequence[Piece], *, valid: bool) -> tuple[Touched, ...]:
    return tuple(Touched(piece.told_as, piece.competencies) for piece in pieces if piece.valid == valid)
