"""How pieces stand, and what would count again were they taken back, asked of the service that decides what counts."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from shared.contracts.internal_events import Touched
from shared.peer import Peer

IDS_MAX = 10_000


class Uncovered(msgspec.Struct, frozen=True):
    """A piece that would count again: whose it is, its id in events, and what it speaks to."""

    learner: str
    evidence_id: str
    competencies: tuple[str, ...]

    @property
    def touched(self) -> Touched:
        """The piece as events name it."""
        return Touched(self.evidence_id, self.competencies)


class Taken(msgspec.Struct, frozen=True):
    """How a piece stands, and what would count again were it taken back."""

    standing: Literal["counts", "superseded", "retracted"]
    uncovers: Uncovered | None = None


_decode = msgspec.json.Decoder(dict[str, Taken]).decode


async def taken_back(evidence: Peer, tenant: str, source: str, ids: Sequence[str]) -> dict[str, Taken]:
    """
    Return what taking pieces of a source back would do, one after the other, by its ids; who it does not know is left out.

    Raises:
        Unavailable: the service does not answer.
    """
    found: dict[str, Taken] = {}
    for start in range(0, len(ids), IDS_MAX):
        body = {"tenant": tenant, "source": source, "ids": ids[start : start + IDS_MAX]}
        found |= _decode((await evidence.ask("/v1/retractions/preview", body=body)).content)
    return found
