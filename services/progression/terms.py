"""The event that a term is closed: what a shard told of every state before it is what the term ends with."""

import msgspec

from services.progression.telling import Told
from shared.public_events import SNAPSHOT_CLOSED
from shared.shards import stable_id

TERM_CLOSED = "attain.decision.term_closed.v1"
TEXT = "The term is closed: what is on every record now is kept beside what comes later."


class TermClosed(msgspec.Struct, frozen=True):
    """The decision that a term is over; `closed_by` is the subject of the token."""

    term: str
    closed_at: str
    closed_by: str


_decode = msgspec.json.Decoder(TermClosed).decode


def closing(tenant: str, input_id: str, data: msgspec.Raw, shard: int, shards: int) -> Told:
    """Return the event of a shard's part of a closing; the same term and part give the same id on every run."""
    decided = _decode(data)
    id = stable_id(tenant, SNAPSHOT_CLOSED, decided.term, str(shard))
    told = {
        "session": decided.term,
        "closed_by": decided.closed_by,
        "part": {"shard": shard, "of": shards},
        "decided_at": decided.closed_at,
        "cause": {"kind": "decision", "id": input_id},
        "reason": {"code": "closed", "text": TEXT},
    }
    return Told(id, SNAPSHOT_CLOSED, tenant, decided.term, decided.closed_at, told)
