"""Days on which no policy is adopted: those that a district names, by its own clock."""

import datetime
import zoneinfo

from hypothesis import example, given
from hypothesis import strategies as st

from services.progression.domain.freezes import frozen_until, refusal
from shared.events import utc
from shared.school_calendar import breaks_of

DAY = datetime.timedelta(days=1)
days = st.dates(datetime.date(2026, 1, 1), datetime.date(2026, 2, 28))
freezes = st.lists(st.tuples(days, days).map(lambda pair: (min(pair), max(pair))), max_size=4)
zones = st.sampled_from(["UTC", "America/Chicago", "Pacific/Kiritimati"])


@example(
    [(datetime.date(2026, 1, 5), datetime.date(2026, 1, 9))], "America/Chicago", datetime.datetime(2026, 1, 5, 5, 59)
)
@example(
    [(datetime.date(2026, 1, 5), datetime.date(2026, 1, 9))], "America/Chicago", datetime.datetime(2026, 1, 10, 5, 59)
)
@given(named=freezes, zone=zones, at=st.datetimes(datetime.datetime(2026, 1, 1), datetime.datetime(2026, 3, 1)))
def test_a_freeze_holds_on_the_local_days_that_are_named_and_ends_with_the_last_of_them_in_a_row(
    named: list[tuple[datetime.date, datetime.date]], zone: str, at: datetime.datetime
):
    instant = at.replace(tzinfo=datetime.UTC)
    held = {first + n * DAY for first, last in named for n in range((last - first).days + 1)}
    today = last = instant.astimezone(zoneinfo.ZoneInfo(zone)).date()
    while last + DAY in held:
        last += DAY
    settings = {"time_zone": zone, "freezes": breaks_of(named)}

    assert frozen_until(settings, utc(instant)) == (last if today in held else None)


def test_a_refusal_names_the_end_of_the_freeze_and_the_first_day_behind_it():
    text = str(refusal(datetime.date(2026, 6, 12), "wait"))

    assert text == "no policy is adopted until 2026-06-12 is over (change freeze): do it from 2026-06-13 on, or wait"
