"""A policy beside the live one: what it would say of every key, and only where that differs."""

from typing import NamedTuple

from services.progression.domain.analysis.comparison import Verdict


class Difference(NamedTuple):
    """Where a shadow policy and the live one disagree on a key; `since` is when that was first seen."""

    learner: str
    competency: str
    live: str
    shadow: str
    live_shown_at: str | None
    shadow_shown_at: str | None


def difference(learner: str, competency: str, live: Verdict, shadow: Verdict) -> Difference | None:
    """Return the difference of two verdicts, None where both say the same of status and date."""
    if (live.status, live.shown_at) == (shadow.status, shadow.shown_at):
        return None
    return Difference(learner, competency, live.status, shadow.status, live.shown_at, shadow.shown_at)
