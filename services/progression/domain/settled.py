"""Enough evidence: whether one more test, however it turns out, could change the verdict."""

from collections.abc import Collection, Iterable

import msgspec

from services.progression.domain.mastery import replay
from services.progression.domain.policy.rule import Rule
from services.progression.domain.probing import later, top_of
from services.progression.domain.standing import status_of
from services.progression.domain.states import Decided, KeyState, Piece
from shared.contracts import Score


def is_settled(rule: Rule, pieces: Collection[Piece], decisions: Iterable[Decided] = ()) -> bool:
    """Tell whether there is enough evidence: neither the best nor the worst next test would change the status."""
    held, ordered = tuple(decisions), sorted(pieces, key=lambda piece: piece.order)
    if not ordered:
        return False
    now = status_of(replay(KeyState(), ordered, rule, "", held), rule)
    return all(
        status_of(replay(KeyState(), [*ordered, _next(rule, ordered[-1], value)], rule, "", held), rule) == now
        for value in (rule.bottom, top_of(rule))
    )


def _next(rule: Rule, last: Piece, value: float) -> Piece:
    """Return a full test on another day, with all that a policy can ask of a piece."""
    kinds = [kind for track in rule.tracks for kind in track.kinds]
    return msgspec.structs.replace(
        last,
        order=(later(last.order[0], 24), 1, last.order[2], f"{last.order[3]}-next"),
        evidence_id=f"{last.evidence_id}-next",
        activity=f"{last.activity}-next",
        score=Score(level=value) if rule.policy.scale is not None else Score(raw=value, max=1.0),
        kind=kinds[0] if kinds else "summative",
        items=max(rule.min_items, 1),
        assisted=False,
        assessor=f"{last.assessor or ''}-next",
        judged=True,
    )
