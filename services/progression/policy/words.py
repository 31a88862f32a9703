"""The methods in plain words, for cards, reasons and what is missing."""

from collections.abc import Callable
from typing import Any

from services.progression.policy.members import Decision

_OWN_CUT: dict[str, Callable[[dict[str, Any]], str]] = {
    "streak": lambda p: f"{p['n']} correct in a row",
    "n_of_last": lambda p: (
        f"{p['n']} of the last {p['window']} pieces at {p['at_or_above']:g} or above"
        if p["window"] == "all" or p["n"] < p["window"]
        else f"the last {p['n']} pieces all at {p['at_or_above']:g} or above"
    ),
    "n_mastery": lambda p: f"{p['n']} pieces at {p['at_or_above']:g} or above",
    "mean_of_last": lambda p: f"an average of the last {p['k']} pieces at {p['at_or_above']:g} or above",
    "latest_at_or_above": lambda p: f"the latest piece at {p['cut']:g} or above",
}
"""Methods with a cut of their own."""

_SCORED: dict[str, str] = {
    "sda": "an average in which newer pieces weigh more",
    "wda": "the latest piece weighed against the average of the earlier ones",
    "n_mastery": "the average of all pieces, once enough are at the cut,",
    "mean_of_last": "an average of the last pieces",
    "latest_at_or_above": "the latest piece",
    "highest": "the best piece",
    "latest": "the latest piece",
    "mean": "the average of all pieces",
    "median": "the middle value of the pieces",
    "mode": "the most frequent value",
    "power_law": "the trend of the pieces",
    "bkt": "an estimated probability of knowing it",
    "cusum": "a sum of right over wrong answers",
    "beta_binomial": "an estimated probability of being above the cut",
    "irt_eap": "an estimated ability",
    "growth_filter": "an estimated level",
    "first_attempt": "the share of first attempts that are correct",
    "teacher": "the teacher's own judgement",
}
_OWN_BARS = {"bkt": 0.95, "beta_binomial": 0.8, "growth_filter": 0.8, "irt_eap": 0.8}
"""What a method passes at where the policy gives no bar."""


def rule_words(method: dict[str, Any], decision: Decision, cut: float) -> str:
    """Say what a method (as the file has it) asks for: "3 correct in a row"; a joined method follows after "and"."""
    kind = method["type"]
    bar = decision.at_least if decision.at_least is not None else decision.min_probability
    if kind in _OWN_CUT and (bar is None or (kind == "streak" and bar == 1)):
        said = _OWN_CUT[kind](method)
    else:
        least = bar if bar is not None else method.get("bar") or _OWN_BARS.get(kind, cut)
        said = f"{_SCORED.get(kind, 'a score by ' + kind)} at {least:g} or above"
    joined = method.get("and")
    return said if joined is None else f"{said}, and {rule_words(joined, Decision(), cut)}"
