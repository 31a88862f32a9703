"""
The review of individual plans: what happens to it of one learner while one input is folded.

A plan whose day of review has passed stays in force. It waits in the queue of whoever made it until another plan takes its
place or it is ended; that is told on the restricted topic alone.
"""

from collections.abc import Iterator

from services.progression.domain.curriculum import Framework, framework_of
from services.progression.domain.learner import LearnerState, Suggestion
from services.progression.domain.levels import Terms
from services.progression.domain.policy.phrases import phrases
from services.progression.domain.policy.support import Support
from services.progression.domain.telling import Teller, Told
from services.progression.domain.transitions import Change
from shared.shards import stable_id

PLAN_REVIEW = "plan_review"
"""What is needed, as events on support say it."""
NEVER = "9999-12-31T00:00:00.000000Z"
"""When it ends by itself."""
_DEFAULT = Support()


class PlanReviews:
    """One learner's plans that are to be looked at again; the methods yield what is to be told."""

    def __init__(
        self,
        standing: LearnerState,
        frameworks: dict[str, Framework],
        terms: Terms,
        teller: Teller,
    ) -> None:
        self._standing = standing
        self._frameworks = frameworks
        self._terms = terms
        self._teller = teller

    def review(self, change: Change) -> Iterator[Told]:
        """Yield that a plan is to be looked at, once its day has passed, and that this is over once it is another's turn."""
        before, after = change.before, change.after
        if (before.plan, before.plan_due) == (after.plan, after.plan_due):
            return
        framework = self._frameworks.get(framework_of(change.competency))
        open_ = self._standing.plan_reviews.pop(change.competency, None)
        if framework is None:
            return
        if open_ is not None:
            yield self._close(framework, change.competency, open_)
        if after.plan is not None and after.plan_due:
            yield self._ask(framework, change.competency, after.plan.by, after.plan.until or "")

    def _ask(self, framework: Framework, competency: str, owner: str, since: str) -> Told:
        terms, now = self._terms(competency), self._teller.trigger.time
        days = (terms.support or _DEFAULT).respond_days
        respond_by = terms.day_later(now, days)
        told = self._own(self._teller.tell(
            "support.suggested", framework, competency, phrases("en")(f"support.{PLAN_REVIEW}"), side="school",
            need=PLAN_REVIEW, owner=owner, respond_by=respond_by, waiting_since=since, weakest_prerequisite=None, tried=[],
        ))  # fmt: skip
        self._standing.plan_reviews[competency] = Suggestion(
            told.id, "school", PLAN_REVIEW, owner, now, respond_by, NEVER
        )
        return told

    def _close(self, framework: Framework, competency: str, open_: Suggestion) -> Told:
        days = self._terms(competency).days_between(open_.since, self._teller.trigger.time)
        return self._own(self._teller.tell(
            "support.closed", framework, competency, outcome="plan_changed", replaces=open_.id, days=days,
        ))  # fmt: skip

    def _own(self, told: Told) -> Told:
        """Return an event with an id of its own: of the same competency the same input may tell one on support as well."""
        return told._replace(id=stable_id(told.id, PLAN_REVIEW))
