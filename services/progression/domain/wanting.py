"""What a status still wants, what would pass a re-check, and in one sentence why it is what it is."""

import functools

from services.progression.domain.policy.facts import Fact, fact, said
from services.progression.domain.policy.rule import Rule, local_date
from services.progression.domain.standing import asked_by_use, holds, is_open, opened_at
from services.progression.domain.states import KeyState
from services.progression.domain.sufficiency import lacks
from shared.contracts.internal_events import Status

_A_POLICY = fact("lack.policy")
_EXPLAINED = {
    "overridden": "Set by hand, whatever the evidence says.",
    "credited": "Credited for what was shown elsewhere.",
    "presumed": "Presumed from the level the learner was placed in, until evidence speaks.",
}


def missing_of(state: KeyState, rule: Rule | None) -> tuple[str, ...]:
    """Name in English what is missing; see `wanted_of`."""
    return tuple(map(said, wanted_of(state, rule)))


def wanted_of(state: KeyState, rule: Rule | None) -> tuple[Fact, ...]:
    """Return what is missing: towards the provisional path where that is not met, else towards mastery."""
    if rule is None:
        return (_A_POLICY,)
    if rule.provisional and not is_open(state):
        return _wanting(state, rule, 0)
    ways = []
    for route in rule.routes:
        is_met = bool(state.met) and bool(state.met[route.track])
        wanting = () if is_met else _wanting(state, rule, route.track)
        ways.append((*wanting, signed_by(route.role)) if route.role else wanting)
    return ways[0] if len(ways) == 1 else (Fact("any_of", (), tuple(Fact("together", (), way) for way in ways)),)


@functools.lru_cache(maxsize=64)
def signed_by(role: str) -> Fact:
    """Return the sign-off of a role as something that is asked for."""
    return fact("sign_off", role=role)


def check_of(state: KeyState, rule: Rule | None, why: str) -> str:
    """Name in words the least evidence that passes a re-check which is due for a reason: contradiction, age or expiry."""
    if why == "expiry" or rule is None:
        return ", and ".join(missing_of(state, rule))
    if rule.follows and not any(holds(state, rule, route.track) for route in rule.routes):
        return ", and ".join(said(each) for each in _wanting(state, rule, rule.scored))
    by_use = rule.checked_by_use and asked_by_use(state) is not None
    asked = rule.below if why == "contradiction" and rule.below is not None and not by_use else rule.cut
    bar = f"{asked:g} or above" if rule.criteria.scale is not None else f"{asked:.0%} of full marks or above"
    return f"one newer piece of evidence at {bar}"


def explain(
    state: KeyState, rule: Rule | None, status: Status, missing: tuple[str, ...], time_zone: str = "UTC"
) -> str:
    """Say in one sentence why the status is what it is; `missing` is what `missing_of` names. Days are of `time_zone`."""
    if status == "no_evidence":
        return "No valid evidence is on record."
    if status == "insufficient_evidence":
        return f"Still needed: {', '.join(missing)}."
    if status in ("overridden", "credited", "presumed"):
        return _EXPLAINED[status]
    if status == "reverify_due" and state.crossed_at is None:
        return "A decision by hand has expired and asks for a re-check."
    assert rule is not None
    policy = rule.criteria.id
    if status == "not_yet":
        return f"{state.count} pieces of evidence; the rule of policy {policy} is not met yet."
    if status == "provisional":
        opened = opened_at(state)
        assert opened is not None
        return f"Provisional since {local_date(opened, time_zone)}; for mastery: {'; '.join(missing)}."
    assert state.crossed_at is not None
    shown = f"Shown on {local_date(state.crossed_at, time_zone)} by the rule of policy {policy}"
    return f"{shown}; newer evidence asks for a re-check." if status == "reverify_due" else f"{shown}."


def _wanting(state: KeyState, rule: Rule, number: int) -> tuple[Fact, ...]:
    """Return what a track that is not met wants: evidence, and once that suffices, that its rule be met."""
    track = rule.tracks[number]
    found = lacks(state, track)
    if found:
        return tuple([lack.fact for lack in found])
    return (track.asked,)
