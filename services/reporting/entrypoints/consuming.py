"""The subscriptions: a consumer a read model, which goes on with the next version once that is live."""

import contextlib

from faststream.kafka import KafkaBroker

from services.reporting.handlers.folds import FOLDS
from services.reporting.tables.read_models import INPUT_LOGS
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.feed import FeedClient
from shared.settings import Settings
from shared.transport import LEISURELY, subscribe


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


def subscribe_model(broker: KafkaBroker, consumer: ModelConsumer, settings: Settings) -> None:
    """Feed a consumer from its topic; the group outlives versions, so that a switch moves no partition."""
    subscriber = subscribe(
        broker, consumer.topic, f"reporting-{consumer.model}", consumer.on_records, settings,
        listener=consumer, description=f"reporting folds the log {consumer.log_name} into {consumer.model}",
        pace=LEISURELY,
    )  # fmt: skip
    consumer.kafka = lambda: subscriber.consumer
