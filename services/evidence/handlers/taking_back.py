"""What taking pieces back would do to which evidence counts: where they stand now, and what would count again."""

from collections.abc import Sequence
from typing import Any, Literal

from services.evidence.domain.evidence import State
from services.evidence.domain.validity import Forest, Piece
from services.evidence.tables import pieces
from shared.database import Database
from shared.shards import stable_id

Standing = Literal["counts", "superseded", "retracted"]


async def foreseen(database: Database, tenant: str, source: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """
    Return, of the accepted pieces among the ids of a source, how each stands (`standing`), and what counts again (`uncovers`)
    were they taken back one after the other in this order: the learner, the id under which events tell of it, and what it
    speaks to.
    """
    evidence_ids = {stable_id(tenant, source, id): id for id in ids}
    async with database.connection() as connection:
        forest = Forest(await pieces.known_forest(connection, list(evidence_ids)))
    asked = {
        evidence_id: forest.pieces[evidence_id]
        for evidence_id in evidence_ids
        if evidence_id in forest.pieces and _is_evidence(forest.pieces[evidence_id])
    }
    standing = {evidence_id: _standing(forest, piece) for evidence_id, piece in asked.items()}
    uncovered = forest.uncovered_by(asked)
    return {
        evidence_ids[evidence_id]: {"standing": standing[evidence_id], "uncovers": _told(uncovered.get(evidence_id))}
        for evidence_id in asked
    }


def _is_evidence(piece: Piece) -> bool:
    return piece.state == State.ACCEPTED and piece.relation != "retracts"


def _standing(forest: Forest, piece: Piece) -> Standing:
    if piece.valid:
        return "counts"
    return "retracted" if forest.is_retracted(piece) else "superseded"


def _told(piece: Piece | None) -> dict[str, Any] | None:
    if piece is None:
        return None
    return {"learner": piece.learner, "evidence_id": piece.told_as, "competencies": piece.competencies}
