"""Parked pieces flow by themselves when a framework, or the alignment map, brings what they wait for."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from itertools import groupby

import asyncpg

from services.evidence.handlers.curriculum import Competencies
from services.evidence.handlers.handed_in import HandIns
from services.evidence.handlers.intake import READERS, Intake
from services.evidence.handlers.realigning import Realigner
from services.evidence.tables import alignments, quarantine
from shared.crash_points import reach
from shared.database import Database
from shared.errors import Unavailable
from shared.lag import SeenBehind
from shared.tasks import Pulse

log = logging.getLogger(__name__)
FLOW_ROWS = 2000
ENTRIES = 500
"""Entries of the alignment map that one sweep applies."""
SWEEP_S = 5.0
"""How often to look without being told: a piece may be parked while its framework is being committed."""


class Releaser:
    """
    Takes parked pieces through the normal intake, in order of receipt, once what they wait for is known.

    Applies new versions of the alignment map: to what waits for them, then to what stands by an earlier one, last to handed-in
    work that has no grade yet.
    """

    def __init__(
        self, database: Database, intake: Intake, competencies: Competencies, realigner: Realigner, hand_ins: HandIns
    ) -> None:
        self._database = database
        self._intake = intake
        self._competencies = competencies
        self._realigner = realigner
        self._hand_ins = hand_ins
        self._awake = asyncio.Event()
        self.ready_since = SeenBehind()
        self.pulse = Pulse(slower=10)

    def wake(self) -> None:
        """Look now, with what the frameworks have now."""
        self._competencies.forget()
        self._awake.set()

    async def run(self) -> None:
        """Release until cancelled."""
        while True:
            self.pulse.beat()
            self._awake.clear()
            # Another replica may have folded that a competency is retired.
            self._competencies.forget()
            try:
                await self.release()
                await self.apply_alignments()
            except Unavailable as error:
                log.warning("parked pieces wait: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), SWEEP_S)

    async def release(self) -> None:
        """Try each piece once that waited for a competency, page by page; one that has to wait on holds up no other."""
        after = 0
        while True:
            async with self._database.connection() as connection:
                rows = await quarantine.flowing(connection, FLOW_ROWS, after)
            if not rows:
                return
            await self._take(rows)
            after = rows[-1]["seq"]

    async def apply_alignments(self) -> None:
        """Apply the entries of the map that are not yet; one whose competencies are unknown waits for a framework."""
        async with self._database.connection() as connection:
            entries = await alignments.unapplied(connection, ENTRIES)
        done = []
        for tenant, id, source, effective_from, version, targets in entries:
            self.pulse.beat()
            while True:
                async with self._database.connection() as connection:
                    rows = await quarantine.awaiting(connection, tenant, source, id, version, FLOW_ROWS)
                if not rows:
                    break
                await self._take(rows)
            if await self._realigner.apply(tenant, source, id, alignments.decode_targets(targets)):
                await self._hand_ins.realign(tenant, source, id)
                done.append((tenant, id, source, effective_from, version))
        if done:
            async with self._database.connection() as connection:
                await alignments.set_applied(connection, done)

    async def behind(self) -> int:
        """Return how many pieces and entries of the map are ready to be taken in or applied, up to a page of each."""
        async with self._database.connection() as connection:
            flowing = len(await quarantine.flowing(connection, FLOW_ROWS))
            entries = await alignments.unapplied(connection, ENTRIES)
        for tenant, _, _, _, _, targets in entries:
            flowing += await self._realigner.is_ready(tenant, alignments.decode_targets(targets))
        return flowing

    async def _take(self, rows: Sequence[asyncpg.Record]) -> None:
        for (tenant, form), run in groupby(rows, key=lambda row: (str(row["tenant"]), str(row["form"]))):
            self.pulse.beat()
            page = list(run)
            items = await self._intake.take([row["original"] for row in page], tenant, way="parked", read=READERS[form])
            reach("parked.taken")
            for row, item in zip(page, items, strict=True):
                if item.status == "rejected":
                    await self._refuse(str(row["quarantine_id"]), item.reason or "", item.pointer or "", item.detail)

    async def _refuse(self, quarantine_id: str, reason: str, pointer: str, detail: str | None) -> None:
        """A parked piece that cannot be used after all is quarantined, or it would come round for ever."""
        async with self._database.connection() as connection:
            await quarantine.refuse(connection, quarantine_id, reason, pointer, detail or "")
