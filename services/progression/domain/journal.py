"""
The input journal's format: what a batch folded for one key is one row, a JSON array of its inputs.

An input that concerns several keys stands in the row of each. The positions of a shard are dense over the distinct
inputs, and a batch holds a contiguous run of them, so rows of whole batches give the sequence back.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import msgspec


class JournalEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An input in the journal: `input_pos` is where it stands in the evidence log, or in the inbox for a decision."""

    pos: int
    type: str
    id: str
    input_pos: int
    time: str
    data: msgspec.Raw


class JournalRow(NamedTuple):
    """
    A row of the table: `batch` is the batch's last position, `no` counts its rows, `body` has the entries of one key.

    `competency` is empty for what concerns no key, `learner` too for decisions. `events` is how many of the entries are
    events of the evidence log that stand in no earlier row of the batch: over whole batches it adds up to the events folded.
    """

    shard: int
    batch: int
    no: int
    tenant: str
    learner: str
    competency: str
    body: bytes
    events: int


def origin_of(type: str) -> Literal["evidence", "decision"]:
    """Return where an input of a type comes from: the evidence log, or the inbox."""
    return "evidence" if type.startswith("attain.evidence.") else "decision"


pack_entries = msgspec.json.Encoder().encode
unpack_entries = msgspec.json.Decoder(list[JournalEntry]).decode


def in_order(rows: Iterable[Any]) -> Iterator[tuple[JournalEntry, str, str, list[str]]]:
    """Yield (entry, tenant, learner, competencies) by position, from the rows of whole batches in their order."""
    batch: int | None = None
    found: dict[int, tuple[JournalEntry, str, str, list[str]]] = {}
    for row in rows:
        if row["batch"] != batch:
            yield from (found[pos] for pos in sorted(found))
            batch, found = row["batch"], {}
        for entry in unpack_entries(row["body"]):
            known = found.setdefault(entry.pos, (entry, row["tenant"], row["learner"], []))
            known[3].append(row["competency"])
    yield from (found[pos] for pos in sorted(found))
