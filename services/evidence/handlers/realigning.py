"""A newer alignment map, applied to evidence that is in the log already."""

from collections.abc import Callable, Sequence

import msgspec

from services.evidence.domain.alignment import Alignment, Target
from services.evidence.domain.evidence import Evidence, Private
from services.evidence.domain.telling import realigned
from services.evidence.handlers.alignment import Alignments
from services.evidence.handlers.counting import IntakeCounts
from services.evidence.handlers.curriculum import Competencies
from services.evidence.tables import pieces, premises
from shared.contracts.internal_events import Aligned, EvidenceRecorded
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.event_log import EventLog, LogRow, append_all
from shared.events import Draft, now

REALIGN_ROWS = 1000
FIRST_ID = "00000000-0000-0000-0000-000000000000"


class Realigner:
    """Gives evidence that is in the log already the competencies that a newer map names: recorded anew, superseded."""

    def __init__(
        self, database: Database, evidence_log: EventLog, map: Alignments, competencies: Competencies,
        counts: IntakeCounts, written: Callable[[Sequence[LogRow]], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._log = evidence_log
        self._map = map
        self._competencies = competencies
        self._counts = counts
        self._written = written

    async def is_ready(self, tenant: str, targets: Sequence[Target]) -> bool:
        """Tell whether all competencies that an entry names are known."""
        names = {target.competency for target in targets}
        return len(await self._competencies.name(tenant, names)) == len(names)

    async def apply(self, tenant: str, source: str, id: str, targets: Sequence[Target]) -> bool:
        """
        Record anew what follows an entry; return False where a competency that the map names is not known yet.

        Safe to repeat and to race with other replicas: what stands as the map says is left as it is.
        """
        if not await self.is_ready(tenant, targets):
            return False
        after = FIRST_ID
        while True:
            async with self._database.transaction() as connection:
                last, appended = await self._page(connection, tenant, source, id, after)
                reach("realign.appended")
            self._written(appended)
            if last is None:
                return True
            after = last

    async def _page(
        self, connection: Connection, tenant: str, source: str, id: str, after: str
    ) -> tuple[str | None, Sequence[LogRow]]:
        await premises.hold(connection, [tenant], [tenant])
        self._map.forget({tenant})
        found = await pieces.to_realign(connection, tenant, source, id, after, REALIGN_ROWS)
        if not found:
            return None, ()
        await pieces.lock_forests(connection, {(tenant, row["source"]) for row in found})
        # Read again under the lock: a correction may have changed what was just read.
        found = await pieces.to_realign(connection, tenant, source, id, after, REALIGN_ROWS)
        valid = {p.evidence_id: p.valid for p in await pieces.known(connection, [r["evidence_id"] for r in found])}
        stands = {str(row["evidence_id"]): _decode_body(row["body"]).data for row in found}
        contents = {
            place: Evidence(row["source"], "", told.occurred_at, activity=id)
            for place, (row, told) in enumerate(zip(found, stands.values(), strict=True))
        }
        answers = await self._map.align(tenant, contents)
        drafts: list[Draft] = []
        changed: list[tuple[str, str]] = []
        time = now()
        for place, row in enumerate(found):
            evidence_id = str(row["evidence_id"])
            to = answers[place]
            told = msgspec.structs.replace(stands[evidence_id], valid=valid[evidence_id])
            if not isinstance(to, Alignment) or _same(told, to):
                continue
            dok = None if row["private"] is None else _decode_private(row["private"]).dok
            anew, draft = realigned(told, dok, tenant, row["shard"], time, to)
            drafts.append(draft)
            changed.append((evidence_id, anew))
        await self._counts.add_events(connection, tenant, len(drafts))
        appended = await append_all(connection, [(self._log, drafts)])
        await pieces.set_told(connection, [(*ids, row[2]) for ids, row in zip(changed, appended, strict=True)])
        return str(found[-1]["evidence_id"]), appended


class _Body(msgspec.Struct):
    data: EvidenceRecorded


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_private = msgspec.json.Decoder(Private).decode


def _same(told: EvidenceRecorded, to: Alignment) -> bool:
    stands: tuple[Aligned, ...] = told.alignment
    return stands == to.targets
