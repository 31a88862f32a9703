"""
What is asked of adults about a learner's work, held against a second telling of the rule that shares no code with the fold.

Evidence comes late and out of order, around midnight and the end of the school year, is taken back, restored, corrected and
handed over by another learner; between it are breaks, days that pass, plans, other policies and people who dismiss what is
asked.
"""

import dataclasses
import datetime
import random
import zoneinfo
from collections import Counter
from typing import Any

import msgspec

from services.progression.domain.decisions import ClockTicked, CompetencyDecided, SupportDecided
from services.progression.domain.learner_fold import deadline_of
from services.progression.domain.plans import Plan
from services.progression.domain.policy import Policy, policy_from
from shared.contracts.internal_events import EvidenceRecorded, Score, Touched
from tests.progression.test_support import GRAPH
from tests.support.journal import TENANT, Decided, Journal, hand_over, piece, restore, retract

COMPETENCY = "math:mul"
DAY = datetime.timedelta(days=1)
BEGIN = datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC)
Asked = tuple[str, str | int]
"""The cause and the day of a response, or the outcome and the school days that it took."""


def written(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclasses.dataclass(frozen=True)
class Rule:
    """When work asks for support, and by when it is to be answered."""

    pieces: int
    below: int
    items: int
    days: int
    respond_days: int
    streak: int

    def policy(self, ends: str) -> Policy:
        support = {
            "respond_days": self.respond_days, "year_ends": ends, "class_work": {"pieces": self.pieces, "below": self.below},
            "practice": {"items": self.items, "days": self.days},
        }  # fmt: skip
        return policy_from(
            {"id": "p", "scale": {"min": 1, "max": 4, "mastery": 3}, "evidence": {"kinds": {"practice": 0}},
             "method": {"type": "streak", "n": self.streak}, "decision": {"latch": "first_crossing"}, "support": support}
        )  # fmt: skip


@dataclasses.dataclass
class Oracle:
    """The rule as its contract states it; days are counted one by one."""

    zone: str
    breaks: str
    ends: str
    rule: "Rule"
    """What the competency is decided by: once it is shown, another policy changes nothing."""
    more: int = 0
    """Pieces that a plan gives before work asks for support."""
    is_exempt: bool = False
    pieces: dict[str, EvidenceRecorded] = dataclasses.field(default_factory=dict)
    """Those that count."""
    cause: str = ""
    open: tuple[str, datetime.date, datetime.date] | None = None
    """The cause that is asked about, since which day, and the last day of that school year."""

    def day(self, at: str) -> datetime.date:
        return datetime.datetime.fromisoformat(at).astimezone(zoneinfo.ZoneInfo(self.zone)).date()

    def is_school(self, day: datetime.date) -> bool:
        out = (tuple(map(datetime.date.fromisoformat, each.split("/"))) for each in self.breaks.split())
        return day.weekday() < 5 and not any(first <= day <= last for first, last in out)

    def year(self, day: datetime.date) -> datetime.date:
        end = datetime.date.fromisoformat(f"{day.year}-{self.ends}")
        return end if day <= end else end.replace(year=day.year + 1)

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

    def adopt(self, rule: "Rule", at: str) -> list[Asked]:
        if self.is_shown():
            return []
        self.rule = rule
        return self.look(at, "rules_changed")

    def look(self, at: str, why: str) -> list[Asked]:
        """Return what a change of the work closes and asks."""
        before, (self.cause, year) = self.cause, self.wanted()
        if self.cause == before:
            return []
        told = self.close(at, why) if self.open and self.open[0] == before else []
        today = self.day(at)
        if self.cause and not self.open and year == self.year(today):
            self.open, respond_by, left = (self.cause, today, year), today, self.rule.respond_days
            while left:
                respond_by += DAY
                left -= self.is_school(respond_by)
            told.append((self.cause, respond_by.isoformat()))
        return told

    def tick(self, at: str) -> list[Asked]:
        return self.close(at, "year_ended") if self.open and self.day(at) > self.open[2] else []

    def close(self, at: str, outcome: str) -> list[Asked]:
        if self.open is None:
            return []
        since, until, self.open = self.open[1], self.day(at), None
        return [(outcome, sum(self.is_school(since + n * DAY) for n in range(1, (until - since).days + 1)))]


def _mark(each: EvidenceRecorded) -> float:
    assert isinstance(each.score.level, float)
    return each.score.level


def drawn(chance: random.Random) -> tuple[Oracle, Journal]:
    """Return a rule in a calendar, and a journal in which it is in force."""
    oracle = Oracle(
        chance.choice(["UTC", "America/Chicago", "Pacific/Auckland"]),
        chance.choice(["", "2026-04-03/2026-04-10", "2026-04-01/2026-04-05 2026-06-10/2026-08-20"]),
        chance.choice(["06-30", "04-14", "03-31"]), some_rule(chance),
    )  # fmt: skip
    calendar = Decided(breaks=oracle.breaks, time_zone=oracle.zone)
    return oracle, Journal().fold([Decided(framework=GRAPH), calendar, Decided(oracle.rule.policy(oracle.ends))])


def some_rule(chance: random.Random) -> Rule:
    return Rule(
        pieces=chance.choice([2, 3]), below=2, items=chance.choice([3, 4]), days=chance.choice([1, 2]),
        respond_days=chance.choice([2, 5]), streak=chance.choice([2, 3, 9]),
    )  # fmt: skip


def work(chance: random.Random, n: int) -> EvidenceRecorded:
    away = datetime.timedelta(
        days=chance.randint(-40, 12), hours=chance.choice([0, 4, 5, 11, 12, 23]), minutes=59, seconds=n
    )
    return piece(
        n, competency=COMPETENCY, kind=chance.choice(["practice", "formative"]), items=chance.choice([None, 1, 2]),
        score=Score(level=chance.choice([1.0, 2.0, 2.0, 3.0])), activity=f"a{n}", occurred_at=written(BEGIN + away),
    )  # fmt: skip


def next_time(journal: Journal) -> str:
    """Return when the next record will have been folded."""
    return max(written(BEGIN + datetime.timedelta(seconds=len(journal.records) + 1)), journal._ticked)


def step(
    chance: random.Random, n: int, oracle: Oracle, journal: Journal, gone: dict[str, EvidenceRecorded]
) -> list[Asked]:
    """Let one thing happen; return what is expected to be told."""
    now = next_time(journal)
    what = ["work", "retract", "restore", "correct", "hand over", "plan", "adopt", "dismiss", "tick"]
    match chance.choices(what, [8, 1, 1, 1, 1, 1, 1, 1, 2])[0]:
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
            rule = some_rule(chance)
            journal.fold([Decided(rule.policy(oracle.ends))]).sweep()
            return oracle.adopt(rule, now)
        case "dismiss":
            journal.fold([SupportDecided("ada", COMPETENCY, "dismissed", "teacher", "t-1")])
            return oracle.close(now, "dismissed")
        case "tick":
            standing = journal.learners.get((TENANT, "ada"))
            due = deadline_of(standing) if standing is not None and chance.random() < 0.5 else None
            some_days = datetime.timedelta(days=chance.randint(0, 9), hours=chance.choice([0, 5, 12]))
            at = max(now, due or written(datetime.datetime.fromisoformat(now) + some_days))
            journal.fold([ClockTicked("ada", at)])
            return oracle.tick(at)
    one = work(chance, n)
    oracle.pieces[one.evidence_id] = one
    journal.fold([one], drop_cache=chance.random() < 0.3)
    return oracle.look(now, "progress")


def asked_of(data: dict[str, Any]) -> Asked:
    return (data["need"], data["respond_by"]) if "need" in data else (data["outcome"], data["days"])


def test_what_is_asked_of_adults_is_what_the_contract_says():
    seen: Counter[str] = Counter()
    for seed in range(1000):
        chance = random.Random(seed)
        gone: dict[str, EvidenceRecorded] = {}
        oracle, journal = drawn(chance)
        for n in range(chance.randint(4, 18)):
            before = len(journal.told)
            expected = step(chance, n, oracle, journal, gone)
            told = [asked_of(each.data) for each in journal.told[before:]
                    if each.type.startswith("attain.support.") and each.learner == "ada"]  # fmt: skip

            assert told == expected, (seed, n)
            seen.update(what for what, _ in told)

    told_of = ("work_below_the_cut", "practice_without_progress", "progress", "corrected", "dismissed", "year_ended",
               "rules_changed", "decided")  # fmt: skip
    assert all(seen[what] > 10 for what in told_of), seen
