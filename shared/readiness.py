"""
What a service lacks: told at /readyz, in words.

It is not ready where it could serve nobody. Kafka is not among that: what is taken in is durable in PostgreSQL, records are read
from there, and events follow by the feeds, so taking every replica out of service would turn a delay into an outage.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from shared.clock import Clock
from shared.database import Database
from shared.errors import Unavailable
from shared.kafka_security import client_options
from shared.revisions import newer_schema, schema_fault, schema_of
from shared.settings import Settings
from shared.tasks import Pulse, raise_if_cancelled

log = logging.getLogger(__name__)
LOOK_S = 5.0
ANSWER_S_MAX = 5.0


class Readiness(NamedTuple):
    """What is waited for before anybody is served, and what is gone on without."""

    waits_for: Sequence[str] = ()
    without: Sequence[str] = ()

    @property
    def is_ready(self) -> bool:
        """Whether requests can be served."""
        return not self.waits_for

    def text(self) -> str:
        """Return it in lines; the first is `ready` or `not ready`."""
        lines = ["ready" if self.is_ready else "not ready"]
        lines += [f"waits for {what}" for what in self.waits_for]
        lines += [f"goes on without {what}" for what in self.without]
        return "\n".join(lines)


class KafkaWatch:
    """Asks Kafka every few seconds whether it is there: a consumer that polls in vain does not say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.fault = "not asked yet"
        """Why it is taken for away; empty while it answers."""
        self.pulse = Pulse()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            raise_if_cancelled()
            client = AIOKafkaClient(**client_options(self._settings), request_timeout_ms=int(ANSWER_S_MAX * 1000))
            try:
                await client.bootstrap()
                await self._ask(client)
            except (KafkaError, OSError, TimeoutError) as error:
                self._note(type(error).__name__)
            finally:
                await client.close()
            self.pulse.beat()
            await asyncio.sleep(LOOK_S)

    async def _ask(self, client: AIOKafkaClient) -> None:
        while True:
            raise_if_cancelled()
            self.pulse.beat()
            await client.fetch_all_metadata()
            self._note("")
            await asyncio.sleep(LOOK_S)

    def _note(self, fault: str) -> None:
        if fault and fault != self.fault:
            log.warning("Kafka does not answer: %s", fault)
        elif self.fault and not fault:
            log.info("Kafka answers")
        self.fault = fault


async def readiness(service: str, database: Database, kafka: KafkaWatch, clock: Clock | None = None) -> Readiness:
    """Return what the service lacks now; `clock` is that of a service which dates what it takes in."""
    waits_for, without = [], []
    if clock is not None and not clock.believed:
        waits_for.append("a clock that is believed")
    try:
        async with database.connection() as connection:
            schema = await schema_of(connection)
    except Unavailable:
        waits_for.append("PostgreSQL")
    else:
        # A backup of an older version may be put under it, and a newer version migrates beside it.
        fault = schema_fault(service, schema, allow_newer=True)
        newer = newer_schema(service, schema)
        waits_for += [f"its schema: {fault}"] if fault else []
        without += [f"knowing {newer}"] if newer else []
    if kafka.fault:
        without.append(f"Kafka: {kafka.fault}")
    return Readiness(waits_for, without)
