"""
What is asked of adults about a learner's work, held against a second telling of the rule that shares no code with the fold.

Evidence comes late and out of order, around midnight and the end of the school year, is taken back and restored; between it
are breaks, days that pass and people who dismiss what is asked.
"""

import dataclasses
import datetime
import random
import zoneinfo
from collections import Counter
from typing import Any

from services.progression.domain.decisions import ClockTicked, SupportDecided
from services.progression.domain.learner_fold import deadline_of
from services.progression.domain.policy import policy_from
from shared.contracts.internal_events import EvidenceRecorded, Score
from tests.progression.test_support import GRAPH
from tests.support.journal import TENANT, Decided, Journal, piece, restore, retract

COMPETENCY = "math:mul"
DAY = datetime.timedelta(days=1)
BEGIN = datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC)
Asked = tuple[str, str | int]
"""The cause and the day of a response, or the outcome and the school days that it took."""


def written(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclasses.dataclass
class Oracle:
    """The rule as its contract states it; days are counted one by one."""

    zone: str
    breaks: str
    ends: str
    respond_days: int
    class_work: dict[str, int]
    practice: dict[str, int]
    streak: int
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
        right = "".join("x" if _mark(each) >= 3 else "." for each in ordered if each.kind == "formative")
        last = max((self.year(self.day(each.occurred_at)) for each in ordered), default=None)
        if "x" * self.streak in right or last is None:
            return "", None
        now = [each for each in ordered if self.year(self.day(each.occurred_at)) == last]
        marks = [_mark(each) for each in now if each.kind == "formative"]
        if len(marks) >= self.class_work["pieces"] and max(marks[-self.class_work["below"] :]) < 3:
            return "work_below_the_cut", last
        items, days = sum(each.items or 1 for each in now), {self.day(each.occurred_at) for each in now}
        if not marks and items >= self.practice["items"] and len(days) >= self.practice["days"]:
            return "practice_without_progress", last
        return "", None

    def look(self, at: str, why: str) -> list[Asked]:
        """Return what a change of the work closes and asks."""
        before, (self.cause, year) = self.cause, self.wanted()
        if self.cause == before:
            return []
        told = self.close(at, why) if self.open and self.open[0] == before else []
        today = self.day(at)
        if self.cause and not self.open and year == self.year(today):
            self.open, respond_by, left = (self.cause, today, year), today, self.respond_days
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
        chance.choice(["06-30", "04-14", "03-31"]), chance.choice([2, 5]), {"pieces": chance.choice([2, 3]), "below": 2},
        {"items": chance.choice([3, 4]), "days": chance.choice([1, 2])}, chance.choice([2, 3, 9]),
    )  # fmt: skip
    support = {"respond_days": oracle.respond_days, "year_ends": oracle.ends, "class_work": oracle.class_work,
               "practice": oracle.practice}  # fmt: skip
    policy = policy_from(
        {"id": "p", "scale": {"min": 1, "max": 4, "mastery": 3}, "evidence": {"kinds": {"practice": 0}},
         "method": {"type": "streak", "n": oracle.streak}, "decision": {"latch": "first_crossing"}, "support": support}
    )  # fmt: skip
    calendar = Decided(breaks=oracle.breaks, time_zone=oracle.zone)
    return oracle, Journal().fold([Decided(framework=GRAPH), calendar, Decided(policy)])


def work(chance: random.Random, n: int) -> EvidenceRecorded:
    away = datetime.timedelta(
        days=chance.randint(-40, 12), hours=chance.choice([0, 4, 5, 11, 12, 23]), minutes=59, seconds=n
    )
    return piece(
        n, competency=COMPETENCY, kind=chance.choice(["practice", "formative"]), items=chance.choice([None, 1, 2]),
        score=Score(level=chance.choice([1.0, 2.0, 2.0, 3.0])), activity=f"a{n}", occurred_at=written(BEGIN + away),
    )  # fmt: skip


def step(
    chance: random.Random, n: int, oracle: Oracle, journal: Journal, gone: dict[str, EvidenceRecorded]
) -> list[Asked]:
    """Let one thing happen; return what is expected to be told."""
    now = max(written(BEGIN + datetime.timedelta(seconds=len(journal.records) + 1)), journal._ticked)
    match chance.choices(["work", "retract", "restore", "dismiss", "tick"], [6, 1, 1, 1, 2])[0]:
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
            told = [asked_of(each.data) for each in journal.told[before:] if each.type.startswith("attain.support.")]

            assert told == expected, (seed, n)
            seen.update(what for what, _ in told)

    asked = ("work_below_the_cut", "practice_without_progress")
    assert all(seen[what] > 15 for what in (*asked, "progress", "corrected", "dismissed", "year_ended")), seen
