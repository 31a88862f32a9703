"""A policy beside the live one: what it would say of every key, and only where that differs."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.progression.domain.analysis.comparison import Verdict
from services.progression.domain.curriculum.crosswalks import Links
from services.progression.domain.inputs import Key


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


def concerned(changed: Iterable[Key], links: Links, framework: str) -> set[Key]:
    """Return the keys of a framework (empty: of all) of which a change may change what is said: they, and what they credit."""
    keys = _with(changed, links.gives)
    return {key for key in keys if not framework or key[2].startswith(f"{framework}:")}


def with_origins(keys: Iterable[Key], links: Links) -> set[Key]:
    """Return the keys and those that credit them: what has to be known to say whether they are credited."""
    return _with(keys, links.receives)


def _with(keys: Iterable[Key], linked: Mapping[str, Iterable[str]]) -> set[Key]:
    return {(tenant, learner, each) for tenant, learner, code in keys for each in (code, *linked.get(code, ()))}
