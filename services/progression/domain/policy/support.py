"""When an adult is asked for support: the member `support` of a policy."""

import datetime

from pydantic import Field, model_validator

from services.progression.domain.policy.members import Part, Role, fault


class ClassWork(Part):
    """At least `pieces` of class work, of which none of the last `below` is at the cut."""

    pieces: int = Field(ge=2, le=100)
    below: int = Field(ge=2, le=20)


class PracticeAlone(Part):
    """At least so many `items` of practice on so many `days`, no class work, and the bar not reached."""

    items: int = Field(ge=3, le=1000)
    days: int = Field(ge=1, le=60)


class Waits(Part):
    """
    School days that a learner may wait for adults: for a `sign_off` that nothing else can stand in for, for a
    `placement` on a level that is ready and not begun, and for a grade of handed-in work (`ungraded`). A rule that is adopted
    later asks about what waits already, from when it began to.
    """

    sign_off: int | None = Field(None, ge=1, le=60)
    placement: int | None = Field(None, ge=1, le=60)
    ungraded: int | None = Field(None, ge=1, le=60)


_NONE = Waits()


class Support(Part):
    """
    When an adult is asked for support: by a learner's work, and by waits for adults; no rule where a member is left out.

    `owner` is asked about work, and is to respond within `respond_days` school days. What is counted and what is open ends
    with the school year, whose last day is `year_ends` (MM-DD).
    """

    owner: Role = "teacher"
    respond_days: int = Field(5, ge=1, le=60)
    class_work: ClassWork | None = None
    practice: PracticeAlone | None = None
    waits: Waits = Waits()
    year_ends: str = Field("06-30", pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")

    def after_more(self, pieces: int) -> "Support":
        """Return the rule where so many more pieces come first, of class work or of practice."""
        more: dict[str, Part] = {}
        if self.class_work is not None:
            more["class_work"] = self.class_work.model_copy(update={"pieces": self.class_work.pieces + pieces})
        if self.practice is not None:
            more["practice"] = self.practice.model_copy(update={"items": self.practice.items + pieces})
        return self.model_copy(update=more)

    @model_validator(mode="after")
    def _day_of_every_year(self) -> "Support":
        try:
            datetime.date.fromisoformat(f"2001-{self.year_ends}")
        except ValueError:
            raise fault("/year_ends", f"{self.year_ends} is not a day of every year") from None
        return self


def waits_of(support: Support | None) -> Waits:
    """Return after how many days of each wait a rule asks; without a rule it does of none."""
    return support.waits if support is not None else _NONE
