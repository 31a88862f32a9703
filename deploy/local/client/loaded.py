"""What loading evidence for a demo took: whether all of it is on record, and the result in numbers."""

import dataclasses
from typing import Any

from deploy.local.client.sending import Tally, first_lines
from deploy.local.errors import StackError
from deploy.local.options import Context

LISTED = 10


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What loading took: everything that was sent, and the seconds until it was folded."""

    tally: Tally
    seconds: float


def refused_only() -> Tally:
    """Return a tally that lists what was not taken and nothing else."""
    return Tally(lambda item: item.status in ("parked", "rejected"))


def result_of(context: Context, loaded: Loaded, counts: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a demo."""
    taken, seconds = loaded.tally.taken, loaded.seconds
    return {
        "tenant": context.tenant,
        "evidence": taken,
        **counts,
        "seconds": round(seconds, 3),
        "events_per_second": round(taken / seconds, 1) if seconds > 0 else 0.0,
        **dict(loaded.tally.counts),
    }


def check_taken(loaded: Loaded) -> None:
    """Raise `StackError` where something that was sent is not on record."""
    if loaded.tally.refused:
        raise StackError(
            f"{loaded.tally.refused:,} pieces were not taken", "\n".join(first_lines(loaded.tally, LISTED))
        )
