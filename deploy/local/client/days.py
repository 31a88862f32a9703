"""The days of a tenant, which begin and end where its schools are."""

from collections.abc import Callable
from typing import TypeAlias

from deploy.local.client.asking import patiently, told
from deploy.local.options import Context
from shared.school_calendar import local_day

FORBIDDEN = 403
Day: TypeAlias = Callable[[str], str]
"""From an instant to its day, as YYYY-MM-DD."""


def day_in(time_zone: str) -> Day:
    """Return what tells the days of a time zone."""
    return lambda instant: str(local_day(instant, time_zone))


def local_days(context: Context) -> Day:
    """
    Return what tells the days of the tenant's time zone, as the pages do; days of UTC with a token that may not ask for it.

    Raises:
        StackError: progression is away for long.
    """
    with context.client("progression") as client:
        answer = patiently(client.get, "/v1/settings")
    return day_in("UTC" if answer.status_code == FORBIDDEN else told(answer).json()["time_zone"])
