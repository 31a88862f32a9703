"""What others see of a state."""

import msgspec

from services.progression.domain.curriculum import framework_of
from services.progression.domain.inputs import Key
from services.progression.domain.policy import Policy
from services.progression.domain.standing import rule_of, score_of, shown_at, status_of
from services.progression.domain.states import KeyState, latest
from services.progression.domain.wanting import explain, missing_of
from shared.contracts.internal_events import Hold, MasteryUpdated


def describe(key: Key, state: KeyState, policies: dict[str, Policy], time_zone: str = "UTC") -> MasteryUpdated:
    """Return a state as the event that tells it; the sentence that says why names days of `time_zone`."""
    policy = policies.get(state.policy)
    rule = rule_of(policy, state)
    status = status_of(state, rule)
    shown = shown_at(state, status)
    missing = missing_of(state, rule) if shown is None else ()
    return MasteryUpdated(
        key[1],
        key[2],
        framework_of(key[2]),
        status,
        score_of(state, rule),
        state.pieces,
        state.last[0] if state.last is not None else None,
        shown,
        policy.reference if policy is not None else None,
        missing,
        state.seq,
        explain(state, rule, status, missing, time_zone),
        state.basis,
        state.first_at or None,
        state.count,
        _hold(state) if status == "overridden" and shown is None else msgspec.UNSET,
    )


def _hold(state: KeyState) -> Hold | msgspec.UnsetType:
    override = latest(state.decided, "override")
    return Hold(override.by, override.at, override.until) if override is not None else msgspec.UNSET
