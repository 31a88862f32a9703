"""Re-checks asked of a learner: no more in a week than the policy has, the others wait their turn."""

from collections.abc import Iterator

import msgspec

from services.progression.domain.learner import LearnerState
from services.progression.domain.levels import Terms
from services.progression.domain.policy.members import Upkeep
from services.progression.domain.policy.rule import minutes_later
from services.progression.domain.telling import Told, Trigger, event_id
from services.progression.domain.transitions import Change

WEEK_MIN = 7 * 24 * 60
CHECK_DAYS = 20
"""School days within which a re-check is to be made, from the day on which it is asked."""
TYPE = "attain.competency.reverify_due.v1"


class Rechecks:
    """The re-checks of one learner while one input is folded; the methods yield what is to be told."""

    def __init__(self, standing: LearnerState, terms: Terms, tenant: str, learner: str, trigger: Trigger) -> None:
        self._standing = standing
        self._terms = terms
        self._tenant, self._learner, self._trigger = tenant, learner, trigger

    def tell(self, change: Change, told: Told) -> Iterator[Told]:
        """Yield a transition's event, unless it is a re-check that has to wait, or clears one that was never asked."""
        standing, competency = self._standing, change.competency
        was_waiting = standing.waiting.pop(competency, None) is not None
        if was_waiting and change.transition == "reverified":
            return
        standing.due.pop(competency, None)
        if change.transition == "reverify_due":
            upkeep = change.policy.upkeep if change.policy is not None else Upkeep()
            standing.due[competency] = upkeep.by_use
            if upkeep.max_per_week is not None and not self._may_ask(upkeep.max_per_week):
                standing.waiting[competency] = (upkeep.max_per_week, msgspec.json.encode(told.data))
                return
            told.data["due_by"] = self._due_by(competency)
        yield told

    def ask_what_waits(self) -> Iterator[Told]:
        """Yield the re-checks that have waited long enough, the first first."""
        for competency, (per_week, body) in list(self._standing.waiting.items()):
            if not self._may_ask(per_week):
                continue
            del self._standing.waiting[competency]
            data = msgspec.json.decode(body) | {
                "decided_at": self._trigger.time, "cause": {"kind": self._trigger.cause, "id": self._trigger.id},
                "due_by": self._due_by(competency),
            }  # fmt: skip
            pinned = data["policy"]["hash"] if data["policy"] else ""
            told_id = event_id(self._tenant, self._learner, TYPE, competency, pinned, self._trigger)
            yield Told(told_id, TYPE, self._tenant, self._learner, self._trigger.time, data)

    def _due_by(self, competency: str) -> str:
        return self._terms(competency).days_later(self._trigger.time, CHECK_DAYS)

    def _may_ask(self, per_week: int) -> bool:
        """Tell whether one more re-check may be asked, and note that it is."""
        standing, at = self._standing, self._trigger.time
        week_ago = minutes_later(at, -WEEK_MIN)
        # What a clock that ran ahead has dated into the future holds nobody up.
        standing.asked = tuple(asked for asked in standing.asked if week_ago < asked <= at)
        if len(standing.asked) >= per_week:
            return False
        standing.asked = (*standing.asked, at)
        return True


def next_asked_at(standing: LearnerState) -> str | None:
    """Return when the next re-check may be asked, None where none waits."""
    return minutes_later(standing.asked[0], WEEK_MIN) if standing.waiting and standing.asked else None
