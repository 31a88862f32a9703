"""What the owner of a shard keeps in memory."""

import bisect
from typing import NamedTuple

import msgspec

from services.progression.domain.curriculum import Framework
from services.progression.domain.entry import Entry
from services.progression.domain.inputs import Key, Learner
from services.progression.domain.learner import LearnerState
from services.progression.domain.mastery import KeyState
from services.progression.domain.rules import Rules

KEYS_MIN = 1000
"""A shard always keeps this many states, so that a small cache setting cannot make every batch read everything."""
KEYS_A_LEARNER = 4
"""States kept for each learner's standing that is kept: a standing is about as large as one of them."""
HISTORY_PIECES = 100_000
"""Pieces of cached histories a process, about 0.4 KiB each."""

pack = msgspec.msgpack.Encoder().encode
unpack_key = msgspec.msgpack.Decoder(KeyState).decode
unpack_learner = msgspec.msgpack.Decoder(LearnerState).decode
read_framework = msgspec.json.Decoder(Framework).decode


def standing_in(stored: bytes | None) -> LearnerState:
    """Return the standing that is stored of a learner, an empty one where none is."""
    return unpack_learner(stored) if stored is not None else LearnerState()


class Stale(NamedTuple):
    """Learners of a tenant, in order, with keys older than activation `no`; `is_last` where there are no others."""

    tenant: str
    no: int
    names: list[str]
    is_last: bool

    def behind(self, name: str, count: int) -> list[str]:
        """Return the next ones behind a name."""
        first = bisect.bisect_right(self.names, name)
        return self.names[first : first + count]


class Shard:
    """The caches of one shard; dropped as a whole when ownership or a commit is lost."""

    def __init__(self, number: int, journal_pos: int) -> None:
        self.number = number
        self.journal_pos = journal_pos
        self.entries: dict[Key, Entry] = {}
        self.learners: dict[Learner, LearnerState] = {}
        self.rules: dict[str, Rules] = {}
        self.blocked: dict[Learner, int] = {}
        self.sweep: dict[str, str] = {}
        """Tenants with keys older than their rules, with the learner that the sweep has reached."""
        self.stale: Stale | None = None
        """Whom the sweep is to reach next."""
        self.deadline: str | None = None
        """At or before the first instant at which time alone changes something."""
        self.histories: dict[Key, None] = {}
        """Keys whose evidence is in memory."""
        self.erased: set[Learner] = set()
        """Learners who were erased, to be dropped before the next batch."""
        self.folded: set[Key] = set()
        """
        Keys of the last folded batch, which are in flight from the next batch on; with an empty competency, a learner of whom
        only the standing is.
        """
        self.in_flight: set[Key] = set()

    def trim(self, keys_max: int, pieces_max: int) -> None:
        """Keep the caches within their limits, without the erased; what a batch in flight has touched stays."""
        for learner in self.erased:
            self.forget(learner, [key for key in self.entries if key[:2] == learner])
        self.erased.clear()
        self.in_flight |= self.folded
        self.folded = set()
        limit = max(KEYS_MIN, keys_max)
        surplus = len(self.entries) - limit
        if surplus > 0:
            for key in [key for key in self.entries if key not in self.in_flight][: surplus + limit // 10]:
                del self.entries[key]
                self.histories.pop(key, None)
        if len(self.learners) > limit // KEYS_A_LEARNER:
            in_flight = {key[:2] for key in self.in_flight}
            self.learners = {learner: self.learners[learner] for learner in in_flight & self.learners.keys()}
        if sum(len(self.entries[key].evidence or ()) for key in self.histories) > pieces_max:
            for key in self.histories:
                self.entries[key].drop_evidence()
            self.histories.clear()

    def lacks(self, key: Key) -> bool:
        """Tell whether a cached key is older than the rules in force, and its evidence is wanted to bring it up to them."""
        entry = self.entries[key]
        return entry.rules_no < self.rules[key[0]].no and entry.evidence is None

    def remember_deadline(self, deadline: str | None) -> None:
        """Wake for a deadline, if it comes before the one that is known."""
        if deadline is not None and (self.deadline is None or deadline < self.deadline):
            self.deadline = deadline

    def forget(self, learner: Learner, keys: list[Key]) -> None:
        """Drop what is cached of a learner."""
        self.learners.pop(learner, None)
        for key in keys:
            self.entries.pop(key, None)
            self.histories.pop(key, None)
