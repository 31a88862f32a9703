"""
Evidence by Kafka: the topic of submitted evidence, for producers that are trusted for the tenants they name.

Offsets are committed after the database commit, explicitly and only for what was handled; after a failure the consumer
goes back to where the poll began. What is delivered twice is a duplicate by its id.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import BatchSubscriber

from services.evidence.domain.quarantine import Refusal, quarantine_id
from services.evidence.formats import native
from services.evidence.handlers.intake import Intake
from services.evidence.handlers.quarantine import Quarantine
from shared.auth import TENANT
from shared.crash_points import reach
from shared.errors import Unavailable
from shared.lag import SeenBehind, ShardLag, Stage
from shared.observability import metrics
from shared.partition_tails import PartitionEnds
from shared.settings import Settings
from shared.tasks import Pulse
from shared.topics import SUBMITTED
from shared.transport import Pace, subscribe

log = logging.getLogger(__name__)
GROUP = "evidence.intake"
CONSUMERS = 2
"""In one process: while the batch of one commits, the other's is validated."""
GATHERING = 4
"""Times the usual gap between small batches: who reads behind intake gets what was gathered here at once."""
RETRY_S = 1.0

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


class SubmittedEvidence:
    """Takes in what is polled from the topic of submitted evidence."""

    def __init__(self, intake: Intake, quarantine: Quarantine, settings: Settings) -> None:
        self._intake = intake
        self._quarantine = quarantine
        self._settings = settings
        metrics.consumer_failures.labels(consumer=GROUP)
        self._topic = SUBMITTED.name(settings.topic_suffix)
        self._subscribers: list[BatchSubscriber] = []
        self._handled_time_ms = 0
        self._behind_since = SeenBehind()
        self._ends = PartitionEnds(settings)
        self.pulses: list[Pulse] = []

    def subscribe(self, broker: KafkaBroker) -> None:
        """Add the consumers of this process to the group."""
        pace = Pace(GATHERING * self._settings.batch_gap_ms)
        records = max(1, self._settings.batch_records // CONSUMERS)
        for place in range(CONSUMERS):
            slot = f"{self._settings.slot}.{place}" if self._settings.slot else ""
            own = self._settings.model_copy(update={"slot": slot, "batch_records": records})

            async def on_records(records: Sequence[Record], place: int = place) -> None:
                await self._on_records(records, self._subscribers[place])

            self.pulses.append(pulse := Pulse())
            self._subscribers.append(
                subscribe(
                    broker,
                    self._topic,
                    GROUP,
                    on_records,
                    own,
                    pulse=pulse,
                    description="native evidence, header tenant",
                    pace=pace,
                )
            )

    async def close(self) -> None:
        """Close what `lag` asks with."""
        await self._ends.close()

    async def lag(self) -> Stage:
        """Return the stage intake: how many records wait, over all partitions and replicas, and for how long at most."""
        consumer = next((s.consumer for s in self._subscribers if s.consumer is not None), None)
        if consumer is None:
            return Stage("intake", None, None)
        partitions = [TopicPartition(self._topic, shard) for shard in range(self._settings.shards)]
        ends, *committed = await asyncio.gather(self._ends.ask(partitions), *map(consumer.committed, partitions))
        behind = {}
        for partition, offset in zip(partitions, committed, strict=True):
            begin, end = ends[partition]
            done = max(offset or 0, begin)
            if end > done:
                behind[partition.partition] = end - done
        # What waits is younger than what was handled last, and than the time when nothing waited.
        seconds = self._behind_since.seconds(len(behind), self._handled_time_ms / 1000)
        return Stage.of_shards("intake", [ShardLag(shard, events, seconds) for shard, events in behind.items()])

    async def _on_records(self, records: Sequence[Record], subscriber: BatchSubscriber) -> None:
        """Never raises: what could not be stored is polled again."""
        consumer = subscriber.consumer
        assert consumer is not None
        try:
            await self._take(records)
        except Exception as error:
            if isinstance(error, Unavailable):
                log.warning("intake waits: %s", error, extra=_at(records))
            else:
                metrics.consumer_failures.labels(consumer=GROUP).inc()
                log.exception("intake cannot store what it polled; it is tried again", extra=_at(records))
            _seek_back(consumer, records)
            await asyncio.sleep(RETRY_S)
            return
        self._handled_time_ms = max(self._handled_time_ms, *(record.timestamp for record in records))
        offsets = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
        with contextlib.suppress(Exception):
            # Where the partition is someone else's by now they repeat the records, and the ids make them duplicates.
            await consumer.commit(offsets)
            reach("intake.offsets_committed")

    async def _take(self, records: Sequence[Record]) -> None:
        refusals: list[Refusal] = []
        by_tenant: dict[str, list[Record]] = {}
        for record in records:
            tenant = tenant_of(record.headers)
            if tenant is None:
                refusals.append(_refusal(record, "", "unknown_tenant", "", "the header tenant is missing or malformed"))
            else:
                by_tenant.setdefault(tenant, []).append(record)
        answers = await asyncio.gather(
            *(self._take_tenant(tenant, run) for tenant, run in by_tenant.items()), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            refusals += answer
        reach("intake.taken")
        await self._quarantine.keep(refusals, "kafka")
        reach("intake.quarantined")

    async def _take_tenant(self, tenant: str, run: Sequence[Record]) -> list[Refusal]:
        items = await self._intake.take([record.value or b"" for record in run], tenant, way="kafka")
        return [
            _refusal(run[item.index], tenant, item.reason or "", item.pointer or "", item.detail or "")
            for item in items
            if item.status == "rejected"
        ]


def _at(records: Sequence[Record]) -> dict[str, object]:
    """Return where a log entry on a poll is about: the first of its records, by its offset."""
    return {"consumer": GROUP, "log": SUBMITTED.log, "shard": records[0].partition, "position": records[0].offset}


def tenant_of(headers: Sequence[tuple[str, bytes | None]]) -> str | None:
    """Return the tenant that a record names in its headers, or None where it names none."""
    for name, value in headers:
        if name == "tenant":
            text = (value or b"").decode("ascii", "replace")  # Kafka has null values of headers too
            return text if TENANT.fullmatch(text) else None
    return None


def _refusal(record: Record, tenant: str, reason: str, pointer: str, detail: str) -> Refusal:
    value = record.value or b""
    id, source, learner = (_storable(text) for text in native.peek(value))
    kept_as = quarantine_id(record.topic, record.partition, record.offset, value)
    return Refusal(
        kept_as, tenant, source, id, learner, reason, _storable(pointer) or "", _storable(detail) or "", value
    )


def _storable(text: str | None) -> str | None:
    """Return a text as PostgreSQL can keep it in a column; the original bytes are kept whole."""
    return None if text is None else text.replace("\x00", "\ufffd")[: native.ITEM_ID_CHARS_MAX]


def _seek_back(consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
    first: dict[TopicPartition, int] = {}
    for record in records:
        first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    assigned = consumer.assignment()
    for partition, offset in first.items():
        if partition in assigned:
            consumer.seek(partition, offset)
