"""
A seeded load of native evidence with the shape of real response logs: learners at random, each at one competency for
about ten pieces before the next (the 2009-10 ASSISTments log has 11.7 pieces a pair), time going forward.
"""

import random
from collections.abc import Iterator

import msgspec

FRAMEWORK = "bench"
SOURCE = "urn:attain:bench"


PIECES_A_PAIR = 10
Item = tuple[bytes, bytes]
"""The source's learner id, and the native object."""


def evidence(
    run: str,
    count: int,
    *,
    learners: int,
    competencies: int,
    pieces: int = PIECES_A_PAIR,
    first: int = 0,
    in_turn: bool = False,
    kind: str = "practice",
    seed: int = 1,
) -> Iterator[Item]:
    """
    Yield `count` native objects with their learner, as JSON of about 300 bytes; `run` keeps their ids apart.

    Args:
        pieces: of one competency before a learner goes to the next.
        first: number of the first one; a second load that goes on from the first is later in time.
        in_turn: learners one after the other instead of at random.
    """
    chance = random.Random(seed)
    done = [0] * learners
    for number in range(first, first + count):
        second = number % 86_400
        learner = number % learners if in_turn else chance.randrange(learners)
        competency = done[learner] // pieces % competencies
        done[learner] += 1
        day, clock = 1 + number // 86_400, f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        yield (
            f"learner-{learner}".encode(),
            msgspec.json.encode(
                {
                    "id": f"{run}-{number}",
                    "source": SOURCE,
                    "learner": f"learner-{learner}",
                    "competencies": [f"{FRAMEWORK}:{competency}"],
                    "activity": {"id": f"activity-{number % 500}"},
                    "score": {"raw": int(chance.random() < 0.7), "max": 1},
                    "occurred_at": f"2026-03-{day:02}T{clock}Z",
                    "kind": kind,
                }
            ),
        )


def nodes(competencies: int) -> str:
    """Return the framework of the load as CSV."""
    return "code,title\n" + "".join(f"{number},Competency {number}\n" for number in range(competencies))
