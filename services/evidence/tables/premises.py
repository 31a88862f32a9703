"""Statements on what a batch rests on: that nobody is erased, no identity moves, and no alignment map is published."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.evidence.tables.alignments import ALIGNMENT_LOCK
from services.evidence.tables.people import LEARNERS_LOCK
from shared.database import Connection, columns


class Premises(NamedTuple):
    """
    Whether any learner was ever erased; by tenant how often identities moved, and the version of the map, where any; and
    which (tenant, source) of those asked for tell of handed-in work.
    """

    has_erased: bool
    moves: dict[str, int]
    maps: dict[str, int]
    hand_ins: frozenset[tuple[str, str]]


async def hold(connection: Connection, tenants: Iterable[str], of_maps: Iterable[str]) -> None:
    """
    Let no learner of `tenants` be erased or moved, and no map of `of_maps` be published, until this transaction ends.

    Batches do not wait for each other.
    """
    locks = [(LEARNERS_LOCK, tenant) for tenant in sorted(tenants)]
    locks += [(ALIGNMENT_LOCK, tenant) for tenant in sorted(of_maps)]
    await connection.execute(
        "select pg_advisory_xact_lock_shared(k.lock, hashtext(k.tenant)) from unnest($1::int[], $2::text[])"
        " k (lock, tenant)",
        *columns(locks, 2),
    )


async def read(
    connection: Connection, tenants: Sequence[str], of_maps: Sequence[str], sources: Iterable[tuple[str, str]] = ()
) -> Premises:
    """Return what holds now; to be asked once it is held, in a statement of its own."""
    row = await connection.fetchrow(
        "select exists (select from erased_learner) erased,"
        " (select json_object_agg(tenant, moves) from identity_move where tenant = any($1)) moves,"
        " (select json_object_agg(tenant, version) from alignment_head where tenant = any($2)) maps,"
        " (select json_agg(json_build_array(k.tenant, k.source)) from unnest($3::text[], $4::text[]) k (tenant, source)"
        "   where exists (select from handed_in h where h.tenant = k.tenant and h.source = k.source)) hand_ins",
        tenants,
        of_maps,
        *columns(sources, 2),
    )
    assert row is not None
    moves, maps = (json.loads(row[name] or "{}") for name in ("moves", "maps"))
    return Premises(row["erased"], moves, maps, frozenset(map(tuple, json.loads(row["hand_ins"] or "[]"))))
