"""A seeded load of native evidence: learners and competencies at random, each learner's time going forward."""

import random
from collections.abc import Iterator

import msgspec

FRAMEWORK = "bench"
SOURCE = "urn:attain:bench"


def evidence(run: str, count: int, *, learners: int, competencies: int, seed: int = 1) -> Iterator[bytes]:
    """Yield `count` native objects as JSON of about 300 bytes; `run` keeps their ids apart from other runs'."""
    chance = random.Random(seed)
    for number in range(count):
        second = number % 86_400
        yield msgspec.json.encode(
            {
                "id": f"{run}-{number}",
                "source": SOURCE,
                "learner": f"learner-{chance.randrange(learners)}",
                "competencies": [f"{FRAMEWORK}:{chance.randrange(competencies)}"],
                "activity": {"id": f"activity-{number % 500}"},
                "score": {"raw": int(chance.random() < 0.7), "max": 1},
                "occurred_at": f"2026-03-{1 + number // 86_400:02}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z",
                "kind": "practice",
            }
        )


def nodes(competencies: int) -> str:
    """Return the framework of the load as CSV."""
    return "code,title\n" + "".join(f"{number},Competency {number}\n" for number in range(competencies))
