"""
What amends a term that is closed: a change, told behind its closing, of what was on the record by its end.

A standing is on the record by an instant where it was shown or credited, or its level was complete, no later than that. Newer
evidence changes nothing of it, so it amends nothing; what was not on the record is work in progress, which carries over.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.progression.domain.curriculum import Framework, framework_of_level
from services.progression.domain.learner import LearnerState
from services.progression.domain.rules import Closed
from services.progression.domain.standing import Standing
from services.progression.domain.telling import Told, Trigger, common, competency_scope, event_id, level_scope
from services.progression.domain.transitions import Change, basis_of, policy_of
from shared.contracts.internal_events import Status
from shared.contracts.public_events import SNAPSHOT_AMENDED
from shared.contracts.snapshots import Ended, digest_after, digest_of

_NONE_ENDED = digest_of(())
_LEVELS = ("attain.level.advanced.v1", "attain.level.reinstated.v1", "attain.level.withdrawn.v1")
MOVED = {"code": "moved", "text": "Other evidence decides by now on which day it was shown."}
"""The reason of what no other event tells."""


class Amending:
    """Finds what one input amends of one learner's closed terms; `closed` are those that were closed before the input."""

    def __init__(
        self, tenant: str, learner: str, trigger: Trigger, standing: LearnerState, closed: list[Closed]
    ) -> None:
        self._tenant = tenant
        self._learner = learner
        self._trigger = trigger
        self._standing = standing
        self._closed = closed

    def competencies(
        self, changes: Sequence[Change], told: Sequence[Told], frameworks: dict[str, Framework]
    ) -> Iterator[Told]:
        """Yield what the transitions of competencies amend; `told` are the events that told them."""
        reasons = {event.data["scope"]["id"]: event.data["reason"] for event in told}
        first = {change.competency: change.before for change in reversed(changes)}
        for competency, last in {change.competency: change for change in changes}.items():
            for term in self._closed:
                was = on_record_by(first[competency], term.closed_at)
                now = on_record_by(last.after, term.closed_at)
                if was != now:
                    amended = Ended("competency", competency, *ended_by(last.after, term.closed_at))
                    before, _ = ended_by(first[competency], term.closed_at)
                    since = (amended.mark or last.after.satisfied_at) if now else None
                    yield self._tell(
                        term, amended, before, since,
                        scope=competency_scope(competency, frameworks), reason=reasons.get(competency, MOVED),
                        basis=basis_of(last), policy=policy_of(last),
                    )  # fmt: skip

    def levels(
        self, before: Mapping[str, str], told: Sequence[Told], frameworks: dict[str, Framework]
    ) -> Iterator[Told]:
        """
        Yield what amends terms of what became of levels; `before` are those that had advanced, with since when.

        What is under review is on the record all the while, until a person takes it back.
        """
        events = {event.data["scope"]["id"]: event.data for event in told if event.type in _LEVELS}
        now, standing = self._standing.complete(), self._standing
        for level in [level for level in {**before, **now} if before.get(level) != now.get(level)]:
            event = events.get(level) or {
                "scope": level_scope(level, frameworks[framework_of_level(level)]), "reason": MOVED, "before": ""
            }  # fmt: skip
            short = standing.short_of(level)
            not_by_then = "withdrawn" if event["before"] == "withdrawn" else short[0]
            for term in self._closed:
                was, is_now = (level in those and those[level] <= term.closed_at for those in (before, now))
                if was != is_now:
                    after = ("advanced", standing.advanced[level]) if is_now else short
                    yield self._tell(
                        term, Ended("level", level, *after), "advanced" if was else not_by_then,
                        now[level] if is_now else None, scope=event["scope"], reason=event["reason"],
                    )  # fmt: skip

    def _tell(self, term: Closed, amended: Ended, before: str, effective_at: str | None, **members: Any) -> Told:
        """Return an amendment, and put it into the digest of the term."""
        trigger, ended = self._trigger, self._standing.ended
        ended[term.term] = digest_after(ended.get(term.term, _NONE_ENDED), amended)
        data = common(self._learner, members.pop("scope"), trigger) | members | {
            "session": term.term, "digest": ended[term.term], "before": before, "after": amended.status,
            "mark": amended.mark, "effective_at": effective_at or trigger.time,
        }  # fmt: skip
        id = event_id(self._tenant, self._learner, SNAPSHOT_AMENDED, amended.scope, term.term, trigger)
        return Told(id, SNAPSHOT_AMENDED, self._tenant, self._learner, trigger.time, data)


def on_record_by(standing: Standing, instant: str) -> bool:
    """Tell whether what a standing says was shown or credited by an instant; what is presumed is neither."""
    since = standing.satisfied_at
    return since is not None and since <= instant and standing.status != "presumed"


def ended_by(standing: Standing, instant: str) -> tuple[Status, str]:
    """Return the status and mark (`Ended`) as of an instant: what was shown later was not by then, but may have counted."""
    shown, since = standing.shown_at or "", standing.satisfied_at or ""
    if max(shown, since) <= instant:
        return standing.status, shown
    if since > instant:
        return "not_yet", ""
    return ("overridden", since) if standing.status == "overridden" else ("credited", "")
