"""The alignment map: asked at intake, published in versions, and applied to evidence that is there already."""

import datetime
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from services.evidence.domain.alignment import Alignment, Dated, Entry, Target, check_source, in_force, named
from services.evidence.domain.evidence import Evidence, Park, Private
from services.evidence.domain.telling import realigned
from services.evidence.handlers.counting import IntakeCounts
from services.evidence.handlers.directory import Competencies
from services.evidence.tables import alignments, pieces
from shared.contracts import Aligned, EvidenceRecorded
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.event_log import EventLog, LogRow, append_all
from shared.events import Draft, utc

log = logging.getLogger(__name__)
CACHE_ENTRIES_MAX = 100_000
REALIGN_ROWS = 1000
FIRST_ID = "00000000-0000-0000-0000-000000000000"
Key = tuple[str, str, str]
"""Tenant, source, id."""


class Published(msgspec.Struct):
    """The version of the map after a publication, and how many entries said something new."""

    version: int
    changed: int
    unchanged: int


class Alignments:
    """The map of every tenant, with a bounded cache of what was asked; `forget` drops a tenant's."""

    def __init__(self, database: Database, competencies: Competencies) -> None:
        self._database = database
        self._competencies = competencies
        self._seen: dict[str, int] = {}
        self._entries: dict[Key, Sequence[Dated]] = {}

    async def publish(self, tenant: str, given: Sequence[Entry], *, origin: str, by: str) -> Published:
        """
        Publish entries as one version of the map; what they say already is no news.

        Raises:
            InvalidEvent: an entry is not of its form; nothing is published.
        """
        for place, entry in enumerate(given):
            check_source(entry, place)
        now = datetime.datetime.now(datetime.UTC)
        async with self._database.transaction() as connection:
            version, changed = await alignments.publish(connection, tenant, given, origin, by, now)
            reach("alignment.stored")
        self.forget({tenant})
        return Published(version, changed, len(given) - changed)

    def forget(self, tenants: Collection[str]) -> None:
        """Drop what is cached of tenants."""
        for key in [key for key in self._entries if key[0] in tenants]:
            del self._entries[key]
        for tenant in tenants:
            self._seen.pop(tenant, None)

    async def align(self, tenant: str, contents: Mapping[int, Evidence]) -> dict[int, Alignment | Park]:
        """Return what the map says of pieces that name no competency themselves, or why they have to wait."""
        seen, entries = await self._look_up(tenant, contents.values())
        targets: dict[int, tuple[int, tuple[Target, ...]]] = {}
        for index, content in contents.items():
            dated = in_force(entries[_key(tenant, content)], content.source, content.occurred_at)
            if dated is not None:
                targets[index] = dated.version, dated.targets
            elif content.standard is not None:
                targets[index] = 0, (Target(content.standard),)
        names = {target.competency for _, several in targets.values() for target in several}
        ids = await self._competencies.name(tenant, names)
        return {index: self._say(content, seen, targets.get(index), ids) for index, content in contents.items()}

    def _say(
        self, content: Evidence, seen: int, found: tuple[int, tuple[Target, ...]] | None,
        ids: Mapping[str, tuple[str, bool]],
    ) -> Alignment | Park:  # fmt: skip
        key = content.align_by
        assert key is not None
        if found is None:
            return Park("unaligned", "/activity", None, key, seen)
        version, targets = found
        for target in targets:
            known = ids.get(target.competency)
            if known is None:
                return Park("unknown_competency" if version else "unaligned", "/activity", target.competency, key, seen)
            if known[1] and content.supersedes is None:
                return Park("retired_competency", "/activity", target.competency, key, seen)
        return Alignment(key, version, seen, named(targets, {name: id for name, (id, _) in ids.items()}))

    async def _look_up(self, tenant: str, contents: Collection[Evidence]) -> tuple[int, Mapping[Key, Sequence[Dated]]]:
        keys = {_key(tenant, content) for content in contents}
        missing = keys - self._entries.keys()
        if missing or tenant not in self._seen:
            async with self._database.connection() as connection:
                # The version first: what is read after it may be newer, and is then refused as stale.
                seen = (await alignments.heads(connection, [tenant])).get(tenant, 0)
                if self._seen.get(tenant, seen) != seen:
                    self.forget({tenant})
                    missing = keys
                found = await alignments.entries(connection, sorted(missing))
            if len(self._entries) + len(missing) > CACHE_ENTRIES_MAX:
                self._entries.clear()
            self._seen[tenant] = seen
            self._entries |= {key: found.get(key, ()) for key in missing}
        return self._seen[tenant], {key: self._entries.get(key, ()) for key in keys}


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
        await pieces.lock_against_erasure(connection, [tenant])
        await alignments.hold(connection, [tenant])
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
        time = utc(datetime.datetime.now(datetime.UTC))
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


def _key(tenant: str, content: Evidence) -> Key:
    assert content.align_by is not None
    return tenant, content.source, content.align_by
