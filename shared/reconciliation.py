"""
Standing reconciliation: what one stage gave is held against what the next one has, by tenant, all the time.

Counts are taken from the rows, not from what the code believes. Positions are cut into blocks; a block is counted once it is
complete, and all are counted again in turn, so a row that vanishes later is missed too. Stages are compared at the same
positions, so what is under way is no difference.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from fastapi import APIRouter

from shared.database import Connection, Database, columns
from shared.described import answered
from shared.errors import InvalidEvent, Unavailable
from shared.observability import metrics
from shared.tasks import Pulse, raise_if_cancelled
from shared.tenancy import bound_to
from shared.web import Caller

log = logging.getLogger(__name__)
NAMED_MAX = 20
"""Differences that are logged one by one; the answer to operators has all."""
BLOCK = 4096
"""Positions a block: what is counted anew for a position in the middle of one, about 2 ms."""
RECOUNTED_BLOCKS = 8
"""Blocks counted again in one run."""
NEW_BLOCKS = 256
"""Blocks counted for the first time in one run; the next goes on."""

LOG_ROWS = (
    "select tenant, 1 as n from event_log where log = $1 and shard = k.shard and pos > k.after and pos <= k.until"
)
"""The rows of a log in a range of positions `k`."""


class Comparison(msgspec.Struct, frozen=True):
    """Two counts of a tenant that ought to be equal; `difference` is actual - expected."""

    tenant: str
    stage: str
    expected: int
    actual: int
    difference: int


class Reconciled(msgspec.Struct):
    """What the last check of each stage found, and how many seconds ago that was."""

    items: list[Comparison]
    checked_s_ago: dict[str, float]


Check: TypeAlias = Callable[[], Awaitable[list[Comparison]]]


def compare(stage: str, expected: Mapping[str, int], actual: Mapping[str, int]) -> list[Comparison]:
    """Return one comparison a tenant that either side knows, in the order of tenants."""
    return [
        Comparison(tenant, stage, gave := expected.get(tenant, 0), has := actual.get(tenant, 0), has - gave)
        for tenant in sorted(expected.keys() | actual.keys())
    ]


class Tally:
    """
    Counts the events of a log by tenant, exact at any positions. `rows` selects (tenant, n) for a range of what is no
    event log: n events a row.
    """

    def __init__(self, name: str, rows: str = LOG_ROWS) -> None:
        self.name = name
        self._count = (
            "select k.shard, k.after, r.tenant, r.rows"
            " from unnest($2::int[], $3::bigint[], $4::bigint[]) k (shard, after, until)"
            f" cross join lateral (select tenant, sum(n)::bigint as rows from ({rows}) t"
            # Rows of nobody hold the positions of what another shard has.
            "   where tenant <> '' group by tenant) r"
            " where $1::text <> ''"
        )
        self._recounted = (-1, -1)

    async def at(self, connection: Connection, positions: Mapping[int, int]) -> Counter[str]:
        """Return how many rows each tenant has up to the position of each shard."""
        counted = await self._counted(connection)
        whole = {shard: min(pos // BLOCK, counted.get(shard, 0)) for shard, pos in positions.items()}
        rows = await connection.fetch(
            "select tenant, sum(c.rows)::bigint as rows from counted_block c"
            " join unnest($2::int[], $3::bigint[]) k (shard, blocks) on c.shard = k.shard and c.block < k.blocks"
            " where c.log = $1 group by tenant",
            self.name,
            *columns(whole.items(), 2),
        )
        total = Counter({row["tenant"]: row["rows"] for row in rows})
        rest = [(shard, whole[shard] * BLOCK, pos) for shard, pos in positions.items() if pos > whole[shard] * BLOCK]
        for row in await connection.fetch(self._count, self.name, *columns(rest, 3)):
            total[row["tenant"]] += row["rows"]
        return total

    async def keep(self, connection: Connection, heads: Mapping[int, int]) -> None:
        """Count blocks that have become complete, and some that were counted before; in the caller's transaction."""
        if not await connection.fetchval("select pg_try_advisory_xact_lock(hashtext('tally.' || $1))", self.name):
            return
        counted = await self._counted(connection)
        new = [(shard, block) for shard in heads for block in range(counted.get(shard, 0), heads[shard] // BLOCK)]
        again = await connection.fetch(
            "select distinct shard, block from counted_block where log = $1 and (shard, block) > ($2, $3)"
            " order by shard, block limit $4",
            self.name,
            *self._recounted,
            RECOUNTED_BLOCKS,
        )
        self._recounted = (again[-1]["shard"], again[-1]["block"]) if len(again) == RECOUNTED_BLOCKS else (-1, -1)
        await self._store(connection, [*new[:NEW_BLOCKS], *((row["shard"], row["block"]) for row in again)])

    async def _store(self, connection: Connection, blocks: Sequence[tuple[int, int]]) -> None:
        if not blocks:
            return
        ranges = [(shard, block * BLOCK, (block + 1) * BLOCK) for shard, block in blocks]
        found = await connection.fetch(self._count, self.name, *columns(ranges, 3))
        await connection.execute(
            "delete from counted_block c using unnest($2::int[], $3::bigint[]) k (shard, block)"
            " where c.log = $1 and c.shard = k.shard and c.block = k.block",
            self.name,
            *columns(blocks, 2),
        )
        rows = [(row["shard"], row["after"] // BLOCK, row["tenant"], row["rows"]) for row in found]
        await connection.execute(
            "insert into counted_block select $1, * from unnest($2::int[], $3::bigint[], $4::text[], $5::bigint[])",
            self.name,
            *columns(rows, 4),
        )

    async def _counted(self, connection: Connection) -> dict[int, int]:
        """Return how many blocks of each shard are counted; those without a row of any tenant do not show."""
        rows = await connection.fetch(
            "select shard, max(block) + 1 as blocks from counted_block where log = $1 group by shard", self.name
        )
        return {row["shard"]: row["blocks"] for row in rows}


class Reconciler:
    """Runs the checks of a service, one a stage, every `every_s`, and keeps what each found last."""

    def __init__(self, checks: Mapping[str, Check], every_s: float) -> None:
        self._checks = checks
        self._every_s = every_s
        self._found: dict[str, tuple[float, list[Comparison]]] = {}
        self._checking = asyncio.Lock()
        self.pulse = Pulse(slower=10)

    async def run(self) -> None:
        """Check until cancelled."""
        # A stage whose other end was never reached is told by its age too: what has no age sets off no alert.
        for stage in self._checks:
            metrics.reconciled.labels(stage=stage).set(time.time())
        while True:
            raise_if_cancelled()
            await asyncio.sleep(self._every_s)
            await self.check()

    async def check(self) -> None:
        """Check all stages now; one whose other end is away keeps what was found before."""
        async with self._checking:
            try:
                with bound_to(None):
                    await self._check_all()
            finally:
                self.pulse.rest()

    async def _check_all(self) -> None:
        for stage, check in self._checks.items():
            self.pulse.beat()
            try:
                found = await check()
            except Unavailable as error:
                log.warning("stage %s cannot be reconciled now: %s", stage, error)
            except Exception:
                log.exception("stage %s cannot be reconciled", stage)
            else:
                self._keep(stage, found)

    def _keep(self, stage: str, found: list[Comparison]) -> None:
        self._found[stage] = (time.time(), found)
        differences = [one for one in found if one.difference]
        metrics.reconciled.labels(stage=stage).set(self._found[stage][0])
        metrics.differences.labels(stage=stage).set(sum(abs(one.difference) for one in differences))
        if differences:
            log.error("stage %s differs for %s tenants by %s in all", stage, len(differences),
                      sum(one.difference for one in differences))  # fmt: skip
        for one in differences[:NAMED_MAX]:
            log.error("stage %s differs by %s", stage, one.difference, extra={"tenant": one.tenant})

    def found(self, tenant: str | None) -> dict[str, Any]:
        """Return what the last run of each check found, of one tenant or all, and how long ago in seconds."""
        now = time.time()
        return {
            "items": [
                msgspec.to_builtins(one)
                for _, comparisons in self._found.values()
                for one in comparisons
                if tenant is None or one.tenant == tenant
            ],
            "checked_s_ago": {stage: round(now - checked_at, 1) for stage, (checked_at, _) in self._found.items()},
        }


def reconciliation_router(reconciler: Reconciler, database: Database, tallies: Iterable[Tally]) -> APIRouter:
    """Return the routes of reconciliation: what was found, for operators, and counts for the next service."""
    router = APIRouter(tags=["operations"])
    by_name = {tally.name: tally for tally in tallies}

    def seen_by(caller: Caller) -> dict[str, Any]:
        return reconciler.found(None if "service" in caller.scopes else caller.tenant)

    @router.get("/v1/reconciliation", responses=answered(Reconciled))
    async def reconciliation(caller: Caller) -> dict[str, Any]:
        """What the last run found: with scope `admin` of the caller's tenant, with `service` of all."""
        caller.require("admin", "service")
        return seen_by(caller)

    @router.post("/v1/reconciliation", responses=answered(Reconciled))
    async def reconcile(caller: Caller) -> dict[str, Any]:
        """Check now, then answer as GET does."""
        caller.require("admin", "service")
        await reconciler.check()
        return seen_by(caller)

    if by_name:

        @router.get("/v1/counts")
        async def counts(caller: Caller, log: str, at: str) -> dict[str, int]:
            """How many events of a log each tenant has, up to a position in each shard: `at` is `12,7,…` in shard order."""
            caller.require("service")
            if log not in by_name:
                raise InvalidEvent(f"no counts of {log[:60]!r} here; there are {', '.join(by_name)}", pointer="/log")
            places = at.split(",")
            if not all(place.isascii() and place.isdigit() and len(place) < 19 for place in places):
                raise InvalidEvent("at is a position for each shard, separated by commas", pointer="/at")
            async with database.instant() as connection:
                return await by_name[log].at(connection, {shard: int(place) for shard, place in enumerate(places)})

    return router
