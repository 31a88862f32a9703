"""How the cost of an event grows by learners, competencies, evidence a key, partitions and replicas, on a filled topic."""

import asyncio
from collections.abc import Callable, Iterator

from deploy.local.stack import Stack
from tests.bench.figures import Figure
from tests.bench.progression_fold import Folded, Shape, prepared_topic

LEARNERS = (1_000, 10_000, 100_000, 1_000_000)
COMPETENCIES = (10, 100, 1_000)
PIECES = (10, 1_000, 25_000)
SHARDS = (1, 8, 32)
REPLICAS = (1, 2, 4)


def names(prefix: str) -> list[str]:
    """Return the names of the cases that begin with a prefix."""
    return [name for name, _, _ in cases(1) if name.startswith(f"{prefix}-")]


def cases(events: int) -> Iterator[tuple[str, Shape, int | None]]:
    """Yield the name and shape of each case, and the replicas where those are the case."""
    for learners in LEARNERS:
        yield f"learners-{learners}", Shape(events, learners=learners, competencies=1, pieces=events, known=True), None
    for competencies in COMPETENCIES:
        yield f"competencies-{competencies}", Shape(events, learners=1_000, competencies=competencies, pieces=1), None
    for pieces in PIECES:
        # One competency; as many learners as bring each key to so many pieces.
        yield f"pieces-{pieces}", Shape(max(events, 4 * pieces), max(4, events // pieces), 1, pieces=events), None
    for shards in SHARDS:
        yield f"shards-{shards}", Shape(events, shards=shards), None
    for replicas in REPLICAS:
        yield f"replicas-{replicas}", Shape(events), replicas


def growth(stack: Stack, events: int, chosen: list[str], say: Callable[[str], None]) -> list[Figure]:
    """Measure the cases whose name begins with one of those chosen."""
    figures = []
    for name, shape, replicas in cases(events):
        if name.startswith(tuple(chosen)):
            say(f"progression: {name}")
            folded, stored = asyncio.run(_run(stack, shape, replicas))
            figures.append(Figure(f"fold-{name}", folded.rate, "events/s", {}, folded.detail() | stored))
    return figures


async def _run(stack: Stack, shape: Shape, replicas: int | None) -> tuple[Folded, dict[str, float]]:
    async with prepared_topic(stack, shape, empty=replicas is not None) as topic:
        stored = await topic.state_bytes() if shape.known else {}
        folded = await (topic.fold(shape.events) if replicas is None else topic.fold_shared(shape, replicas))
        return folded, stored
