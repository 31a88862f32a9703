"""
Who was told what of a learner, when and what for: what readers were given of the public log, held against the learner's events.

A row says which positions a reader was given; which of a learner's events these are follows from where they lie. Standings are
given by ranges of learners, and tell where each stood then. How far whoever reads Kafka directly has read is seen by nobody
here, so of them the register of readers alone is told.
"""

import datetime
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Literal, NamedTuple

import msgspec

from services.progression.domain.subscribing import in_scope, kind_of
from shared.events import REDACTED

Via = Literal["webhook", "feed", "stream", "standings", "kafka"]
STANDING = "standing"
"""The kind of what standings tell, beside the kinds of events."""


class Reader(msgspec.Struct, frozen=True):
    """
    Somebody in the register of readers: by which way it reads, what for, of which `types` and `frameworks` (empty is all).

    `reader` is the id of a webhook or the subject of the token by which the feed is read; empty for Kafka.
    """

    id: str
    tenant: str
    via: Via
    reader: str
    name: str
    purpose: str
    types: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None

    def reads_at(self, start: datetime.datetime, end: datetime.datetime) -> bool:
        """Tell whether it was in the register at any time between two instants."""
        return (self.since is None or self.since <= end) and (self.until is None or self.until >= start)


class Given(NamedTuple):
    """
    Positions of a shard that a reader was given on a day (UTC): all of the tenant's events there, or one learner's.

    `source` is whose own ids of learners were added, empty for nobody's. What is not `sent` had waited when its webhook ended.
    """

    via: Via
    reader: str
    source: str
    learner: str
    day: datetime.date
    first: int
    last: int
    sent: bool
    since: datetime.datetime
    until: datetime.datetime


class Stood(NamedTuple):
    """A reader was given standings on a day (UTC), in which one learner's were: between two instants."""

    reader: str
    day: datetime.date
    since: datetime.datetime
    until: datetime.datetime


class Public(NamedTuple):
    """One public event of a learner, as far as it matters who was given it."""

    pos: int
    type: str
    at: datetime.datetime
    framework: str
    scope: str


class Disclosure(msgspec.Struct, frozen=True):
    """
    What a reader was told of one learner on a `day`, by kinds and by competencies and levels; without a day of a reader of
    Kafka, who could read it from `since` on. `purpose` is empty where nobody has declared any. Standings are no `events`: of
    them `scopes` are what had been told of the learner by then.
    """

    via: Via
    reader: str
    name: str
    purpose: str
    source: str
    day: datetime.date | None
    since: datetime.datetime | None
    until: datetime.datetime | None
    events: int
    kinds: dict[str, int]
    scopes: tuple[str, ...]


class _Scope(msgspec.Struct):
    id: str = ""
    framework: str = ""


class _Data(msgspec.Struct):
    scope: _Scope = msgspec.field(default_factory=_Scope)


class _Body(msgspec.Struct):
    type: str
    time: datetime.datetime
    data: _Data


_read = msgspec.json.Decoder(_Body).decode
_pos = attrgetter("pos")


def public_of(rows: Iterable[tuple[int, bytes]]) -> list[Public]:
    """Return the events of (position, stored body), without those that were erased."""
    found = ((pos, _read(body)) for pos, body in rows)
    return [
        Public(pos, body.type, body.time, body.data.scope.framework, body.data.scope.id)
        for pos, body in found
        if not body.type.endswith(REDACTED)
    ]


def disclosures(
    events: Sequence[Public], given: Iterable[Given], stood: Iterable[Stood], readers: Sequence[Reader],
    waiting: Mapping[str, int],
) -> list[Disclosure]:  # fmt: skip
    """
    Return who was told what of a learner with those events, the latest first.

    `waiting` is from which position on a webhook has not sent the learner's events yet.
    """
    rows, told = list(given), dict[tuple[Via, str, str, datetime.date], tuple[list[Given], dict[int, Public]]]()
    ordered, again = sorted(events, key=_pos), defaultdict[str, list[Given]](list)
    for row in rows:
        if row.via == "webhook" and row.learner:
            again[row.reader].append(row)
    for row in rows:
        mine, found = told.setdefault((row.via, row.reader, row.source, row.day), ([], {}))
        mine.append(row)
        found.update(
            (event.pos, event) for event in _told_by(row, again.get(row.reader, ()), ordered, readers, waiting)
        )
    items = [_disclosure(key, mine, list(found.values()), readers) for key, (mine, found) in told.items() if found]
    items += [_of_standings(row, events, readers) for row in stood]
    items.sort(key=lambda item: (item.until is not None and item.until, item.via, item.reader), reverse=True)
    return [*_of_kafka(events, readers), *items]


def _told_by(
    row: Given, again: Sequence[Given], events: Sequence[Public], readers: Sequence[Reader], waiting: Mapping[str, int]
) -> Iterator[Public]:
    """Yield the learner's events, which are in order, that a row is of: what a webhook had to send again is of that later row."""
    general = row.via == "webhook" and not row.learner
    later = [other for other in again if (other.day, other.since) > (row.day, row.since)] if general else []
    last = min(row.last, waiting.get(row.reader, row.last + 1) - 1) if general else row.last
    scope = next((r for r in readers if row.via == "webhook" and r.reader == row.reader), None)
    given = events[bisect_left(events, row.first, key=_pos) : bisect_right(events, last, key=_pos)]
    for event in given if row.sent else ():
        if any(other.first <= event.pos <= other.last for other in later):
            continue
        if scope is None or in_scope(scope.types, scope.frameworks, event.type, event.framework):
            yield event


def _disclosure(
    key: tuple[Via, str, str, datetime.date], rows: Sequence[Given], events: Sequence[Public], readers: Sequence[Reader]
) -> Disclosure:
    via, reader, source, day = key
    since, until = min(row.since for row in rows), max(row.until for row in rows)
    name, purpose = declared_as(readers, via, reader, since, until)
    return Disclosure(via, reader, name, purpose, source, day, since, until, *_counted(events))


def _of_standings(row: Stood, events: Sequence[Public], readers: Sequence[Reader]) -> Disclosure:
    name, purpose = declared_as(readers, "standings", row.reader, row.since, row.until)
    scopes = _scopes(event for event in events if event.at <= row.until)
    return Disclosure(
        "standings", row.reader, name, purpose, "", row.day, row.since, row.until, 0, {STANDING: 1}, scopes
    )


def declared_as(
    readers: Sequence[Reader], via: Via, reader: str, since: datetime.datetime, until: datetime.datetime
) -> tuple[str, str]:
    """Return the name and purpose of who read by a way between two instants; its id and no purpose where nobody declared it."""
    asked_as = "feed" if via in ("stream", "standings") else via
    known = [r for r in readers if (r.via, r.reader) == (asked_as, reader) and r.reads_at(since, until)]
    return (known[-1].name, known[-1].purpose) if known else (reader, "")


def _of_kafka(events: Sequence[Public], readers: Sequence[Reader]) -> Iterator[Disclosure]:
    for reader in readers:
        if reader.via != "kafka":
            continue
        mine = [
            event
            for event in events
            if reader.reads_at(event.at, event.at)
            and in_scope(reader.types, reader.frameworks, event.type, event.framework)
        ]
        if mine:
            yield Disclosure(
                "kafka", reader.id, reader.name, reader.purpose, "", None, reader.since, reader.until, *_counted(mine)
            )


def _counted(events: Sequence[Public]) -> tuple[int, dict[str, int], tuple[str, ...]]:
    kinds = Counter(kind_of(event.type) for event in events)
    return len(events), dict(sorted(kinds.items())), _scopes(events)


def _scopes(events: Iterable[Public]) -> tuple[str, ...]:
    return tuple(sorted({event.scope for event in events if event.scope}))
