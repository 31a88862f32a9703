"""What the read routes answer with."""

from typing import Any

import asyncpg
import msgspec

from services.evidence.domain.evidence import Private, State
from services.evidence.tables import pieces
from shared.contracts.internal_events import EVIDENCE_RECORDED
from shared.database import Database
from shared.errors import NotFound
from shared.events import Position


class _Body(msgspec.Struct):
    type: str
    time: str
    data: dict[str, Any]


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_private = msgspec.json.Decoder(Private).decode


async def evidence(database: Database, tenant: str, evidence_id: str) -> dict[str, Any]:
    """
    Return a piece: its content as its event tells it, whether it counts, and where it stands.

    Where the alignment map names its competencies, `asked` in the content has the id that the map is asked for (`by`), and the
    depth that the item gave itself (`dok`). An id under which events tell of it, as aligned anew, is the piece's too.

    Raises:
        NotFound: the tenant has no such piece.
    """
    row = await _find(database, tenant, evidence_id)
    content: dict[str, Any] = {}
    if row["body"] is not None:
        body = _decode_body(row["body"])
        if body.type == EVIDENCE_RECORDED:
            hidden = ("valid", "invalidates", "revalidates")
            content = {name: value for name, value in body.data.items() if name not in hidden}
            if row["align_by"] is not None:
                content["asked"] = {"by": row["align_by"], "dok": None}
    if row["private"] is not None:
        private = _decode_private(row["private"])
        content |= {name: value for name, value in msgspec.structs.asdict(private).items() if value is not None}
        if "asked" in content:
            content["asked"]["dok"] = private.dok
    return _heading(row) | {"content": content}


async def trace(database: Database, tenant: str, evidence_id: str) -> dict[str, Any]:
    """Return what happened to a piece here; raises `NotFound` as `evidence` does."""
    row = await _find(database, tenant, evidence_id)
    parked = None
    if row["state"] == State.PARKED:
        parked = {name: row[name] for name in ("reason", "pointer", "detail", "awaits")}
    return _heading(row) | {
        "received_at": row["received_at"],
        "accepted_at": None if row["body"] is None else _decode_body(row["body"]).time,
        "supersedes": _target(row, "supersedes"),
        "retracts": _target(row, "retracts"),
        "voided_by": [str(other) for other in row["voided_by"]],
        "parked": parked,
    }


def _heading(row: asyncpg.Record) -> dict[str, Any]:
    position = None
    if row["pos"] is not None:
        position = str(Position("evidence", row["generation"], row["shard"], row["pos"]))
    return {
        "evidence_id": str(row["evidence_id"]),
        "source": row["source"],
        "id": row["id"],
        "learner": row["learner"] and str(row["learner"]),
        "state": State(row["state"]).name.lower(),
        "kind": "retraction" if row["relation"] == "retracts" else "evidence",
        "valid": row["state"] == State.ACCEPTED and row["relation"] != "retracts" and row["valid"],
        "position": position,
    }


def _target(row: asyncpg.Record, relation: str) -> str | None:
    return str(row["target"]) if row["relation"] == relation else None


async def _find(database: Database, tenant: str, evidence_id: str) -> asyncpg.Record:
    async with database.connection() as connection:
        row = await pieces.find(connection, tenant, evidence_id)
    if row is None:
        raise NotFound("no such evidence")
    return row
