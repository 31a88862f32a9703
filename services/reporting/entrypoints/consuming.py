"""The subscriptions: a consumer a read model, which goes on with the next version once that is live."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from faststream.kafka import KafkaBroker

from services.reporting.handlers.folds import EDITIONS, FOLDS
from services.reporting.tables import rebuilds
from services.reporting.tables.read_models import INPUT_LOGS
from services.reporting.tables.reads import live_versions
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.errors import Unavailable
from shared.feed import FeedClient
from shared.settings import Settings
from shared.tasks import Pulse
from shared.transport import LEISURELY_GAP_MS, Pace, subscribe

log = logging.getLogger(__name__)
FOLLOW_S = 1.0
"""How often a process looks whether another version of a read model is live."""


class ModelConsumer(ShardConsumer):
    """Folds the live version of a read model, and goes on with the next one once that is live."""

    def __init__(self, model: str, version: int, database: Database, feed: FeedClient, settings: Settings) -> None:
        fold = FOLDS[model](version, settings.blocked_learners_max)
        super().__init__(fold.consumer, INPUT_LOGS[model], database, fold, feed, settings)
        self.model = model
        self.version = version

    async def follow(self, version: int) -> None:
        """Go on with another version: its tables, its positions."""
        if version == self.version:
            return
        fold = FOLDS[self.model](version, self._settings.blocked_learners_max)
        async with self._busy:
            with contextlib.suppress(Exception):
                # Where it does not end well, the old version lacks a batch, and its positions say so.
                await self._settle()
            self._forget(list(self._owned))
            self._may_claim = dict.fromkeys(self._may_claim, 0.0)
            self._handler, self.name, self.version = fold, fold.consumer, version


class Consumers:
    """The consumers of all read models in this process, each on the version that is live."""

    def __init__(self, database: Database, feeds: Mapping[str, FeedClient], settings: Settings) -> None:
        self._database = database
        self._feeds = feeds
        self._settings = settings
        self.running: list[ModelConsumer] = []
        self.following = Pulse()

    async def prepare(self, broker: KafkaBroker) -> None:
        """
        Make the consumers and feed them from their topics, once the broker is started.

        What a later release has made it finds outdated once it is back: this one goes on with it, in rows of its own.
        """
        async with self._database.connection() as connection:
            for model in await rebuilds.take_back(connection, EDITIONS):
                log.warning(
                    "read model %s was made by a later release, which has to make it anew once it is back", model
                )
            versions = await live_versions(connection)
        self.running = [
            ModelConsumer(model, versions[model], self._database, self._feeds[model], self._settings)
            for model in INPUT_LOGS
        ]
        for consumer in self.running:
            await consumer.prepare()
            _subscribe(broker, consumer, self._settings)

    async def follow(self) -> None:
        """
        Go on with another version of a read model wherever that is live, until cancelled.

        With one that a later release has made beside this one it does not: its shards wait until that release has them.
        """
        while True:
            self.following.beat()
            await asyncio.sleep(FOLLOW_S)
            try:
                async with self._database.connection() as connection:
                    versions = await rebuilds.foldable(connection, EDITIONS)
            except Unavailable as error:
                log.warning("cannot see which versions are live: %s", error)
                continue
            for consumer in self.running:
                await consumer.follow(versions.get(consumer.model, consumer.version))

    async def stop(self) -> None:
        """Commit what is folded, and give the shards back."""
        for consumer in self.running:
            await consumer.stop()


def _subscribe(broker: KafkaBroker, consumer: ModelConsumer, settings: Settings) -> None:
    """Feed a consumer from its topic; the group outlives versions, so that a switch moves no partition."""
    subscriber = subscribe(
        broker, consumer.topic, f"reporting-{consumer.model}", consumer.on_records, settings, pulse=consumer.polling,
        listener=consumer, description=f"reporting folds the log {consumer.log_name} into {consumer.model}",
        pace=Pace(LEISURELY_GAP_MS),
    )  # fmt: skip
    consumer.kafka = lambda: subscriber.consumer
