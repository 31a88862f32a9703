"""When an observation was made: browsers keep one while they have no connection, and send it later."""

import datetime

from shared.errors import InvalidEvent
from shared.events import utc

WAITS_MAX_DAYS = 14
"""So long an observation may wait in a browser: a teacher's memory of what was tapped does not last longer."""


def occurred_at(told: str, now: datetime.datetime) -> str:
    """
    Return the instant of an observation, as the browser tells it, or now where it tells none.

    What is told is taken as it is: the same observation sent twice is the same evidence.

    Raises:
        InvalidEvent: it is no instant with a zone, or longer ago than an observation may wait.
    """
    if not told:
        return utc(now)
    try:
        moment = datetime.datetime.fromisoformat(told)
        age, instant = now - moment, utc(moment)
    except (ValueError, TypeError, InvalidEvent) as error:
        raise InvalidEvent("not an instant with its zone", pointer="/at") from error
    if age > datetime.timedelta(days=WAITS_MAX_DAYS):
        raise InvalidEvent(f"this was observed more than {WAITS_MAX_DAYS} days ago", pointer="/at", reason="too_old")
    return instant
