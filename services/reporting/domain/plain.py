"""What learners and families read: no probability or other estimate, no ranking, no word that judges."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ESTIMATES = frozenset(("bkt", "beta_binomial", "irt_eap", "growth_filter"))
"""Scores that are estimates of what nobody sees."""
_NEVER = re.compile(r"probabilit|estimat|percent|rank|fail|stuck|behind|cannot|weak", re.IGNORECASE)


def for_families(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return what can be said to a family of what is missing; the rest is the teacher's to explain."""
    return tuple(sentence for sentence in sentences if not _NEVER.search(sentence))


def facts_for_families(sentences: Iterable[str], facts: Sequence[Mapping[str, Any]] | None) -> tuple[str, ...]:
    """
    Return the same of sentences in any language, by the facts that each of them says.

    Where no facts come along, as from an older version, the sentences are English.
    """
    if facts is None:
        return for_families(sentences)
    return tuple(sentence for sentence, fact in zip(sentences, facts, strict=True) if not _is_estimate(fact))


def _is_estimate(fact: Mapping[str, Any]) -> bool:
    return fact.get("values", {}).get("score") in ESTIMATES or any(map(_is_estimate, fact.get("parts", ())))
