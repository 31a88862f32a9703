"""The logs of evidence."""

from shared.event_log import EventLog
from shared.topics import EVIDENCE, QUARANTINED, ROSTER


class Logs:
    """The logs of evidence, its roster, and what is quarantined."""

    def __init__(self, shards: int) -> None:
        self.evidence = EventLog(EVIDENCE.log, shards)
        self.roster = EventLog(ROSTER.log, shards)
        self.quarantined = EventLog(QUARANTINED.log, shards)

    def relayed(self) -> list[EventLog]:
        """Return the logs that have a topic: all of them."""
        return [self.evidence, self.roster, self.quarantined]
