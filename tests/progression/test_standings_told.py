"""What standings tell who comes late, held against what the events alone tell who listened from the beginning."""

import dataclasses
import random
from collections import Counter
from typing import Any

from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.importing import read_import
from services.progression.domain.decisions import ClockTicked, CompetencyDecided, LevelDecided, LevelDecisionKind
from services.progression.domain.learner import LearnerState
from services.progression.domain.policy import policy_from
from services.progression.domain.telling import SEQ_STEP
from services.progression.handlers.standings import standings_of
from shared.contracts.internal_events import EvidenceRecorded
from shared.events import encode_json
from tests.support.asking import some_tick
from tests.support.journal import TENANT, Decided, Journal, hand_over, piece, restore, retract

CODES = {"add": "1", "sub": "1", "mul": "2"}
ON_RECORD = ("mastered", "credited", "reverify_due")
Pair = tuple[str, str]
"""A learner, and a competency or level."""


def version(*codes: str) -> Framework:
    """Return a version of a framework that has some of its competencies."""
    nodes = "".join(f"{code},{code},{CODES[code]}\n" for code in codes)
    return read_import(encode_json({"id": "math", "nodes": f"code,title,level\n{nodes}"}), "2026-01-01")[0]


VERSIONS = [version(*CODES), version("add", "mul"), version("add", "sub"), version("add")]


@dataclasses.dataclass
class Subscriber:
    """Keeps what the contract says that events tell, and nothing else."""

    shown: dict[Pair, str] = dataclasses.field(default_factory=dict)
    """Since when competencies are on the record."""
    levels: dict[Pair, str] = dataclasses.field(default_factory=dict)
    """The status that each level was told to have."""
    before: dict[Pair, str] = dataclasses.field(default_factory=dict)
    """Where a level is once its request for a sign-off is over: ready, or placed with gaps that are open."""
    seqs: dict[Pair, int] = dataclasses.field(default_factory=dict)

    def hear(self, type: str, data: dict[str, Any]) -> None:
        kind = type.removeprefix("attain.").removesuffix(".v1")
        pair = data["learner"]["id"], data["scope"]["id"]
        assert data["seq"] > self.seqs.get(pair, -1)
        self.seqs[pair] = data["seq"]
        if kind in ("competency.mastered", "competency.credited", "competency.reinstated"):
            self.shown[pair] = data["effective_at"]
        elif kind == "competency.withdrawn":
            del self.shown[pair]
            for level in data["levels_affected"]:
                if self.levels[affected := (pair[0], level)] == "sign_off_requested":
                    self.levels[affected] = self.before.get(affected, "in_progress")
        elif kind.startswith("level."):
            self.levels[pair] = data["after"]
            if kind == "level.ready":
                self.before[pair] = "ready"
            elif kind == "level.placed_with_gaps":
                self.before.setdefault(pair, "placed_with_gaps")
            elif kind == "level.gaps_cleared" and self.before.get(pair) == "placed_with_gaps":
                del self.before[pair]


def standings(journal: Journal, learner: str) -> dict[str, list[dict[str, Any]]]:
    states = [journal.state(key[2], learner) for key in sorted(journal.states) if key[1] == learner]
    standing = journal.learners.get((TENANT, learner), LearnerState())
    return standings_of(learner, states, standing, journal.rules[TENANT].frameworks[-1])


def step(
    chance: random.Random, n: int, journal: Journal, pieces: list[EvidenceRecorded], by_hand: list[tuple[str, str]]
) -> None:
    code, level = f"math:{chance.choice(list(CODES))}", f"math#/{chance.choice('12')}"
    what = ["evidence", "retract", "restore", "by hand", "level", "version", "hand over", "tick"]
    match chance.choices(what, [8, 2, 2, 3, 4, 3, 1, 1])[0]:
        case "retract" if pieces:
            journal.fold([retract(chance.choice(pieces), by=f"r{n}")])
        case "restore" if pieces:
            journal.fold([restore(chance.choice(pieces), by=f"s{n}")])
        case "by hand":
            decided = chance.choice([
                CompetencyDecided("ada", code, "override", "teacher", "t-1", "override", status="mastered"),
                CompetencyDecided("ada", code, "override", "teacher", "t-1", "override", status="not_yet"),
                CompetencyDecided("ada", code, "credit", "registrar", "r-1", "transfer"),
                *(CompetencyDecided("ada", of, "lift", "teacher", "t-1", "override", undoes=id) for of, id in by_hand),
            ])  # fmt: skip
            journal.fold([decided])
            by_hand += [(code, f"input-{len(journal.records)}")] if decided.kind != "lift" else []
        case "level":
            kinds: tuple[LevelDecisionKind, ...] = (
                "sign_off", "sign_off", "place", "withdraw", "reinstate", "choose", "withhold", "lift"
            )  # fmt: skip
            gaps = (code,) if chance.random() < 0.5 else ()
            journal.fold([LevelDecided("ada", level, chance.choice(kinds), "teacher", "t-1", not_yet=gaps)])
        case "version":
            journal.fold([Decided(framework=chance.choice(VERSIONS))]).sweep()
        case "hand over":
            _, events = hand_over(
                [piece(n, learner="bob", competency=code, activity=f"a{n}")], "ada", f"m{n}", "decided"
            )
            journal.fold([piece(n, learner="bob", competency=code, activity=f"a{n}"), *events])
        case "tick":
            journal.fold([ClockTicked("ada", some_tick(chance, journal))])
        case _:
            one = piece(n, chance.choice([1.0, 1.0, 0.0]), competency=code, activity=f"a{n}", day=chance.randint(1, 28))
            pieces.append(one)
            journal.fold([one])


def test_who_comes_late_is_told_by_standings_what_the_events_told():
    seen: Counter[str] = Counter()
    for seed in range(400):
        chance = random.Random(seed)
        role = (
            {"advancement": {"require": {"supporting": {"share": 1, "at": "mastered"}}, "sign_off": {"by": "teacher"}}}
            if chance.random() < 0.7
            else {}
        )
        policy = policy_from(
            {"id": "p", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}, **role}
        )
        journal, subscriber = Journal().fold([Decided(framework=VERSIONS[0]), Decided(policy)]), Subscriber()
        pieces: list[EvidenceRecorded] = []
        by_hand: list[tuple[str, str]] = []
        for n in range(chance.randint(4, 20)):
            before = len(journal.told)
            step(chance, n, journal, pieces, by_hand)
            for event in journal.told[before:]:
                subscriber.hear(event.type, event.data)
            for learner in ("ada", "bob"):
                seen.update(compare(standings(journal, learner), subscriber, learner, (seed, n)))

    assert all(seen[each] > 50 for each in ("retired", "advanced", "review_required", "withdrawn", "earlier")), seen


def compare(
    told: dict[str, list[dict[str, Any]]], subscriber: Subscriber, learner: str, where: tuple[int, int]
) -> list[str]:
    """Hold the standings of a learner against what a subscriber has; return what of it is worth counting."""
    seen: list[str] = []
    held = [one for item in told["items"] for one in item["competencies"]] + told["retired"]
    stands = {one["competency"]: one for one in held}
    assert len(stands) == len(held), where
    shown = {scope: at for (who, scope), at in subscriber.shown.items() if who == learner}
    on_record = {
        code for code, one in stands.items()
        if one["status"] in ON_RECORD or (one["status"] == "overridden" and one["effective_at"])
    }  # fmt: skip
    assert on_record == shown.keys(), where
    for code, at in shown.items():
        one, seq = stands[code], subscriber.seqs[learner, code]
        assert one["effective_at"] == at or one["seq"] > seq, (where, one, at)
        # The number of an input: whatever else that told of the competency, the standing says as well.
        assert one["seq"] >= seq - seq % SEQ_STEP, where
        seen += ["earlier"] if one["effective_at"] != at else []
    seen += ["retired"] * len(shown.keys() & {one["competency"] for one in told["retired"]})

    levels = {item["level"]: item for item in told["items"]}
    for (who, level), status in subscriber.levels.items():
        if who == learner:
            item = levels[level]
            assert item["status"] == status, (where, item, status)
            # Late evidence that dates a level anew raises it as well.
            assert item["seq"] >= subscriber.seqs[learner, level], (where, item)
            seen.append(status)
    return seen
