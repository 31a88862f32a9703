"""
Which evidence counts: a piece is valid iff it is not retracted and no item that is not retracted supersedes it.

So a correction of a correction replaces both before it, and taking a correction back makes what it replaced count again.
Items and their targets form a forest (one target an item, no cycles). Validity is a function of the set of items alone;
nothing depends on the order in which they came.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from services.evidence.domain.evidence import Relation, State

CHAIN_ITEMS_MAX = 200


class Place(NamedTuple):
    """A position of the evidence log."""

    shard: int
    pos: int


class Piece(msgspec.Struct):
    """
    What is known of one evidence id while a batch is decided.

    `draft` is the index of the event that this batch appends for it; `place` is where an earlier one stands.
    """

    evidence_id: str
    tenant: str
    source: str
    state: State
    digest: bytes | None = None
    learner: str | None = None
    shard: int | None = None
    place: Place | None = None
    draft: int | None = None
    valid: bool = True
    relation: Relation | None = None
    target: str | None = None
    competencies: tuple[str, ...] = ()
    told: str | None = None
    """The id under which events tell of it, where it was aligned anew since; else `evidence_id`."""

    @property
    def told_as(self) -> str:
        """The id under which events tell of it."""
        return self.told or self.evidence_id


class Forest:
    """The pieces that a batch may touch, by id, and who voids whom."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces = {piece.evidence_id: piece for piece in pieces}
        self._voiders: dict[str, list[Piece]] = {}
        for piece in self.pieces.values():
            if piece.target is not None and piece.state in (State.ACCEPTED, State.ERASED):
                self._voiders.setdefault(piece.target, []).append(piece)

    def is_voided(self, piece: Piece) -> bool:
        """Tell whether something accepted retracts the piece, or supersedes it and is not retracted itself."""
        if piece.relation == "retracts":
            return False
        return any(
            voider.relation == "retracts" or not self.is_retracted(voider)
            for voider in self._voiders.get(piece.evidence_id, ())
        )

    def is_retracted(self, piece: Piece) -> bool:
        """Tell whether something accepted retracts the piece."""
        return any(voider.relation == "retracts" for voider in self._voiders.get(piece.evidence_id, ()))

    def reaches(self, start: str, goal: str) -> bool:
        """Tell whether the chain of targets from `start` comes to `goal`."""
        return any(evidence_id == goal for evidence_id in self._chain(start))

    def is_too_long(self, start: str) -> bool:
        """Tell whether a chain of targets is over the limit, which bounds what one correction can cost."""
        return sum(1 for _ in self._chain(start)) >= CHAIN_ITEMS_MAX

    def accept(self, piece: Piece) -> list[Piece]:
        """Take an accepted piece in; return the other accepted pieces whose validity it flipped, nearest first."""
        self.pieces[piece.evidence_id] = piece
        piece.valid = not self.is_voided(piece)
        if piece.target is None:
            return []
        self._voiders.setdefault(piece.target, []).append(piece)
        return self._settle(piece.target)

    def uncovered_by(self, evidence_ids: Iterable[str]) -> dict[str, Piece]:
        """Retract pieces one after the other; return those that count again, by the id whose retraction brings each back."""
        found: dict[str, Piece] = {}
        for evidence_id in evidence_ids:
            one = self.pieces.get(evidence_id)
            if one is None:
                continue
            by = Piece(
                f"void-{evidence_id}", one.tenant, one.source, State.ACCEPTED, relation="retracts", target=evidence_id
            )
            for piece in self.accept(by):
                if piece.valid:
                    found[evidence_id] = piece
        return found

    def _settle(self, target: str) -> list[Piece]:
        """Settle the target, and the target's own target: it counts again if the target was retracted just now."""
        flipped: list[Piece] = []
        settled: str | None = target
        for _ in range(2):
            piece = self.pieces.get(settled) if settled is not None else None
            if piece is None:
                break
            valid = not self.is_voided(piece)
            if piece.state == State.ACCEPTED and piece.relation != "retracts" and piece.valid != valid:
                piece.valid = valid
                flipped.append(piece)
            settled = piece.target
        return flipped

    def _chain(self, start: str) -> Iterable[str]:
        seen: set[str] = set()
        following: str | None = start
        while following is not None and following not in seen:
            seen.add(following)
            yield following
            piece = self.pieces.get(following)
            following = None if piece is None else piece.target
