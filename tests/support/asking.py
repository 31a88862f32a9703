"""What adults are asked for support, told a second time: days are counted one by one, and what is open is kept by its cause."""

import dataclasses
import datetime
import random
import zoneinfo
from typing import Any

from services.progression.domain.learner_fold import deadline_of
from tests.support.journal import TENANT, Decided, Journal

DAY = datetime.timedelta(days=1)
BEGIN = datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC)
Asked = tuple[Any, str, str | int]
"""The cause; and `asked` with the day of a response, or the outcome with the school days that it took."""


def written(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclasses.dataclass
class Asking:
    """What is open by its cause, in a calendar."""

    zone: str
    breaks: str
    ends: str
    open: dict[Any, str] = dataclasses.field(default_factory=dict, kw_only=True)
    """Since when is asked about each cause."""

    @property
    def calendar(self) -> Decided:
        return Decided(breaks=self.breaks, time_zone=self.zone)

    def day(self, at: str) -> datetime.date:
        return datetime.datetime.fromisoformat(at).astimezone(zoneinfo.ZoneInfo(self.zone)).date()

    def is_school(self, day: datetime.date) -> bool:
        out = (tuple(map(datetime.date.fromisoformat, each.split("/"))) for each in self.breaks.split())
        return day.weekday() < 5 and not any(first <= day <= last for first, last in out)

    def year(self, day: datetime.date) -> datetime.date:
        end = datetime.date.fromisoformat(f"{day.year}-{self.ends}")
        return end if day <= end else end.replace(year=day.year + 1)

    def is_over(self, since: str, at: str) -> bool:
        return self.day(at) > self.year(self.day(since))

    def later(self, day: datetime.date, days: int) -> datetime.date:
        while days:
            day += DAY
            days -= self.is_school(day)
        return day

    def due(self, since: str, days: int) -> str:
        """Return when so many school days are over."""
        at = datetime.datetime.fromisoformat(since).astimezone(zoneinfo.ZoneInfo(self.zone))
        return written(datetime.datetime.combine(self.later(at.date(), days), at.time(), at.tzinfo))

    def midnight_after(self, day: datetime.date) -> str:
        return written(datetime.datetime.combine(day + DAY, datetime.time(), zoneinfo.ZoneInfo(self.zone)))

    def ask(self, cause: Any, at: str, days: int) -> list[Asked]:
        if cause in self.open:
            return []
        self.open[cause] = at
        return [(cause, "asked", self.later(self.day(at), days).isoformat())]

    def close(self, cause: Any, at: str, outcome: str) -> list[Asked]:
        if cause not in self.open:
            return []
        since, until = self.day(self.open.pop(cause)), self.day(at)
        return [(cause, outcome, sum(self.is_school(since + n * DAY) for n in range(1, (until - since).days + 1)))]


def some_calendar(chance: random.Random) -> tuple[str, str, str]:
    """Return a time zone, breaks, and the last day of the school year."""
    return (
        chance.choice(["UTC", "America/Chicago", "Pacific/Auckland"]),
        chance.choice(["", "2026-04-03/2026-04-10", "2026-04-01/2026-04-05 2026-06-10/2026-08-20"]),
        chance.choice(["06-30", "04-14", "04-06", "03-31"]),
    )


def next_time(journal: Journal) -> str:
    """Return when the next record will have been folded."""
    return max(written(BEGIN + datetime.timedelta(seconds=len(journal.records) + 1)), journal._ticked)


def some_tick(chance: random.Random, journal: Journal) -> str:
    """Return an instant to come: some days later, or as often when something is due of the learner."""
    now, standing = next_time(journal), journal.learners.get((TENANT, "ada"))
    due = deadline_of(standing) if standing is not None and chance.random() < 0.5 else None
    some_days = datetime.timedelta(days=chance.choice([0, 1, 2, 4, 9, 20]), hours=chance.choice([0, 5, 12]))
    return max(now, due or written(datetime.datetime.fromisoformat(now) + some_days))
