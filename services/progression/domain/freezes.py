"""Days on which a district adopts no policy, such as the week of report cards; written as breaks of the school calendar are."""

import datetime
from collections.abc import Mapping

from shared.errors import Refused
from shared.school_calendar import DAY, days_of, local_day


def frozen_until(settings: Mapping[str, str], instant: str) -> datetime.date | None:
    """Return the last day of the freeze that a tenant's local day lies in at an instant; None where it lies in none."""
    today = local_day(instant, settings["time_zone"])
    return next((last for first, last in days_of(settings["freezes"]) if first <= today <= last), None)


def refusal(last: datetime.date, otherwise: str) -> Refused:
    """Return the refusal of an adoption in a freeze with this last day; `otherwise` says how it is done all the same."""
    return Refused(
        f"no policy is adopted until {last} is over (change freeze): do it from {last + DAY} on, or {otherwise}"
    )
