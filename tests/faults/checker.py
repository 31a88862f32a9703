"""
Judges a history: what was acknowledged against what was read in the end. Pure: a history in, a verdict out.

The oracle is the journal of acknowledged items alone; which states must follow is computed by the plain rule of `items`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from tests.faults.history import Op
from tests.faults.items import FRAMEWORK, Expected, Item, expected
from tests.faults.log_checks import Logs, by_log, check_logs, check_topics, holes
from tests.faults.verdict import Verdict

STATUSES = frozenset({"accepted", "corrected", "duplicate"})
TOLD_NEXT = {
    "": ("mastered",),
    "mastered": ("withdrawn",),
    "withdrawn": ("reinstated", "mastered"),
    "reinstated": ("withdrawn",),
}
"""What may be told of a competency after what was told last."""


def check(history: Iterable[Op]) -> Verdict:
    """Return the verdict on a whole history."""
    verdict = Verdict()
    sent: dict[int, tuple[str, list[Item]]] = {}
    answers: dict[int, list[Any] | None] = {}
    enrolled: dict[tuple[int, str], bool] = {}
    fences: dict[tuple[str, ...], float] = {}
    read: dict[str, list[list[Any]]] = defaultdict(list)
    for op in history:
        if op.f == "submit" and op.type == "invoke":
            sent[op.value[0]] = (op.process, [Item(*item) for item in op.value[1]])
        elif op.f == "submit" and op.type == "ok":
            answers[op.value[0]] = op.value[1]
        elif op.f == "submit" and op.value[2:] == [False]:
            verdict.wrong_answers += 1
            verdict.note(f"batch {op.value[0]} was answered by {op.value[1]}")
        elif op.f == "enrol":
            learner, name, active = op.value
            enrolled[learner, name] = active
        elif op.f == "fences":
            # A process counts from its start, so the last that it said is all of it.
            fences |= {tuple(process): count for *process, count in op.value}
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
    verdict.fences_lost = int(sum(fences.values()))
    _check_read(sent, answers, enrolled, read, verdict)
    return verdict


def _check_read(
    sent: dict[int, tuple[str, list[Item]]], answers: dict[int, list[Any] | None], enrolled: dict[tuple[int, str], bool],
    read: dict[str, list[list[Any]]], verdict: Verdict,
) -> None:  # fmt: skip
    """Hold what was read in the end against what was acknowledged."""
    logs = by_log(read["log"])
    log = _Log(logs, verdict)
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
    _check_told(wanted, logs, verdict)
    places = {(learners[learner], name): active for (learner, name), active in enrolled.items() if learner in learners}
    check_logs(logs, places, verdict)
    check_topics(read["topic"], logs, verdict)


class _Log:
    """The evidence log as it was read: where each item is, and whose."""

    def __init__(self, logs: Logs, verdict: Verdict) -> None:
        self.place: dict[str, tuple[int, int]] = {}
        self.learner: dict[str, str] = {}
        self.count: Counter[str] = Counter()
        verdict.holes += holes(logs, "evidence", verdict)
        for shard, _, rows in logs["evidence"]:
            for _, position, _, learner, _, id in rows:
                if id:
                    self.count[id] += 1
                    self.place.setdefault(id, (shard, position))
                    self.learner[id] = learner


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


def _check_told(wanted: dict[tuple[str, str], Expected], logs: Logs, verdict: Verdict) -> None:
    verdict.wrong_events += holes(logs, "advancement", verdict)
    ids: Counter[str] = Counter()
    told: dict[tuple[str, str], list[str]] = defaultdict(list)
    for *_, learner, competency, said in (row for _, _, rows in logs["advancement"] for row in rows if row[-1]):
        id, type, _ = said
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
