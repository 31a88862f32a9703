"""
A seeded load in small: pieces of evidence, sent again, superseded and retracted, some of them late; and what must follow.

An item knows nothing of Attain but the native format. What must follow from a set of items is computed here by a plain rule,
three right answers in a row, that shares nothing with the product.
"""

import datetime
import random
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

SOURCE = "urn:attain:faults"
FRAMEWORK = "faults"
POLICY = msgspec.json.encode(
    {
        "id": "streak-3", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"},
        "support": {"class_work": {"pieces": 2, "below": 2}, "year_ends": "03-01"},
    }
)  # fmt: skip
"""Support is suggested within the school year of the evidence, so until it is over the log of support is not empty."""
BEGIN = datetime.datetime(2026, 3, 2, 8, tzinfo=datetime.UTC)
RECENT = 300
"""Pieces that may still be sent again, superseded or retracted."""
LATE_S_MAX = 400
SHARES = (("again", 0.04), ("supersedes", 0.03), ("retracts", 0.02))


class Item(NamedTuple):
    """A native object in short. `relation` is "", "supersedes" or "retracts", then with the number of its `target`."""

    number: int
    learner: int
    competency: int
    right: bool
    at_s: int
    relation: str = ""
    target: int = 0

    @property
    def id(self) -> str:
        """The id of the piece within its source."""
        return f"i{self.number}"

    def native(self, padding: int = 0) -> bytes:
        """Return the native object, with so many bytes of extensions."""
        content: dict[str, Any] = {"id": self.id, "source": SOURCE, "occurred_at": instant(self.at_s)}
        if self.relation:
            content[self.relation] = f"i{self.target}"
        if self.relation != "retracts":
            content |= {
                "learner": f"l{self.learner}", "competencies": [f"{FRAMEWORK}:c{self.competency}"],
                "score": {"raw": int(self.right), "max": 1},
            }  # fmt: skip
        if padding:
            content["extensions"] = {"urn:padding": "x" * padding}
        return msgspec.json.encode(content)


class Expected(NamedTuple):
    """What must be held of a (learner, competency); `mastered_at` is None where it is not mastered."""

    pieces: int
    mastered_at: str | None


def instant(at_s: int) -> str:
    """Return the instant of a second of the load, as the product writes it."""
    return (BEGIN + datetime.timedelta(seconds=at_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def generate(seed: str, *, first: int, step: int, learners: range, competencies: int) -> Iterator[tuple[Item, bool]]:
    """Yield items and whether each is new, without end, numbered from `first` by `step`; the same seed gives the same."""
    chance = random.Random(seed)
    recent: deque[Item] = deque(maxlen=RECENT)
    live: deque[Item] = deque(maxlen=RECENT)
    number = first
    while True:
        draw = chance.random()
        kind = ""
        for name, share in SHARES:
            if draw < share and recent and live:
                kind = name
                break
            draw -= share
        if kind == "again":
            yield chance.choice(recent), False
            continue
        item = _piece(chance, number, chance.choice(learners), chance.randrange(competencies))
        if kind:
            target = chance.choice(live)
            live.remove(target)
            item = item._replace(
                learner=target.learner, competency=target.competency, relation=kind, target=target.number
            )
        if kind != "retracts":
            live.append(item)
        recent.append(item)
        number += step
        yield item, True


def _piece(chance: random.Random, number: int, learner: int, competency: int) -> Item:
    late = chance.randrange(LATE_S_MAX) if chance.random() < 0.1 else 0
    return Item(number, learner, competency, chance.random() < 0.65, max(0, number - late))


def expected(items: Iterable[Item]) -> dict[tuple[int, int], Expected]:
    """Return what must be held after a set of items, whatever their order, by (learner, competency)."""
    pieces = {item.number: item for item in items}
    retracted = {item.target for item in pieces.values() if item.relation == "retracts"}
    superseded = {
        item.target for item in pieces.values() if item.relation == "supersedes" and item.number not in retracted
    }
    by_pair: dict[tuple[int, int], list[Item]] = defaultdict(list)
    for item in pieces.values():
        if item.relation != "retracts":
            by_pair[item.learner, item.competency].append(item)
    found = {}
    for pair, all_of_pair in by_pair.items():
        valid = [item for item in all_of_pair if item.number not in retracted and item.number not in superseded]
        found[pair] = Expected(len(valid), _mastered_at(valid))
    return found


def _mastered_at(valid: list[Item]) -> str | None:
    run = 0
    for item in sorted(valid, key=lambda item: (item.at_s, item.id)):
        run = run + 1 if item.right else 0
        if run == 3:
            return instant(item.at_s)
    return None
