"""Quarantine: keep what cannot be used with its reason and bytes, tell of it, and try it again when asked."""

import datetime
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from services.evidence.domain.quarantine import Refusal, quarantined
from services.evidence.domain.reasons import REFUSED
from services.evidence.handlers.intake import READERS, Intake, Item
from services.evidence.tables import quarantine
from shared.crash_points import reach
from shared.database import Database
from shared.errors import NotFound, Refused
from shared.event_log import EventLog
from shared.events import utc
from shared.observability import metrics

Again = Callable[[bytes, str, str], Awaitable[Sequence[Item]]]
"""From the original, tenant and source."""


class Quarantine:
    """What cannot be used, of all ways in that have nobody to answer to."""

    def __init__(self, database: Database, log: EventLog, intake: Intake) -> None:
        self._database = database
        self._log = log
        self._intake = intake
        for reason in REFUSED:
            # A counter that begins with its first burst shows no increase: it is there before.
            metrics.quarantined.labels(reason=reason)
        self.again: Mapping[str, Again] = {}
        """How an original of another format is taken in again, by its form."""

    async def keep(self, refusals: Sequence[Refusal], way: str) -> None:
        """Store refusals and append their events, once each however often they are delivered."""
        if not refusals:
            return
        now = datetime.datetime.now(datetime.UTC)
        async with self._database.transaction() as connection:
            new = await quarantine.add(connection, refusals, way, now)
            drafts = [
                quarantined(refusal, way, utc(now), self._log.shards)
                for refusal in refusals
                if refusal.quarantine_id in new
            ]
            await self._log.append(connection, drafts)
        for reason, count in Counter(one.reason for one in refusals if one.quarantine_id in new).items():
            metrics.quarantined.labels(reason=reason).inc(count)

    async def redrive(self, tenant: str, quarantine_id: str) -> Item:
        """
        Take the original bytes in again, by the rules and frameworks of today.

        Raises:
            NotFound: the tenant has no such piece.
            Refused: it was taken in already.
        """
        async with self._database.connection() as connection:
            row = await quarantine.find(connection, tenant, quarantine_id)
        if row is None:
            raise NotFound("no such piece in quarantine")
        if row["status"] in ("redriven", "released"):
            raise Refused(f"it is {row['status']} already", evidence_id=str(row["evidence_id"]))
        if row["form"] in READERS:
            read = READERS[row["form"]]
            [item] = await self._intake.take([row["original"]], tenant, way="redrive", read=read)
        else:
            [item] = await self.again[row["form"]](row["original"], tenant, row["source"])
        reach("redrive.taken")
        if row["status"] == "quarantined":
            taken_in = item.status != "rejected"
            async with self._database.connection() as connection:
                await quarantine.retried(
                    connection, quarantine_id, evidence_id=item.evidence_id if taken_in else None,
                    reason=row["reason"] if taken_in else item.reason or "",
                    pointer=row["pointer"] if taken_in else item.pointer or "",
                    detail=row["detail"] if taken_in else item.detail or "",
                )  # fmt: skip
        return item
