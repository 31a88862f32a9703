"""What a batch of evidence needs to know of what is stored, and what of its decision is stored."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from services.evidence.domain.decisions import Decision, Row
from services.evidence.domain.evidence import State, Submission
from services.evidence.domain.validity import Piece
from services.evidence.tables import pieces, quarantine
from shared.database import Connection


class ForestNotLocked(Exception):
    """What a batch touches has to be read again, with `sources` locked: (tenant, source)."""

    def __init__(self, sources: set[tuple[str, str]]) -> None:
        self.sources = sources


async def load(connection: Connection, submissions: Sequence[Submission], forests: set[tuple[str, str]]) -> list[Piece]:
    """
    Return what is known of the batch. Plain new evidence needs its own ids only, and no lock.

    What changes rows that exist (targets, awaited or parked ids) needs the lock of its source first.
    """
    ids = []
    targets = []
    needed = set(forests)
    for submission in submissions:
        command = submission.command
        ids.append(command.evidence_id)
        if submission.draft is None or command.content.supersedes is not None:
            needed.add((command.tenant, command.content.source))
            if command.target is not None:
                targets.append(command.target)
    if needed:
        await pieces.lock_forests(connection, needed)
    if targets:
        known = await pieces.known_forest(connection, ids + targets)
    else:
        known = await pieces.known(connection, ids)
    waiting = {
        (piece.tenant, piece.source): None for piece in known if piece.state in (State.AWAITED, State.PARKED)
    }.keys()
    if not waiting:
        return known
    if not waiting <= needed:
        raise ForestNotLocked(set(waiting))
    return known if targets else await pieces.known_forest(connection, ids)


async def store(
    connection: Connection, decision: Decision, positions: Sequence[int], ways: Mapping[int, str],
    now: datetime.datetime,
) -> None:  # fmt: skip
    """Store what a batch changes; `ways` says by which way a submission came, by its `id()`."""
    rows = [_row(row, decision, positions) for row in decision.inserts.values()]
    rows.sort(key=_first)
    await pieces.insert(connection, rows)
    await pieces.update(connection, [_row(row, decision, positions) for row in decision.updates.values()])
    await pieces.set_validity(connection, decision.flipped)
    if decision.parked:
        parked = {}
        for submission, park in decision.parked:
            command, content = submission.command, submission.command.content
            parked[command.evidence_id] = (
                command.evidence_id, command.tenant, content.source, content.id, content.learner, park.reason,
                park.pointer, park.detail, park.awaits, ways[id(submission)], command.original, command.form,
                park.awaits_entry, park.seen,
            )  # fmt: skip
        await quarantine.park(connection, list(parked.values()), now)
    await quarantine.release(connection, decision.released)


def people_of(decision: Decision) -> tuple[list[tuple[str, str, str, str]], list[str]]:
    """Return whose the pieces of a batch are, as their sources know them, and the ids of those that name nobody."""
    people, of_nobody = [], []
    for rows in (decision.inserts, decision.updates):
        for row in rows.values():
            piece = row.piece
            learner = row.submission.command.content.learner if row.submission is not None else None
            if learner is None:
                of_nobody.append(piece.evidence_id)
            else:
                people.append((piece.evidence_id, piece.tenant, piece.source, learner))
    return people, of_nobody


def _row(row: Row, decision: Decision, positions: Sequence[int]) -> tuple[Any, ...]:
    piece, submission = row
    if piece.draft is None:
        shard, pos = None, None
    else:
        shard, pos = decision.drafts[piece.draft].shard, positions[piece.draft]
    if submission is None:
        id, received_at, private, align_by = None, None, None, None
    else:
        command, received_at = submission.command, submission.received_at
        id, private, align_by = command.content.id, command.private, command.content.align_by
    return (
        piece.evidence_id, piece.tenant, piece.source, id, piece.state, piece.digest, piece.learner, shard, pos,
        piece.valid, piece.relation, piece.target, received_at, private, align_by,
    )  # fmt: skip


def _first(row: tuple[Any, ...]) -> str:
    evidence_id: str = row[0]
    return evidence_id
