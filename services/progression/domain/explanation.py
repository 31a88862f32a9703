"""
Why a status is what it is: every piece with what it counted for, every rule with whether it is met, what is missing, and
the smallest thing that would change it. Computed from the set of evidence, the decisions and the policy alone. What is to be
said are facts, which `policy.facts` says in any language.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from services.progression.domain.crossing import signature
from services.progression.domain.evidence_rules import Counted, composites, standing_composites, value_of, why_not
from services.progression.domain.known import Known
from services.progression.domain.minimal_change import MinimalChange, change_in_words, minimal_change
from services.progression.domain.policy.facts import Fact, as_data, beside, fact, said
from services.progression.domain.policy.phrases import Language
from services.progression.domain.policy.rule import Rule, Track, local_date
from services.progression.domain.settled import is_settled
from services.progression.domain.standing import CONTESTED_BY, asked_by_use, due_at, score_of
from services.progression.domain.states import Decided, KeyState, Piece, latest
from services.progression.domain.sufficiency import enough, lacks
from services.progression.domain.wanting import signed_by, wanted_of
from shared.contracts.internal_events import Status


class Weighed(msgspec.Struct, frozen=True):
    """A piece of evidence and what it counted for; `value` is on the policy's scale."""

    evidence_id: str
    occurred_at: str
    value: float | None
    weight: float
    counted: bool
    why_not: Fact | None


class Checked(msgspec.Struct, frozen=True):
    """One rule of the policy (`rule` points to it): what it asks, what was found, and whether it is met."""

    rule: str
    asks: Fact
    found: Fact
    met: bool


class Explanation(msgspec.Struct, frozen=True):
    """Why a status is what it is; `enough` says that one more test, however it turns out, does not change it."""

    status: Status
    score: float | None
    evidence: tuple[Weighed, ...]
    trace: tuple[Checked, ...]
    missing: tuple[Fact, ...]
    minimal_change: MinimalChange
    enough: Fact | None


def explain_key(
    pieces: Iterable[Piece],
    rule: Rule | None,
    decisions: Iterable[Decided] = (),
    *,
    at: str | None = None,
    void: Iterable[Piece] = (),
    time_zone: str = "UTC",
) -> Explanation:
    """
    Explain the status that valid pieces and decisions (in the journal's order) give; `at` is the instant it is asked for.

    `void` are pieces that are retracted or superseded: they are shown, and count for nothing. Days are told in `time_zone`.
    """
    known = Known(pieces, rule, decisions, at)
    state, status = known.state, known.status
    on_record = status in ("mastered", "reverify_due", "credited", "overridden")
    return Explanation(
        status=status,
        score=score_of(state, rule),
        evidence=_weighed(known.pieces, tuple(void), rule),
        trace=_trace(state, rule, at, time_zone) if rule is not None else (),
        missing=() if on_record else wanted_of(state, rule),
        minimal_change=minimal_change(known, time_zone),
        enough=_enough(known),
    )


def in_words(explanation: Explanation, language: Language) -> dict[str, Any]:
    """Return an explanation as plain data in which every fact `x` is said in a language, with itself beside as `x_fact`."""
    evidence = [
        msgspec.structs.asdict(each) | beside("why_not", each.why_not, language) for each in explanation.evidence
    ]
    trace = [
        msgspec.structs.asdict(each) | beside("asks", each.asks, language) | beside("found", each.found, language)
        for each in explanation.trace
    ]
    return {
        "status": explanation.status, "score": explanation.score, "evidence": evidence, "trace": trace,
        "missing": [said(each, language) for each in explanation.missing],
        "missing_facts": [as_data(each) for each in explanation.missing],
        "minimal_change": change_in_words(explanation.minimal_change, language),
        **beside("enough", explanation.enough, language),
    }  # fmt: skip


def _weighed(ordered: list[Piece], void: tuple[Piece, ...], rule: Rule | None) -> tuple[Weighed, ...]:
    """Return every piece in canonical order with what it counts for at the end."""
    standing = standing_composites(rule, composites(rule, ordered)) if rule is not None else []
    stands = {part.evidence_id for unit in standing for part in unit.parts}
    gone = {piece.evidence_id for piece in void}
    found = []
    for piece in sorted((*ordered, *void), key=lambda each: each.order):
        value = value_of(rule, piece) if rule is not None else None
        reason: Fact | None
        if piece.evidence_id in gone:
            reason = fact("piece.void")
        elif rule is None:
            reason = fact("piece.no_policy")
        elif value is None:
            reason = why_not(rule, piece)
        else:
            reason = None if piece.evidence_id in stands else _why_replaced(rule, piece, standing)
        counts = reason is None and value is not None
        found.append(
            Weighed(
                evidence_id=piece.evidence_id,
                occurred_at=piece.order[0],
                value=value.value if value is not None else None,
                weight=value.weight if counts and value is not None else 0.0,
                counted=counts,
                why_not=reason,
            )
        )
    return tuple(found)


def _why_replaced(rule: Rule, piece: Piece, standing: list[Counted]) -> Fact:
    again = any((u.piece.order[2], u.piece.activity) == (piece.order[2], piece.activity) for u in standing)
    if not again or rule.reassess == "append":
        return fact("piece.not_among_last", n=rule.last)
    return fact("piece.better" if rule.reassess == "replace_best" else "piece.replaced")


def _trace(state: KeyState, rule: Rule, at: str | None, time_zone: str) -> tuple[Checked, ...]:
    """Return every rule that the decision went through, in the order in which they decide."""
    found = [check for number in range(len(rule.tracks)) for check in _track_trace(state, rule, number, time_zone)]
    for route in rule.routes:
        if route.role:
            met_at = state.met[route.track] if state.met else ""
            signed = signature(state, route.role, met_at)
            given = fact("none") if signed is None else fact("given", day=local_date(signed.at, time_zone))
            found.append(Checked(f"{route.pointer}/sign_off", signed_by(route.role), given, signed is not None))
    crossed = state.crossed_at
    since = fact("not_met") if crossed is None else fact("met", day=local_date(crossed, time_zone))
    asks = fact("crossing", latch=rule.criteria.decision.latch)
    found.append(Checked("/decision/latch", asks, since, crossed is not None))
    if crossed is not None and rule.below is not None:
        asks = fact("fewer_below", n=rule.below_last, below=rule.below)
        met = state.run_below < rule.below_last
        found.append(Checked("/upkeep/on_contradiction", asks, fact("in_a_row", n=state.run_below), met))
    if crossed is not None and rule.checked_by_use:
        ask = asked_by_use(state)
        low = fact("none") if ask is None else fact("low_start", begun=ask.by, day=local_date(ask.at, time_zone))
        found.append(Checked("/upkeep/check_in_by_use", fact("no_low_start"), low, ask is None))
    due = due_at(state, rule)
    if due is not None:
        fresh = at is None or at < due
        asks = fact("check_every", n=rule.reverify_days or 0)
        found.append(Checked("/upkeep/reverify_after_days", asks, fact("due", day=local_date(due, time_zone)), fresh))
    return (*found, *_decided_trace(state, time_zone))


def _decided_trace(state: KeyState, time_zone: str) -> list[Checked]:
    """Return what people decided and stands."""
    found = []
    override = latest(state.decided, "override")
    if override is not None:
        set_ = fact("disagree", n=state.doubts, status=override.status or "", day=local_date(override.at, time_zone))
        asks = fact("fewer_disagree", n=CONTESTED_BY)
        found.append(Checked("/override", asks, set_, state.doubts < CONTESTED_BY))
    credit = latest(state.decided, "credit")
    if credit is not None:
        given = fact("credited", day=local_date(credit.at, time_zone), basis=credit.basis or "elsewhere")
        found.append(Checked("/credit", fact("credit"), given, met=True))
    return found


def _track_trace(state: KeyState, rule: Rule, number: int, time_zone: str) -> list[Checked]:
    track = rule.tracks[number]
    pieces = state.count - state.halves / 2
    counts: list[tuple[str, float, float]] = [("min_evidence", track.halves / 2, pieces)]
    if track.activities > 1:
        counts.append(("min_activities", track.activities, len(state.activities)))
    if track.occasions > 1:
        counts.append(("min_occasions", track.occasions, state.occasions))
    found = [
        Checked(
            f"{track.pointer}/sufficiency/{name}", fact(f"need.{name}", n=need), fact("number", n=have), have >= need
        )
        for name, need, have in counts
    ]
    further = ("min_assessors", "min_items", "kinds_all", "dok")
    found += [
        Checked(
            f"{track.pointer}/sufficiency/{lack.code}", lack.fact, fact("so_many_of", have=lack.have, need=lack.need),
            met=False,
        )
        for lack in lacks(state, track)
        if lack.code in further
    ]  # fmt: skip
    found.append(_method_trace(state, track, number, time_zone))
    return found


def _method_trace(state: KeyState, track: Track, number: int, time_zone: str) -> Checked:
    if not state.methods:
        return Checked(f"{track.pointer}/method", track.asked, fact("nothing_counted"), met=False)
    own = state.methods[number]
    met = track.passes(own)
    parts = [fact("scored", result=track.score(own))]
    if not enough(state, track):
        parts.append(fact("too_little"))
    if state.met and state.met[number]:
        parts.append(fact("first_met", day=local_date(state.met[number], time_zone)))
    return Checked(f"{track.pointer}/method", track.asked, fact("listed", *parts), met)


def _enough(known: Known) -> Fact | None:
    """Return that there is enough evidence, as a fact; None where one more test could change the status."""
    if not is_settled(known):
        return None
    return fact("enough.shown" if known.status == "mastered" else "enough.open")
