"""What learners and families read: no probability or other estimate, no ranking, no word that judges."""

import re
from collections.abc import Iterable

_NEVER = re.compile(r"probabilit|estimat|percent|rank|fail|stuck|behind|cannot|weak", re.IGNORECASE)


def for_families(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return what can be said to a family of what is missing; the rest is the teacher's to explain."""
    return tuple(sentence for sentence in sentences if not _NEVER.search(sentence))
