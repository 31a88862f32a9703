"""The methods in plain words, for cards, reasons and what is missing."""

from typing import Any

from services.progression.domain.policy.facts import Fact, fact, values_of
from services.progression.domain.policy.members import Decision

_OWN_CUT = ("streak", "n_of_last", "n_mastery", "mean_of_last", "latest_at_or_above")
"""Methods with a cut of their own."""
_OWN_BARS = {"bkt": 0.95, "beta_binomial": 0.8, "growth_filter": 0.8, "irt_eap": 0.8, "cusum": 1.0}
"""What the score of a method passes at where the policy gives no bar."""
_OF_QUANTITY = {
    "beta_binomial": ("likely", "cut"), "growth_filter": ("likely", "cut"), "irt_eap": ("likely", "cut"),
    "cusum": ("share_at_least", "bar"),
}  # fmt: skip
"""Methods whose score says how likely a quantity is, or what share of it: in which words, and the parameter that has it."""


def rule_fact(method: dict[str, Any], decision: Decision, cut: float) -> Fact:
    """Return what a method (as the file has it) asks for as a fact: "3 correct in a row"; a joined method follows after "and"."""
    kind = method["type"]
    bar = decision.bar
    if kind in _OWN_CUT and (bar is None or (kind == "streak" and bar == 1)):
        asked = _with_own_cut(kind, method)
    else:
        least = bar if bar is not None else _OWN_BARS.get(kind, cut)
        code, *names = _OF_QUANTITY.get(kind, ("at_least",))
        asked = fact(code, score=kind, least=least, **{name: method[name] for name in names})
    joined = method.get("and")
    return asked if joined is None else fact("joined", asked, rule_fact(joined, Decision(), cut))


def _with_own_cut(kind: str, method: dict[str, Any]) -> Fact:
    whole = kind == "n_of_last" and method["window"] != "all" and method["n"] >= method["window"]
    return fact(f"cut.{kind}{'.whole' if whole else ''}", **values_of(method))
