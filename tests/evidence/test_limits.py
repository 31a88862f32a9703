"""A source whose messages are mostly bad is stopped for a while; others, and those with a few bad ones, are not."""

import pytest

from services.evidence.handlers.intake import Item
from services.evidence.handlers.limits import BadSources
from shared.errors import TooManyBad
from shared.settings import Settings


def items(good: int, bad: int) -> list[Item]:
    return [Item(0, None, "accepted")] * good + [Item(0, None, "rejected")] * bad


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits(clock: Clock) -> BadSources:
    return BadSources(Settings(bad_items_max=10, bad_share_max=0.5, bad_pause_s=30), clock)


def test_a_source_that_is_mostly_bad_is_stopped_and_told_for_how_long() -> None:
    clock = Clock()
    bad = limits(clock)

    bad.note("demo", "lms", items(5, 9))
    bad.check("demo", "lms")
    bad.note("demo", "lms", items(0, 3))
    with pytest.raises(TooManyBad, match=r"of 17 items of lms in a minute 12 were refused; it may send again in 30 s"):
        bad.check("demo", "lms")
    bad.check("demo", "other")
    bad.check("elsewhere", "lms")
    clock.now += 31

    bad.check("demo", "lms")


def test_a_source_with_some_bad_items_goes_on() -> None:
    bad = limits(Clock())

    for _ in range(100):
        bad.note("demo", "lms", items(50, 40))
        bad.check("demo", "lms")


def test_what_was_long_ago_does_not_count() -> None:
    clock = Clock()
    bad = limits(clock)

    for _ in range(10):
        bad.note("demo", "lms", items(0, 9))
        bad.check("demo", "lms")
        clock.now += 61
