"""When an observation was made that a browser had kept."""

import datetime

import pytest

from services.reporting.domain.observed import occurred_at
from shared.errors import InvalidEvent

NOW = datetime.datetime(2026, 3, 20, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("", "2026-03-20T12:00:00.000000Z"),
        ("2026-03-17T09:30:00.250Z", "2026-03-17T09:30:00.250000Z"),
        ("2026-03-17T04:30:00-05:00", "2026-03-17T09:30:00.000000Z"),
        ("2026-03-06T12:00:00Z", "2026-03-06T12:00:00.000000Z"),
    ],
)
def test_it_is_when_the_browser_says_or_now(told: str, found: str) -> None:
    assert occurred_at(told, NOW) == found


@pytest.mark.parametrize(
    "told",
    ["yesterday", "2026-03-17T09:30:00", "2026-03-06T11:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-05:00"],
)
def test_what_is_no_instant_or_has_waited_too_long_is_refused(told: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        occurred_at(told, NOW)

    assert refused.value.pointer == "/at"
