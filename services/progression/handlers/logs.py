"""The logs of progression, and its inbox of decisions as the consumer reads it."""

from shared.database import Connection
from shared.event_log import EventLog
from shared.handling import InboxEntry

POLICY_ACTIVATED = "attain.decision.policy_activated.v1"
FRAMEWORK_ACTIVATED = "attain.decision.framework_activated.v1"
SETTINGS_ACTIVATED = "attain.decision.settings_activated.v1"
REDRIVEN = "attain.decision.redriven.v1"


class Logs:
    """
    The logs of progression. `decisions` is the inbox: one dense log a shard that no topic carries.

    `requests` has what was asked for under a key of its sender's; nobody follows it.
    """

    def __init__(self, shards: int) -> None:
        self.progression = EventLog("progression", shards)
        self.advancement = EventLog("advancement", shards)
        self.support = EventLog("support", shards)
        self.curriculum = EventLog("curriculum", shards)
        self.decisions = EventLog("decisions", shards)
        self.requests = EventLog("requests", shards)

    def all(self) -> list[EventLog]:
        """Return every log."""
        return [*self.relayed(), self.decisions, self.requests]

    def relayed(self) -> list[EventLog]:
        """Return the logs that have a topic."""
        return [self.progression, self.advancement, self.support, self.curriculum]


class DecisionInbox:
    """The inbox as the consumer reads it."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def read(self, connection: Connection, after: dict[int, int], limit: int) -> list[InboxEntry]:
        """Return the decisions behind the given positions."""
        return [InboxEntry(e.shard, e.pos, e.body) for e in await self._log.read(connection, after, limit)]
