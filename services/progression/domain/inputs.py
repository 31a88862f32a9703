"""
What the fold is given: evidence, decisions and ticks of the clock, each at its place in the journal.

A key's set of evidence, and the decisions in force, follow from the inputs of its journal rows alone.
"""

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from services.progression.domain.decisions import (
    CLOCK_TICKED,
    COMPETENCY_DECIDED,
    LEVEL_DECIDED,
    SUPPORT_DECIDED,
    ClockTicked,
    CompetencyDecided,
    LevelDecided,
    SupportDecided,
)
from services.progression.domain.states import Piece, piece_of
from services.progression.domain.telling import Cause, Trigger
from shared.contracts.handed_in import UNGRADED, WorkUngraded
from shared.contracts.internal_events import (
    EVIDENCE_RECORDED,
    EVIDENCE_RETRACTED,
    WAIVED,
    EvidenceRecorded,
    EvidenceRetracted,
)

Key = tuple[str, str, str]
"""(tenant, learner, competency)."""
Learner = tuple[str, str]
"""(tenant, learner)."""
EvidenceSet: TypeAlias = dict[str, tuple[Piece | None, bool]]
"""A key's set of evidence: by evidence id the piece, None where only its validity was told yet, and whether it counts."""
Event = (
    EvidenceRecorded
    | EvidenceRetracted
    | WorkUngraded
    | CompetencyDecided
    | LevelDecided
    | SupportDecided
    | ClockTicked
)


class Input(msgspec.Struct, frozen=True, gc=False):
    """An event at its place in the journal; `piece` is there when it adds one, the same for all keys, and nothing else."""

    learner: Learner
    keys: tuple[Key, ...]
    id: str
    pos: int
    time: str
    cause: Cause
    event: Event
    piece: Piece | None

    @property
    def trigger(self) -> Trigger:
        """The input as the cause of what is told."""
        batch = self.event.batch if isinstance(self.event, CompetencyDecided) else ""
        return Trigger(self.id, self.pos, self.time, self.cause, batch)


def input_of(tenant: str, id: str, pos: int, time: str, event: Event) -> Input:
    """Return an event as an input of the fold."""
    learner = event.learner
    if isinstance(event, EvidenceRecorded) and not event.invalidates and not event.revalidates:
        named = event.competencies
        keys = ((tenant, learner, named[0]),) if len(named) == 1 else tuple([(tenant, learner, c) for c in named])
        own = _one_piece(event) if event.valid else None
        return Input((tenant, learner), keys, id, pos, time, "evidence", event, own)
    cause: Cause
    if isinstance(event, CompetencyDecided):
        touched, cause = {event.competency: None}, event.follows or "decision"
    elif isinstance(event, LevelDecided | SupportDecided):
        touched, cause = {}, "decision"
    elif isinstance(event, ClockTicked):
        touched, cause = dict.fromkeys(event.competencies), "clock"
    elif isinstance(event, WorkUngraded):
        touched, cause = {}, "evidence"
    else:
        touched = dict.fromkeys(event.competencies if isinstance(event, EvidenceRecorded) else ())
        for piece in (*event.invalidates, *event.revalidates):
            touched |= dict.fromkeys(piece.competencies)
        cause = "correction"
        if isinstance(event, EvidenceRetracted):
            cause = "identity" if event.identity else "retraction" if event.relation == "retracts" else "correction"
    keys = tuple([(tenant, learner, competency) for competency in touched])
    return Input((tenant, learner), keys, id, pos, time, cause, event, None)


def _one_piece(event: EvidenceRecorded) -> Piece | None:
    """
    Return the piece that an event is for all its competencies.

    None where their alignments weigh it differently, or it gives credit: each key is folded from its history then.
    """
    named = event.competencies
    if event.score.level == WAIVED:
        return None
    if len(named) > 1 and event.alignment:
        said = {(one.weight, one.strength) for one in event.alignment if one.strength != "hint"}
        if len(said) > 1:
            return None
    return piece_of(event, named[0] if named else "")


def decode(type: str, data: msgspec.Raw | bytes) -> Event | None:
    """Return the event, or None for a type that this version does not fold (it is journalled all the same)."""
    if type == EVIDENCE_RECORDED:
        return _decode_recorded(data)
    decoder = _DECODERS.get(type)
    return decoder.decode(data) if decoder is not None else None


_decode_recorded = msgspec.json.Decoder(EvidenceRecorded).decode
_DECODERS: dict[str, msgspec.json.Decoder[Event]] = {
    EVIDENCE_RETRACTED: msgspec.json.Decoder(EvidenceRetracted),
    COMPETENCY_DECIDED: msgspec.json.Decoder(CompetencyDecided),
    LEVEL_DECIDED: msgspec.json.Decoder(LevelDecided),
    SUPPORT_DECIDED: msgspec.json.Decoder(SupportDecided),
    CLOCK_TICKED: msgspec.json.Decoder(ClockTicked),
    UNGRADED: msgspec.json.Decoder(WorkUngraded),
}


def absorb(evidence: EvidenceSet, competency: str, event: Event) -> None:
    """Change a key's set of evidence by one event of its journal; the set does not depend on the order of events."""
    if isinstance(event, EvidenceRecorded):
        if competency in event.competencies:
            evidence[event.evidence_id] = (piece_of(event, competency), event.valid)
    elif not isinstance(event, EvidenceRetracted):
        return
    if not event.invalidates and not event.revalidates:
        return
    for changed, valid in ((event.invalidates, False), (event.revalidates, True)):
        for piece in changed:
            if competency in piece.competencies:
                evidence[piece.evidence_id] = (evidence.get(piece.evidence_id, (None, False))[0], valid)


def invalidated(event: object, competency: str) -> tuple[str, ...]:
    """Return the ids of the pieces of a competency that an event makes invalid."""
    if not isinstance(event, EvidenceRecorded | EvidenceRetracted):
        return ()
    return tuple(piece.evidence_id for piece in event.invalidates if competency in piece.competencies)


def counts_for_nothing(event: Event) -> bool:
    """Tell whether an event brings a piece that does not count, and changes nothing else."""
    return isinstance(event, EvidenceRecorded) and not (event.valid or event.invalidates or event.revalidates)


def undoes(event: Event) -> bool:
    """Tell whether an event takes back what had taken evidence back, or away: that counts again."""
    return isinstance(event, EvidenceRetracted) and bool(event.revalidates) and event.identity != "decided"


def valid_pieces(evidence: EvidenceSet) -> Iterator[Piece]:
    """Yield the pieces that count, in no particular order."""
    return (piece for piece, valid in evidence.values() if valid and piece is not None)
