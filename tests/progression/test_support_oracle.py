"""
What is asked of adults about a learner's work, held against a second telling of the rule that shares no code with the fold.

Evidence comes late and out of order, around midnight and the end of the school year, is taken back, restored, corrected and
handed over by another learner; between it are breaks, days that pass, plans, other policies, work that waits for a grade and
people who dismiss what is asked.
"""

import dataclasses
import datetime
import random
from collections import Counter
from typing import Any

import msgspec

from services.progression.domain.decisions import ClockTicked, CompetencyDecided, SupportDecided
from services.progression.domain.plans import Plan
from services.progression.domain.policy import Policy, policy_from
from shared.contracts.handed_in import WorkUngraded
from shared.contracts.internal_events import EvidenceRecorded, Score, Touched
from tests.progression.test_support import GRAPH
from tests.support.asking import BEGIN, Asked, Asking, next_time, some_calendar, some_tick, written
from tests.support.journal import Decided, Journal, hand_over, piece, restore, retract

COMPETENCY = "math:mul"


@dataclasses.dataclass(frozen=True)
class Rule:
    """When work asks for support, and by when it is to be answered."""

    pieces: int
    below: int
    items: int
    days: int
    respond_days: int
    streak: int

    def policy(self, ends: str, ungraded: int | None) -> Policy:
        support: dict[str, Any] = {
            "respond_days": self.respond_days, "year_ends": ends, "class_work": {"pieces": self.pieces, "below": self.below},
            "practice": {"items": self.items, "days": self.days},
        }  # fmt: skip
        if ungraded is not None:
            support["waits"] = {"ungraded": ungraded}
        return policy_from(
            {"id": "p", "scale": {"min": 1, "max": 4, "mastery": 3}, "evidence": {"kinds": {"practice": 0}},
             "method": {"type": "streak", "n": self.streak}, "decision": {"latch": "first_crossing"}, "support": support}
        )  # fmt: skip


@dataclasses.dataclass
class Oracle(Asking):
    """The rule as its contract states it."""

    rule: "Rule"
    """What the competency is decided by: once it is shown, another policy changes nothing."""
    ungraded: int | None
    """School days after which the owner is asked about work without a grade."""
    respond_days: int
    """Of the policy that was adopted last, as `ungraded`: by it adults are asked about what waits for them."""
    more: int = 0
    """Pieces that a plan gives before work asks for support."""
    is_exempt: bool = False
    pieces: dict[str, EvidenceRecorded] = dataclasses.field(default_factory=dict)
    """Those that count."""
    cause: str = ""
    works: dict[str, str] = dataclasses.field(default_factory=dict)
    """Since when work waits for a grade."""
    asked: set[str] = dataclasses.field(default_factory=set)
    """What of it was too late at some tick."""

    def wanted(self) -> tuple[str, datetime.date | None]:
        """Return why the work of its latest school year asks for support, and that year's last day."""
        ordered = sorted(self.pieces.values(), key=lambda each: (each.occurred_at, each.id))
        last = max((self.year(self.day(each.occurred_at)) for each in ordered), default=None)
        if self.is_shown() or self.is_exempt or last is None:
            return "", None
        rule, more = self.rule, self.more
        now = [each for each in ordered if self.year(self.day(each.occurred_at)) == last]
        marks = [_mark(each) for each in now if each.kind == "formative"]
        if len(marks) >= rule.pieces + more and max(marks[-rule.below :]) < 3:
            return "work_below_the_cut", last
        items, days = sum(each.items or 1 for each in now), {self.day(each.occurred_at) for each in now}
        if not marks and items >= rule.items + more and len(days) >= rule.days:
            return "practice_without_progress", last
        return "", None

    def is_shown(self) -> bool:
        """Tell whether so many in a row were at the cut."""
        ordered = sorted(self.pieces.values(), key=lambda each: (each.occurred_at, each.id))
        right = "".join("x" if _mark(each) >= 3 else "." for each in ordered if each.kind == "formative")
        return "x" * self.rule.streak in right

    def adopt(self, rule: "Rule", ungraded: int | None, at: str) -> list[Asked]:
        self.respond_days, self.ungraded = rule.respond_days, ungraded
        if self.is_shown():
            return []
        self.rule = rule
        return self.look(at, "rules_changed")

    def look(self, at: str, why: str) -> list[Asked]:
        """Return what a change of the work closes and asks."""
        before, (self.cause, year) = self.cause, self.wanted()
        if self.cause == before:
            return []
        told = self.close(before, at, why)
        if self.cause and year == self.year(self.day(at)):
            told += self.ask(self.cause, at, self.rule.respond_days)
        return told

    def is_late(self, work: str, at: str) -> bool:
        return self.ungraded is not None and self.due(self.works[work], self.ungraded) <= at

    def hand_in(self, work: str, since: str, waits: bool, at: str) -> list[Asked]:
        waited = self.works.pop(work, None) is not None
        self.asked.discard(work)
        if waits and not self.is_over(since, at):
            self.works[work] = since
        still = any(self.is_late(each, at) for each in self.works)
        return self.close("ungraded", at, "done") if waited and not still else []

    def tick(self, at: str) -> list[Asked]:
        told = [each for cause in list(self.open) if self.is_over(self.open[cause], at)
                for each in self.close(cause, at, "year_ended")]  # fmt: skip
        self.works = {work: since for work, since in self.works.items() if not self.is_over(since, at)}
        late = {work for work in self.works if self.is_late(work, at)} - self.asked
        self.asked |= late
        return told + (self.ask("ungraded", at, self.respond_days) if late else [])

    def dismiss(self, cause: str, at: str) -> list[Asked]:
        first = min(self.open, key=lambda each: self.open[each], default="")
        return self.close(cause or first, at, "dismissed")


def _mark(each: EvidenceRecorded) -> float:
    assert isinstance(each.score.level, float)
    return each.score.level


def drawn(chance: random.Random) -> tuple[Oracle, Journal]:
    """Return a rule in a calendar, and a journal in which it is in force."""
    rule = some_rule(chance)
    oracle = Oracle(*some_calendar(chance), rule, chance.choice([None, 1, 5]), rule.respond_days)
    policy = Decided(rule.policy(oracle.ends, oracle.ungraded))
    return oracle, Journal().fold([Decided(framework=GRAPH), oracle.calendar, policy])


def some_rule(chance: random.Random) -> Rule:
    return Rule(
        pieces=chance.choice([2, 3]), below=2, items=chance.choice([3, 4]), days=chance.choice([1, 2]),
        respond_days=chance.choice([2, 5]), streak=chance.choice([2, 3, 9]),
    )  # fmt: skip


def some_time(chance: random.Random, n: int) -> str:
    hours = chance.choice([0, 4, 5, 11, 12, 23])
    return written(BEGIN + datetime.timedelta(days=chance.randint(-40, 12), hours=hours, minutes=59, seconds=n))


def work(chance: random.Random, n: int) -> EvidenceRecorded:
    return piece(
        n, competency=COMPETENCY, kind=chance.choice(["practice", "formative"]), items=chance.choice([None, 1, 2]),
        score=Score(level=chance.choice([1.0, 2.0, 2.0, 3.0])), activity=f"a{n}", occurred_at=some_time(chance, n),
    )  # fmt: skip


def step(
    chance: random.Random, n: int, oracle: Oracle, journal: Journal, gone: dict[str, EvidenceRecorded]
) -> list[Asked]:
    """Let one thing happen; return what is expected to be told."""
    now = next_time(journal)
    what = ["work", "retract", "restore", "correct", "hand over", "plan", "adopt", "dismiss", "tick", "hand in"]
    match chance.choices(what, [8, 1, 1, 1, 1, 2, 2, 1, 3, 3])[0]:
        case "retract" if oracle.pieces:
            one = oracle.pieces.pop(chance.choice(sorted(oracle.pieces)))
            gone[one.evidence_id] = one
            journal.fold([retract(one, by=f"r{n}")])
            return oracle.look(now, "corrected")
        case "restore" if gone:
            one = gone.pop(chance.choice(sorted(gone)))
            oracle.pieces[one.evidence_id] = one
            journal.fold([restore(one, by=f"s{n}")])
            return oracle.look(now, "corrected")
        case "correct" if oracle.pieces:
            before = oracle.pieces.pop(chance.choice(sorted(oracle.pieces)))
            one = msgspec.structs.replace(
                work(chance, n), kind=before.kind, invalidates=(Touched(before.evidence_id, before.competencies),)
            )
            oracle.pieces[one.evidence_id] = one
            journal.fold([one], drop_cache=chance.random() < 0.3)
            return oracle.look(now, "corrected")
        case "hand over":
            anothers = [
                msgspec.structs.replace(work(chance, 100 * n + m), learner="bob") for m in range(chance.randint(1, 4))
            ]
            there, events = hand_over(anothers, "ada", f"m{n}", "decided")
            oracle.pieces |= {one.evidence_id: one for one in there}
            journal.fold([*anothers, *events[:-1]])
            now = next_time(journal)
            journal.fold(events[-1:])
            return oracle.look(now, "corrected")
        case "plan":
            plan = chance.choice(
                [None, Plan("exempt", "iep", "2027-01-01"), Plan("extend", "iep", "2027-01-01", pieces=1)]
            )
            oracle.more, oracle.is_exempt = plan.pieces if plan else 0, plan is not None and plan.kind == "exempt"
            journal.fold([CompetencyDecided(
                "ada", COMPETENCY, "plan", "case_manager", "cm-1", "override", plan=plan, undoes="" if plan else "any"
            )])  # fmt: skip
            return oracle.look(now, "decided")
        case "adopt":
            rule, ungraded = some_rule(chance), chance.choice([None, 1, 5])
            journal.fold([Decided(rule.policy(oracle.ends, ungraded))]).sweep()
            return oracle.adopt(rule, ungraded, now)
        case "dismiss":
            # Of two that were suggested at the same instant none is the first.
            causes = [*oracle.open, *([""] if len(set(oracle.open.values())) == len(oracle.open) else [])]
            cause = chance.choice(causes)
            journal.fold([SupportDecided("ada", COMPETENCY, "dismissed", "teacher", "t-1", cause=cause)])
            return oracle.dismiss(cause, now)
        case "hand in":
            name, waits, since = chance.choice(["essay", "poster"]), chance.random() < 0.7, some_time(chance, n)
            journal.fold([WorkUngraded("ada", name, "urn:lms", name, since, waits, (COMPETENCY,))])
            return oracle.hand_in(name, since, waits, now)
        case "tick":
            at = some_tick(chance, journal)
            journal.fold([ClockTicked("ada", at)])
            return oracle.tick(at)
    one = work(chance, n)
    oracle.pieces[one.evidence_id] = one
    journal.fold([one], drop_cache=chance.random() < 0.3)
    return oracle.look(now, "progress")


def asked_of(data: dict[str, Any], needs: dict[str, str]) -> Asked:
    if "need" in data:
        return data["need"], "asked", data["respond_by"]
    return needs[data["replaces"]], data["outcome"], data["days"]


def test_what_is_asked_of_adults_is_what_the_contract_says():
    seen: Counter[tuple[str, str]] = Counter()
    together = 0
    for seed in range(1000):
        chance = random.Random(seed)
        gone: dict[str, EvidenceRecorded] = {}
        oracle, journal = drawn(chance)
        for n in range(chance.randint(4, 18)):
            before = len(journal.told)
            expected = step(chance, n, oracle, journal, gone)
            needs = {each.id: each.data["need"] for each in journal.told if "need" in each.data}
            told = [asked_of(each.data, needs) for each in journal.told[before:]
                    if each.type.startswith("attain.support.") and each.learner == "ada"]  # fmt: skip

            assert Counter(told) == Counter(expected), (seed, n)
            seen.update((cause, what) for cause, what, _ in told)
            together += len(oracle.open) > 1
        assert len({each.id for each in journal.told}) == len(journal.told), seed

    of_work = ("asked", "progress", "corrected", "dismissed", "year_ended", "rules_changed", "decided")
    learning = Counter(what for cause, what in seen.elements() if cause != "ungraded")
    assert all(learning[what] > 10 for what in of_work), seen
    assert all(seen["ungraded", what] > 10 for what in ("asked", "done", "dismissed", "year_ended")), seen
    assert together > 50
