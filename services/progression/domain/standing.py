"""
The standing of one competency: its status, and what happened to it.

Newer evidence never takes mastery off the record, it makes it due for a re-check. Time enters as an argument only.
Precedence: an override, what was shown, credit, a path towards it, what is presumed, and last what is still missing.
"""

from typing import Literal, NamedTuple, TypeAlias

from services.progression.domain.policy import Policy
from services.progression.domain.policy.rule import Rule
from services.progression.domain.states import Decided, KeyState, Tally, latest, low_start
from services.progression.domain.sufficiency import enough
from services.progression.domain.work import WorkCause, cause_of
from shared.contracts.internal_events import Status
from shared.school_calendar import school_days_later

Transition = Literal[
    "provisional", "mastered", "credited", "reinstated", "withdrawn", "reverify_due", "reverified", "override_contested",
    "moved",
]  # fmt: skip
ON_RECORD: tuple[Status, ...] = ("mastered", "reverify_due")
"""Statuses in which mastery is on the record and satisfies prerequisites."""
UnshownPart: TypeAlias = tuple[int, int, int, tuple[str, ...], int, Tally | None, tuple[str, ...]]
CONTESTED_BY = 2
"""Newer pieces in a row that disagree with an override before its author is asked."""


def rule_of(policy: Policy | None, state: KeyState) -> Rule | None:
    """Return the compiled policy that decides a state, with what is pinned besides."""
    if policy is None:
        return None
    if not state.time_zone and not state.dok and not state.breaks and not state.extended:
        return policy.rule
    return policy.rule_in(state.time_zone or "UTC", state.dok or None, state.breaks, state.extended)


class Standing(NamedTuple):
    """
    What is told of and built upon: when mastery was shown, None where it is not on the record; since when prerequisites and
    level rules are satisfied (by credit and placement too, or by hand before it was shown); whether newer evidence disagrees
    with an override; the role whose sign-off alone is missing; why the work asks for support, if it does; when the first pieces
    occurred, if all were low; and the plan in force, with whether its day of review has passed.
    """

    status: Status
    shown_at: str | None
    satisfied_at: str | None
    contested: bool = False
    awaits: str = ""
    needs: WorkCause = ""
    low_start: tuple[str, ...] = ()
    plan: Decided | None = None
    plan_due: bool = False

    @property
    def effective_at(self) -> str | None:
        """When it was shown; of what was not, since when it is credited or presumed."""
        return self.shown_at or self.satisfied_at


def standing_of(state: KeyState, rule: Rule | None) -> Standing:
    """Return the standing that a state has under its pinned policy, aged to its last tick."""
    status = status_of(state, rule)
    awaits = awaited_role(state.met, rule) if status == "provisional" else ""
    needs, start = needs_of(state, rule), low_start(state.began)
    if not state.decided:
        shown = state.crossed_at if status in ON_RECORD else None
        return Standing(status, shown, shown, awaits=awaits, needs=needs, low_start=start)
    shown = shown_at(state, status)
    satisfied = satisfied_at(state, status, shown)
    plan = latest(state.decided, "plan")
    plan_due = plan is not None and is_over(plan, state.clock or None)
    return Standing(status, shown, satisfied, is_contested(state), awaits, needs, start, plan, plan_due)


def satisfied_at(state: KeyState, status: Status, shown: str | None) -> str | None:
    """Return since when a status satisfies what builds on it: what is shown may have been credited, or set by hand, before."""
    kinds = {"credited": ["credit"], "presumed": ["presume"]}.get(status, ["credit", "override"] if shown else [])
    since = [
        d.since or d.at for d in state.decided if d.kind in kinds and (d.kind != "override" or d.status == "mastered")
    ]
    return min([*since, *([shown] if shown else [])], default=None)


def needs_of(state: KeyState, rule: Rule | None) -> WorkCause:
    """Return why the work asks for support under the policy; empty where it does not."""
    return cause_of(state, rule) if rule is not None and rule.support is not None else ""


def shown_at(state: KeyState, status: Status) -> str | None:
    """Return when the mastery on the record was shown, or set by hand; None where none is on the record."""
    override = latest(state.decided, "override") if state.decided else None
    by_hand = override is not None and override.status == "mastered"
    if status in ON_RECORD or (status == "overridden" and by_hand):
        return state.crossed_at or (override.at if override is not None else None)
    return None


def status_of(state: KeyState, rule: Rule | None, at: str | None = None) -> Status:
    """Return the status under a pinned policy; `at` is the instant it is asked for, else the key's last tick."""
    at = at or state.clock or None
    override = latest(state.decided, "override") if state.decided else None
    if override is not None:
        if not is_over(override, at):
            return "overridden"
        if override.status == "mastered" and state.crossed_at is None:
            return "reverify_due"
    if state.crossed_at is not None:
        assert rule is not None
        return "reverify_due" if is_due(state, rule, at) else "mastered"
    if state.decided and latest(state.decided, "credit") is not None:
        return "credited"
    if state.decided and not is_open(state) and not state.low and latest(state.decided, "presume") is not None:
        return "presumed"
    return status_unshown(state.pieces, is_sufficient(state, rule), is_open(state))


def status_unshown(pieces: int, sufficient: bool, is_open: bool) -> Status:
    """Return the status of what is not on the record; `is_open` where a path is met that waits for confirmation."""
    if is_open:
        return "provisional"
    if pieces == 0:
        return "no_evidence"
    return "not_yet" if sufficient else "insufficient_evidence"


def unshown_part(state: KeyState) -> UnshownPart:
    """Return what the status of something not on the record follows from, as it is now; for `status_was`."""
    return state.pieces, state.count, state.halves, state.activities, state.occasions, state.tally, state.met


def status_was(part: UnshownPart, rule: Rule | None) -> Status:
    """Return the status that followed from what `unshown_part` had kept."""
    pieces, count, halves, activities, occasions, tally, met = part
    state = KeyState(count=count, halves=halves, activities=activities, occasions=occasions, tally=tally, met=met)
    return status_unshown(pieces, is_sufficient(state, rule), is_open(state))


def is_open(state: KeyState) -> bool:
    """Tell whether the provisional path was met, or a path that only a sign-off is missing from."""
    return any(state.met)


def awaited_role(met: tuple[str, ...], rule: Rule | None) -> str:
    """Return the role whose sign-off alone is missing from a path; empty where there is none. `met` is that of the state."""
    if rule is None or not met:
        return ""
    return next((route.role for route in rule.routes if route.role and met[route.track]), "")


def may_confirm(state: KeyState, rule: Rule | None, role: str) -> bool:
    """Tell whether a sign-off by a role is what a path lacks that is met; not of what is on the record or set by hand."""
    if rule is None or not state.met or status_of(state, rule) != "provisional":
        return False
    return any(route.role == role and state.met[route.track] for route in rule.routes)


def opened_at(state: KeyState) -> str | None:
    """Return when the first path was met."""
    return min((at for at in state.met if at), default=None)


def is_over(decision: Decided, at: str | None) -> bool:
    """Tell whether a decision has expired at an instant."""
    return decision.until is not None and at is not None and at >= decision.until


def is_contested(state: KeyState) -> bool:
    """Tell whether newer evidence disagrees with the override in force."""
    return state.doubts >= CONTESTED_BY


def is_due(state: KeyState, rule: Rule, at: str | None = None) -> bool:
    """Tell whether what is on the record is due for a re-check: by its value, newer evidence, use, or age at an instant."""
    if rule.follows and not any(holds(state, rule, route.track) for route in rule.routes):
        return True
    if rule.below is not None and state.run_below >= rule.below_last:
        return True
    if rule.checked_by_use and asked_by_use(state) is not None:
        return True
    at = at or state.clock
    due = due_at(state, rule) if at else None
    return due is not None and at >= due


def holds(state: KeyState, rule: Rule, number: int) -> bool:
    """Tell whether a track is met as the evidence stands now."""
    track = rule.tracks[number]
    return enough(state, track) and track.passes(state.methods[number])


def asked_by_use(state: KeyState) -> Decided | None:
    """
    Return what asks for a re-check by use: low first pieces on what builds on it, begun after the crossing.

    None where nothing does, or a piece at the cut that is newer has answered.
    """
    crossed = state.crossed_at or ""
    answered = max(crossed, state.fresh_at)
    asks = (decision for decision in state.decided if decision.kind == "ask")
    return next((ask for ask in asks if ask.since > crossed and ask.at >= answered), None)


def deadline_of(state: KeyState, rule: Rule | None) -> str | None:
    """Return the next instant at which time alone changes the status; None where none is known."""
    ending = [decision.until for decision in state.decided if decision.kind in ("override", "plan")]
    coming = (due_at(state, rule) if rule is not None else None, *ending)
    return min((at for at in coming if at is not None and at > state.clock), default=None)


def due_at(state: KeyState, rule: Rule) -> str | None:
    """Return when what is on the record falls due by age in school days; None where it never does."""
    if not rule.reverify_days or state.crossed_at is None:
        return None
    check = latest(state.decided, "check")
    fresh = max(state.fresh_at or state.crossed_at, check.at if check is not None else "")
    return school_days_later(fresh, rule.reverify_days, rule.breaks, rule.time_zone)


def is_sufficient(state: KeyState, rule: Rule | None) -> bool:
    """Tell whether enough was seen for any path's score to decide; `wanting.missing_of` names what is not."""
    return rule is not None and any(enough(state, track) for track in rule.tracks)


def score_of(state: KeyState, rule: Rule | None) -> float | None:
    """Return the running score of the first path to mastery, None before the first counted piece."""
    if rule is None or not state.count:
        return None
    return rule.tracks[rule.scored].score(state.methods[rule.scored])


def lost_dates(state: KeyState) -> tuple[str, ...]:
    """Return the dates under which what was taken off the record, and is not back, had stood there: any again is reinstated."""
    return (*state.former, state.lost_crossing) if state.lost_crossing else ()


def _is_back(state: KeyState, *, undone: bool) -> bool:
    """Tell whether what is shown was lost: a date that it had is there again, or evidence that was taken back counts again."""
    dates = lost_dates(state)
    return state.crossed_at in dates or (undone and bool(dates) and state.crossed_at is not None)


def transitions(before: Standing, after: Standing, state: KeyState, *, undone: bool) -> list[Transition]:
    """
    Return what happened to the standing, in the order to be told; `undone` where evidence that was taken back counts again.

    Only a change of what lies under the crossing, or a person, takes mastery off the record. What undoes that reinstates it;
    another crossing is shown anew. Credit is reinstated where it is there since the same instant. The provisional
    path is told once. `moved` changes when something was shown or satisfied, who is to sign it off, whether the work asks for
    support, how it began, or a plan: not told by itself.
    """
    found: list[Transition] = []
    was, now = before.shown_at is not None, after.shown_at is not None
    if (was and not now) or (before.status == "credited" and not now and after.status != "credited"):
        found.append("withdrawn")
    elif now and not was:
        found.append("reinstated" if _is_back(state, undone=undone) else "mastered")
        if after.status == "reverify_due":
            found.append("reverify_due")
    elif now and before.status != after.status and "reverify_due" in (before.status, after.status):
        found.append("reverify_due" if after.status == "reverify_due" else "reverified")
    if after.status == "credited" and before.status != "credited":
        found.append("reinstated" if state.lost_credit[:1] == (after.satisfied_at,) else "credited")
    if after.status == "provisional" and not state.opened:
        found.append("provisional")
    if after.contested and not before.contested:
        found.append("override_contested")
    moved = before[1:3] != after[1:3] or before[4:] != after[4:]
    return found or (["moved"] if moved else [])
