"""
Judges a history: what was acknowledged against what was read in the end. Pure: a history in, a verdict out.

The oracle is the journal of acknowledged items alone; which states must follow is computed by the plain rule of `items`.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from tests.faults.history import Op
from tests.faults.items import FRAMEWORK, Expected, Item, expected

CAUGHT_UP_S_MAX = 30.0
EXAMPLES_MAX = 20
STATUSES = frozenset({"accepted", "corrected", "duplicate"})
TOLD_NEXT = {
    "": ("mastered",),
    "mastered": ("withdrawn",),
    "withdrawn": ("reinstated", "mastered"),
    "reinstated": ("withdrawn",),
}
"""What may be told of a competency after what was told last."""


@dataclasses.dataclass
class Verdict:
    """What was counted; everything from `lost` on is to be zero, `caught_up_s` below its limit, `verified` true."""

    acknowledged: int = 0
    in_log: int = 0
    uncertain: int = 0
    """Items whose sender never learned what became of them; they may be held or not."""
    faults: int = 0
    caught_up_s: float = 0.0
    verified: bool | None = None
    """What `attain verify` said; None where it was not asked."""
    lost: int = 0
    duplicated: int = 0
    refused: int = 0
    wrong_answers: int = 0
    """Requests answered by neither their items nor 503 as a problem that says when to come again."""
    misplaced: int = 0
    """Acknowledged with a position at which the log holds something else."""
    disordered: int = 0
    """Before an item of the same learner that was acknowledged before it was sent."""
    holes: int = 0
    split_learners: int = 0
    wrong_states: int = 0
    wrong_read_models: int = 0
    wrong_events: int = 0
    wrong_topics: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every promise was kept, and something was read at all."""
        names = [field.name for field in dataclasses.fields(self)]
        counts = [getattr(self, name) for name in names[names.index("lost") : names.index("examples")]]
        return (
            not any(counts)
            and self.verified is not False
            and self.caught_up_s <= CAUGHT_UP_S_MAX
            and 0 < self.acknowledged <= self.in_log + self.uncertain
        )

    def note(self, text: str) -> None:
        """Keep the first few faults in words."""
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(text)


def check(history: Iterable[Op]) -> Verdict:
    """Return the verdict on a whole history."""
    verdict = Verdict()
    sent: dict[int, tuple[str, list[Item]]] = {}
    answers: dict[int, list[Any] | None] = {}
    read: dict[str, list[list[Any]]] = defaultdict(list)
    for op in history:
        if op.f == "submit" and op.type == "invoke":
            sent[op.value[0]] = (op.process, [Item(*item) for item in op.value[1]])
        elif op.f == "submit" and op.type == "ok":
            answers[op.value[0]] = op.value[1]
        elif op.f == "submit" and op.value[2:] == [False]:
            verdict.wrong_answers += 1
            verdict.note(f"batch {op.value[0]} was answered by {op.value[1]}")
        elif op.f == "drained":
            verdict.caught_up_s = max(verdict.caught_up_s, op.value)
        elif op.process == "nemesis":
            verdict.faults += op.f == "start"
        elif op.f == "verify":
            verdict.verified = bool(op.value["ok"]) and verdict.verified is not False
            if not op.value["ok"]:
                verdict.note(f"attain verify: {op.value}")
        elif op.process == "reader" and op.type == "invoke":
            # Later last reads replace earlier ones.
            read.clear()
        elif op.process == "reader":
            read[op.f].append(op.value)
    log = _Log(read["evidence"], verdict)
    acknowledged = [item for number in answers for item in sent[number][1]]
    _check_log(acknowledged, log, verdict)
    _check_answers(sent, answers, log, verdict)
    _check_order(sent, answers, log, verdict)
    doubtful = {item for number, (_, batch) in sent.items() if number not in answers for item in batch}
    verdict.uncertain = len({item.number for item in doubtful} - {item.number for item in acknowledged})
    everything = {*acknowledged, *(item for item in doubtful if item.id in log.place)}
    learners = _learners(everything, log, verdict)
    wanted = {
        (learners[pair[0]], f"{FRAMEWORK}:c{pair[1]}"): value
        for pair, value in expected(everything).items()
        if pair[0] in learners
    }
    for service, field in (("progression", "wrong_states"), ("reporting", "wrong_read_models")):
        _check_states(wanted, [rows for name, rows in read["states"] if name == service], service, field, verdict)
    _check_told(wanted, read["told"], verdict)
    _check_topics(read["topic"], {"evidence": read["evidence"], "advancement": read["told"]}, verdict)
    return verdict


class _Log:
    """The evidence log as it was read: where each item is, and whose."""

    def __init__(self, pages: list[list[Any]], verdict: Verdict) -> None:
        self.place: dict[str, tuple[int, int]] = {}
        self.learner: dict[str, str] = {}
        self.count: Counter[str] = Counter()
        verdict.holes += _holes(pages, "the evidence log", verdict)
        for shard, _, rows in pages:
            for position, id, learner in rows:
                if id:
                    self.count[id] += 1
                    self.place.setdefault(id, (shard, position))
                    self.learner[id] = learner


def _holes(pages: list[list[Any]], name: str, verdict: Verdict) -> int:
    """Return how many positions up to the heads were not read exactly once."""
    heads: dict[int, int] = {}
    positions: dict[int, Counter[int]] = defaultdict(Counter)
    for shard, head, rows in pages:
        heads[shard] = head
        positions[shard].update(row[0] for row in rows)
    holes = 0
    for shard, head in heads.items():
        wrong = [p for p in range(1, head + 1) if positions[shard][p] != 1]
        if wrong:
            verdict.note(f"{name}, shard {shard}: positions {wrong[:5]} are not there exactly once")
        holes += len(wrong)
    return holes


def _check_log(acknowledged: list[Item], log: _Log, verdict: Verdict) -> None:
    numbers = {item.number: item for item in acknowledged}
    pieces = [item for item in numbers.values() if item.relation != "retracts"]
    lost = [item.id for item in pieces if item.id not in log.count]
    verdict.acknowledged = len(numbers)
    verdict.in_log = len(log.count) + len(numbers) - len(pieces)
    verdict.lost = len(lost)
    verdict.duplicated = sum(count - 1 for count in log.count.values())
    if lost:
        verdict.note(f"acknowledged and not in the log: {lost[:5]}")
    if verdict.duplicated:
        verdict.note(f"more than once in the log: {[id for id, count in log.count.items() if count > 1][:5]}")


def _check_answers(
    sent: dict[int, tuple[str, list[Item]]], answers: dict[int, list[Any] | None], log: _Log, verdict: Verdict
) -> None:
    for number, answered in answers.items():
        for item, (status, position) in zip(sent[number][1], answered or (), strict=answered is not None):
            if status not in STATUSES:
                verdict.refused += 1
                verdict.note(f"{item.id} was answered {status}")
            elif item.relation != "retracts" and item.id in log.place:
                _, _, shard, pos = position.rsplit(".", 3)
                if log.place[item.id] != (int(shard), int(pos)):
                    verdict.misplaced += 1
                    verdict.note(f"{item.id} was answered {position} and is at {log.place[item.id]}")


def _check_order(
    sent: dict[int, tuple[str, list[Item]]], answers: dict[int, list[Any] | None], log: _Log, verdict: Verdict
) -> None:
    """Hold positions against the order of sending: a process sends a batch when the last one is acknowledged."""
    last: dict[int, int] = {}
    seen: set[int] = set()
    for number, (process, batch) in sorted(sent.items()):
        if number not in answers:
            continue
        reached = dict(last)
        for item in batch:
            if item.number in seen or item.id not in log.place:
                continue
            seen.add(item.number)
            position = log.place[item.id][1]
            # Within a batch only HTTP says in which order it is taken in, when parts of it are sent again.
            before = reached if process.startswith("http") else last
            if position <= before.get(item.learner, 0):
                verdict.disordered += 1
                verdict.note(f"{item.id} of learner {item.learner} is at {position}, behind what came before it")
            reached[item.learner] = max(position, reached.get(item.learner, 0))
        last = reached


def _learners(items: Iterable[Item], log: _Log, verdict: Verdict) -> dict[int, str]:
    """Return the product's id of every learner; count those with more than one, and ids of more than one."""
    ids: dict[int, set[str]] = defaultdict(set)
    for item in items:
        if item.id in log.learner:
            ids[item.learner].add(log.learner[item.id])
    owners = Counter(id for of_learner in ids.values() for id in of_learner)
    verdict.split_learners = sum(len(of) > 1 for of in ids.values()) + sum(count > 1 for count in owners.values())
    return {learner: min(of_learner) for learner, of_learner in ids.items()}


def _check_states(
    wanted: dict[tuple[str, str], Expected], pages: list[Any], service: str, field: str, verdict: Verdict
) -> None:
    held = {}
    for rows in pages:
        for learner, competency, status, count, mastered_at in rows:
            held[learner, competency] = Expected(count, mastered_at if status == "mastered" else None)
    wrong = [key for key in wanted.keys() | held.keys() if wanted.get(key) != held.get(key)]
    setattr(verdict, field, len(wrong))
    for key in wrong[:3]:
        verdict.note(f"{service} holds of {key} {held.get(key)}, it must be {wanted.get(key)}")


def _check_told(wanted: dict[tuple[str, str], Expected], pages: list[list[Any]], verdict: Verdict) -> None:
    verdict.wrong_events += _holes(pages, "the advancement log", verdict)
    ids: Counter[str] = Counter()
    told: dict[tuple[str, str], list[str]] = defaultdict(list)
    for _, _, rows in pages:
        for _, id, type, learner, competency in rows:
            ids[id] += 1
            if type.startswith("attain.competency."):
                told[learner, competency].append(type.split(".")[2])
    twice = [id for id, count in ids.items() if count > 1]
    verdict.wrong_events += len(twice)
    if twice:
        verdict.note(f"told twice under one id: {twice[:5]}")
    for key in wanted.keys() | told.keys():
        last = ""
        possible = True
        for kind in told[key]:
            possible = possible and kind in TOLD_NEXT.get(last, ())
            last = kind
        mastered = key in wanted and wanted[key].mastered_at is not None
        if not possible or (last in ("mastered", "reinstated")) != mastered:
            verdict.wrong_events += 1
            verdict.note(f"of {key} was told {told[key]}, and it is{'' if mastered else ' not'} mastered")


def _check_topics(pages: list[list[Any]], logs: dict[str, list[list[Any]]], verdict: Verdict) -> None:
    """Read the topics as a subscriber that drops `position <= last`: nothing skipped, nothing else under a position."""
    heads = {(name, shard): head for name, of in logs.items() for shard, head, _ in of}
    told = {(shard, row[0]): row[1] for shard, _, rows in logs["advancement"] for row in rows}
    last: dict[tuple[str, int], int] = {}
    ids: dict[tuple[str, int, int], str] = {}
    for name, shard, rows in pages:
        for _, position, id in rows:
            known = ids.setdefault((name, shard, position), id)
            skipped = (name, shard) in last and position > last[name, shard] + 1
            if skipped or known != id or (name == "advancement" and told.get((shard, position)) != id):
                verdict.wrong_topics += 1
                verdict.note(f"topic of {name}, shard {shard}: {position} after {last.get((name, shard))}, id {id}")
            last[name, shard] = max(position, last.get((name, shard), 0))
    for place, head in heads.items() if pages else ():
        if last.get(place, 0) < head and place in {(name, shard) for name, shard, _ in pages}:
            verdict.wrong_topics += 1
            verdict.note(f"the topic of {place[0]}, shard {place[1]}, ends at {last.get(place, 0)} of {head}")
