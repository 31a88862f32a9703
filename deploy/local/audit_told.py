"""The part of the audit on public events that no key's fold tells: who learners are, and which terms are closed."""

from collections.abc import Iterable
from typing import Any

import msgspec

from services.progression.identities import told_of
from services.progression.terms import TERM_CLOSED, closing
from shared.events import Envelope
from shared.public_events import SNAPSHOT_CLOSED, SnapshotClosed


def identities(journal: list[list[Any]], events: dict[int, Envelope], tenant: str | None) -> set[str]:
    """Return the ids of the public events on who learners are."""
    found = (
        told_of(kind, of, learner, input_id, recorded_at, events[input_pos].data)
        for _, of, learner, _, kind, input_id, input_pos, recorded_at, body in journal
        if body is None and input_pos in events and (tenant is None or of == tenant)
    )
    return {told.id for told in found if told is not None}


def closings(
    place: tuple[int, int], journal: list[list[Any]], public: Iterable[Envelope], tenant: str | None
) -> set[str]:
    """Return the ids of the public events on closed terms, each as its shard was numbered then; `place`: (shard, shards) now."""
    numbered = {}
    for event in public:
        if event.type == SNAPSHOT_CLOSED:
            told = msgspec.json.decode(event.data, type=SnapshotClosed)
            then = (told.part.shard, told.part.of)
            if then[1] and place[1] % then[1] == 0 and place[0] % then[1] == then[0]:
                numbered[told.cause.id] = then
    return {
        closing(of, input_id, msgspec.Raw(body.encode()), *numbered.get(input_id, place)).id
        for _, of, _, _, kind, input_id, _, _, body in journal
        if kind == TERM_CLOSED and (tenant is None or of == tenant)
    }
