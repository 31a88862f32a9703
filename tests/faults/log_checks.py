"""What the readers of any log rely on: dense positions, a subject in one shard, order, and the same bytes everywhere."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.faults.verdict import Verdict

CHECKPOINT = "attain.progression.checkpoint.v1"
SUPPORT_NEXT = {"": "suggested", "suggested": "closed", "closed": "suggested"}
"""What is told of support after what was told last."""
Logs = Mapping[str, list[list[Any]]]
"""Pages by log: [shard, head, [[generation, position, digest, subject, scope, what is said], ...]]."""


def by_log(pages: list[list[Any]]) -> Logs:
    """Return the pages of each log."""
    found: dict[str, list[list[Any]]] = defaultdict(list)
    for log, *page in pages:
        found[log].append(page)
    return found


def holes(logs: Logs, log: str, verdict: Verdict) -> int:
    """Return how many positions of a log up to its heads were not read exactly once."""
    heads: dict[int, int] = {}
    positions: dict[int, Counter[int]] = defaultdict(Counter)
    for shard, head, rows in logs[log]:
        heads[shard] = head
        positions[shard].update(row[1] for row in rows)
    found = 0
    for shard, head in heads.items():
        wrong = [p for p in range(1, head + 1) if positions[shard][p] != 1]
        if wrong:
            verdict.note(f"the log of {log}, shard {shard}: positions {wrong[:5]} are not there exactly once")
        found += len(wrong)
    return found


def check_logs(logs: Logs, enrolled: Mapping[tuple[str, str], bool], verdict: Verdict) -> None:
    """Count what is wrong in the logs beside those of evidence and of public events, and between them."""
    for log in logs.keys() - {"evidence", "advancement"}:
        verdict.wrong_logs += holes(logs, log, verdict)
    shards: dict[str, set[int]] = defaultdict(set)
    for pages in logs.values():
        for shard, _, rows in pages:
            for row in rows:
                if row[3]:
                    shards[row[3]].add(shard)
    faults = [f"{subject} is in shards {of}" for subject, of in shards.items() if len(of) > 1]
    faults += [f"{log}: {fault}" for log, look in ORDERS.items() for fault in look(logs[log])]
    faults += _behind(logs)
    faults += _misplaced(logs["roster"], enrolled)
    verdict.wrong_logs += len(faults)
    for fault in faults[:5]:
        verdict.note(fault)


def _said(pages: list[list[Any]]) -> dict[tuple[str, str], list[Any]]:
    """Return what is said of each (subject, scope), in order."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for _, _, rows in pages:
        for *_, subject, scope, said in rows:
            if subject and scope:
                found[subject, scope].append(said)
    return found


def _states(pages: list[list[Any]]) -> Iterator[str]:
    """A key's standing never goes back."""
    for key, seqs in _said(pages).items():
        if seqs != sorted(seqs):
            yield f"{key} has seq {seqs}"


def _events(pages: list[list[Any]]) -> Iterator[str]:
    """What is told of a scope has rising numbers."""
    for key, told in _said(pages).items():
        seqs = [seq for _, _, seq in told]
        if any(one >= other for one, other in pairwise(seqs)):
            yield f"{key} has seq {seqs}"


def _support(pages: list[list[Any]]) -> Iterator[str]:
    """A suggestion is closed before there is another."""
    yield from _events(pages)
    for key, told in _said(pages).items():
        kinds = [type.split(".")[2] for _, type, _ in told]
        if any(SUPPORT_NEXT[one] != other for one, other in pairwise(["", *kinds])):
            yield f"of {key} was told {kinds}"


def _frameworks(pages: list[list[Any]]) -> Iterator[str]:
    """The parts of a version follow each other to the last, as often as it is published."""
    for key, told in _said(pages).items():
        parts = told[0][1]
        if told != [[part, parts] for part in range(1, parts + 1)] * (len(told) // parts or 1):
            yield f"{key} has parts {told}"


def _enrolments(pages: list[list[Any]]) -> Iterator[str]:
    """A place in a class is told when it changes, and then once."""
    for key, told in _said(pages).items():
        if any(one == other for one, other in pairwise(told)):
            yield f"{key} is told as {told}"


ORDERS: Mapping[str, Callable[[list[list[Any]]], Iterator[str]]] = {
    "progression": _states,
    "advancement": _events,
    "support": _support,
    "curriculum": _frameworks,
    "roster": _enrolments,
}
"""What is wrong in the order of a log."""


def _behind(logs: Logs) -> Iterator[str]:
    """Yield the shards whose checkpoints go back, or do not say in the end that all evidence is folded."""
    heads = {shard: head for shard, head, _ in logs["evidence"]}
    said: dict[int, list[int]] = {shard: [0] for shard in heads}
    for shard, _, rows in logs["progression"]:
        said.setdefault(shard, [0]).extend(row[5] for row in rows if row[4] == CHECKPOINT)
    for shard, positions in said.items():
        if positions != sorted(positions):
            yield f"the checkpoints of shard {shard} go back"
        if positions[-1] != heads.get(shard):
            yield f"the last checkpoint of shard {shard} is at {positions[-1]}, the evidence at {heads.get(shard)}"


def _misplaced(pages: list[list[Any]], enrolled: Mapping[tuple[str, str], bool]) -> Iterator[str]:
    """Yield the learners of whom the roster tells something else in the end than was acknowledged."""
    told = _said(pages)
    for key, active in enrolled.items():
        if told[key][-1:] != [active]:
            yield f"roster: {key} is {told[key][-1:]}, acknowledged was {active}"


def check_topics(pages: list[list[Any]], logs: Logs, verdict: Verdict) -> None:
    """
    Read the topics as a subscriber that drops `position <= last`: nothing skipped up to the head of the log, and under a
    (generation, shard, position) the bytes of the log, always the same.
    """
    heads = {(log, shard): head for log, of in logs.items() for shard, head, _ in of}
    bytes_of = {
        (log, shard, row[0], row[1]): row[2] for log, of in logs.items() for shard, _, rows in of for row in rows
    }
    last: dict[tuple[str, int], int] = {}
    for log, shard, rows in pages:
        for generation, position, digest in rows:
            known = bytes_of.setdefault((log, shard, generation, position), digest)
            skipped = (log, shard) in last and position > last[log, shard] + 1
            # What was redacted since is there in other bytes.
            if skipped or (known and digest and known != digest):
                verdict.wrong_topics += 1
                verdict.note(f"topic of {log}, shard {shard}: {position} after {last.get((log, shard))}, {digest}")
            last[log, shard] = max(position, last.get((log, shard), 0))
    for place, head in heads.items():
        if last.get(place, 0) < head and place in {(log, shard) for log, shard, _ in pages}:
            verdict.wrong_topics += 1
            verdict.note(f"the topic of {place[0]}, shard {place[1]}, ends at {last.get(place, 0)} of {head}")
