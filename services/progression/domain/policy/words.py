"""The methods in plain words, for cards, reasons and what is missing."""

from typing import Any

from services.progression.domain.policy.members import Decision
from services.progression.domain.policy.phrases import Language, Phrases, phrases

_OWN_CUT = ("streak", "n_of_last", "n_mastery", "mean_of_last", "latest_at_or_above")
"""Methods with a cut of their own."""
_OWN_BARS = {"bkt": 0.95, "beta_binomial": 0.8, "growth_filter": 0.8, "irt_eap": 0.8}
"""What a method passes at where the policy gives no bar."""


def rule_words(method: dict[str, Any], decision: Decision, cut: float, language: Language = "en") -> str:
    """Say what a method (as the file has it) asks for: "3 correct in a row"; a joined method follows after "and"."""
    say, kind = phrases(language), method["type"]
    bar = decision.at_least if decision.at_least is not None else decision.min_probability
    if kind in _OWN_CUT and (bar is None or (kind == "streak" and bar == 1)):
        said = _with_own_cut(say, kind, method)
    else:
        least = bar if bar is not None else method.get("bar") or _OWN_BARS.get(kind, cut)
        score = say(f"score.{kind}") if f"score.{kind}" in say.texts else say("score", method=kind)
        said = say("at_least", score=score, least=least)
    joined = method.get("and")
    return said if joined is None else say("joined", first=said, second=rule_words(joined, Decision(), cut, language))


def _with_own_cut(say: Phrases, kind: str, method: dict[str, Any]) -> str:
    whole = kind == "n_of_last" and method["window"] != "all" and method["n"] >= method["window"]
    return say(f"cut.{kind}{'.whole' if whole else ''}", **{k: v for k, v in method.items() if k != "and"})
