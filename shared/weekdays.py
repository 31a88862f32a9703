"""Days from Monday to Friday, numbered through the weeks: on a Saturday and a Sunday the number is Friday's."""

import datetime

WEEKDAYS = 5


def weekdays_to(day: datetime.date) -> int:
    """Return the days from Monday to Friday since the beginning of the calendar, the day itself among them."""
    weeks, place = divmod(day.toordinal() - 1, 7)
    return weeks * WEEKDAYS + min(place + 1, WEEKDAYS)


def weekday_of(number: int) -> datetime.date:
    """Return the day of a number of `weekdays_to`: never a Saturday or Sunday."""
    weeks, place = divmod(number - 1, WEEKDAYS)
    return datetime.date.fromordinal(weeks * 7 + place + 1)
