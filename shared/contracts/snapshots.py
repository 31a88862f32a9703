"""
Snapshots of terms: the event that divides the states, and the digest, one number that anyone can compute, over the standings
that a learner ended a term with.
"""

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

TERM_CLOSED = "attain.progression.term_closed.v1"


class TermClosed(msgspec.Struct, frozen=True):
    """
    A term is closed in a shard, of `of_shards`; data of `TERM_CLOSED`: the states that were told of the tenant's learners before
    are what the term ended with. It comes with `attain.snapshot.closed.v1` of each learner who has any, in one transaction.
    """

    term: str
    closed_at: str
    closed_by: str
    shard: int
    of_shards: int


class Ended(NamedTuple):
    """
    A standing as a term ended with it: of a competency its status, and as `mark` when it was shown (empty where it was not); of a
    level what was told of it last and is not over, and as `mark` the id of the event that told it.
    """

    kind: Literal["competency", "level"]
    scope: str
    status: str
    mark: str


def digest_of(standings: Iterable[Ended]) -> str:
    """
    Return the digest of a learner's snapshot, as `attain.snapshot.closed.v1` has it.

    It is the SHA-256, in hex, of the UTF-8 text that has a line a standing: kind, scope, status and mark, with a tab between
    them and a line feed at the end of each line; the lines are in the order of their bytes. Without standings the text is empty.
    """
    return _sha256("".join(sorted(map(_line, standings), key=str.encode)))


def digest_after(digest: str, amended: Ended) -> str:
    """
    Return the digest of a snapshot once a standing of it is amended, as `attain.snapshot.amended.v1` has it.

    It is the SHA-256 of the digest before, a line feed, and the line of the standing as it is now: so a receiver who has the
    snapshot and every amendment in order comes to the same one, and who has missed an amendment does not.
    """
    return _sha256(f"{digest}\n{_line(amended)}")


def _line(standing: Ended) -> str:
    return "\t".join(standing) + "\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
