"""What is the matter with a policy that can be read: gates that nobody reaches, latches that let luck through, lowered cuts."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

from services.progression.methods import Both
from services.progression.policy.language import Policy
from services.progression.policy.reading import read_policy
from services.progression.policy.requirements import Require
from services.progression.policy.rule import Rule, Track
from services.progression.probing import pieces_to_meet
from shared.errors import InvalidEvent

LUCK = ("highest", "latest", "latest_at_or_above")
"""Methods that one lucky piece decides: latched at the first crossing, 81 to 84 of 100 declared are not there (simulated)."""


class Problem(NamedTuple):
    """A problem of a policy: an `error` is refused, a `warning` is the district's to weigh."""

    severity: Literal["error", "warning"]
    pointer: str
    text: str


def check(text: bytes, predecessor: Policy | None = None) -> tuple[Policy | None, list[Problem]]:
    """Read a policy and lint it; None with the one problem where it cannot be read."""
    try:
        policy = read_policy(text)
    except InvalidEvent as refused:
        return None, [Problem("error", refused.pointer or "", str(refused))]
    return policy, lint(policy, predecessor)


def lint(policy: Policy, predecessor: Policy | None = None) -> list[Problem]:
    """Return the problems of a policy, errors first; `predecessor` is the version it takes the place of."""
    rule = policy.rule
    found = [problem for look in _LOOKS for problem in look(policy, rule)]
    if not any(problem.severity == "error" for problem in found):
        found += _unreachable(policy, rule)
    if predecessor is not None:
        found += _lowered(policy, predecessor)
    return sorted(found, key=lambda problem: problem.severity)


def _off_the_scale(policy: Policy, rule: Rule) -> Iterator[Problem]:
    """Yield thresholds that no value can be above or below."""
    low, high = (policy.scale.min, policy.scale.max) if policy.scale is not None else (0.0, 1.0)
    for track in rule.tracks:
        yield from _cuts_off(track.method.model_dump(by_alias=True), f"{track.pointer}/method", low, high)
    contradiction = policy.upkeep.on_contradiction
    if contradiction is not None and not low < contradiction.below <= high:
        text = f"{contradiction.below:g} lies off the scale {low:g} to {high:g}: no piece can contradict, or every piece does"
        yield Problem("error", "/upkeep/on_contradiction/below", text)
    scale = policy.scale
    if scale is not None and scale.step is not None:
        steps = (scale.mastery - scale.min) / scale.step
        if abs(steps - round(steps)) > 1e-6:
            yield Problem("warning", "/scale/mastery", f"the cut {scale.mastery:g} is no mark of the scale")


def _cuts_off(method: dict[str, Any], pointer: str, low: float, high: float) -> Iterator[Problem]:
    # irt_eap and beta_binomial have cuts of other quantities.
    names = ("at_or_above", "cut") if method["type"] == "latest_at_or_above" else ("at_or_above",)
    for name in names:
        cut = method.get(name)
        if cut is not None and not low < cut <= high:
            text = f"{cut:g} lies off the scale {low:g} to {high:g}: it is never met, or always"
            yield Problem("error", f"{pointer}/{name}", text)
    if isinstance(method.get("and"), dict):
        yield from _cuts_off(method["and"], f"{pointer}/and", low, high)


def _unreachable(policy: Policy, rule: Rule) -> Iterator[Problem]:
    """Yield gates that perfect work of every kind never opens; found by trying."""
    if rule.kinds is not None and all(weight == 0 for weight in rule.kinds.values()) and len(rule.kinds) == 6:
        yield Problem("error", "/evidence/kinds", "no kind of evidence counts")
        return
    for track in rule.tracks:
        for kind in track.kinds:
            if rule.kinds is not None and rule.kinds.get(kind) == 0:
                pointer = f"{track.pointer}/sufficiency/kinds_all"
                yield Problem("error", pointer, f"{kind} is asked for, and never counts (/evidence/kinds/{kind} is 0)")
    if rule.last and any(track.need.min_evidence > rule.last for track in rule.tracks):
        yield Problem("error", "/evidence/window/last", f"more pieces are asked for than the last {rule.last}")
        return
    for number, track in enumerate(rule.tracks):
        if not track.kinds and pieces_to_meet(rule, number) is None:
            yield Problem("error", track.pointer or "/method", "no evidence, however good, meets this")


def _weak(policy: Policy, rule: Rule) -> Iterator[Problem]:
    """Yield rules that let luck or too little through."""
    latched = policy.decision.latch == "first_crossing"
    first = 1 if rule.provisional else 0
    for track in rule.tracks[first:]:
        method = track.method.model_dump(by_alias=True)
        kind = method["type"]
        if latched and kind in LUCK and method.get("and") is None and not _signed(rule, track):
            text = f"{kind} latched at the first crossing records the luckiest piece; join another method or latch by confirm"
            yield Problem("warning", "/decision/latch", text)
        if kind == "power_law" and track.need.min_evidence < 3:
            text = "a trend through fewer than 3 pieces is no trend; ask for min_evidence 3"
            yield Problem("warning", f"{track.pointer}/sufficiency/min_evidence", text)
    if rule.kinds is not None and not any(_weighs(track) for track in rule.tracks):
        odd = [kind for kind, weight in rule.kinds.items() if weight not in (0, 1)]
        if odd:
            text = f"the methods count pieces, so the weight of {odd[0]} changes nothing but whether it counts"
            yield Problem("warning", f"/evidence/kinds/{odd[0]}", text)


def _weighs(track: Track) -> bool:
    method = track.method
    parts = (method.first, method.second) if isinstance(method, Both) else (method,)
    return any(part.weighs for part in parts)


def _signed(rule: Rule, track: Track) -> bool:
    return all(route.role for route in rule.routes if rule.tracks[route.track] is track)


def _level_rule(policy: Policy, rule: Rule) -> Iterator[Problem]:
    """Yield what in the level rule asks for what cannot be, or lets everything go."""
    if (
        policy.supersedes is not None
        and policy.supersedes.partition("@")[0] == policy.id
        and "@" not in policy.supersedes
    ):
        yield Problem("error", "/supersedes", "a policy cannot supersede itself; name the version: id@version")
    if policy.advancement is None:
        return
    require = policy.advancement.require
    for pointer, tier in _tiers(require):
        if tier == "provisional" and not rule.provisional:
            yield Problem("error", f"/advancement/require{pointer}", "the policy has no provisional path")
    for number, group in enumerate(require.electives):
        if set(group.of) <= set(require.all):
            text = "every one of these is required anyway: there is nothing to choose"
            yield Problem("warning", f"/advancement/require/electives/{number}/of", text)
    if require.power is None and not require.all:
        text = "a share alone lets any standard go; say power: mastered"
        yield Problem("warning", "/advancement/require", text)


def _tiers(require: Require) -> Iterable[tuple[str, str]]:
    if require.power is not None:
        yield "/power", require.power
    if require.supporting is not None:
        yield "/supporting/at", require.supporting.at
    for name in ("k_of", "electives"):
        for number, group in enumerate(getattr(require, name)):
            yield f"/{name}/{number}/at", group.at


def _lowered(policy: Policy, predecessor: Policy) -> Iterator[Problem]:
    """Yield cuts that lie lower than in the version before, unless the change is given a reason of its own."""
    if policy.rationale and policy.rationale != predecessor.rationale:
        return
    before, now = _cuts(predecessor), _cuts(policy)
    for pointer in before.keys() & now.keys():
        if now[pointer] < before[pointer]:
            text = f"lower than before ({before[pointer]:g} to {now[pointer]:g}) without a rationale for the change"
            yield Problem("error", pointer, text)


def _cuts(policy: Policy) -> dict[str, float]:
    """Return the numbers that make a policy harder the higher they are, by pointer; cuts as shares of the scale."""
    low, span = (policy.scale.min, policy.scale.max - policy.scale.min) if policy.scale is not None else (0.0, 1.0)
    found: dict[str, float] = {"/scale/mastery": (policy.rule.cut - low) / span}
    if policy.decision.at_least is not None:
        found["/decision/at_least"] = policy.decision.at_least
    for track in policy.rule.tracks:
        method = track.method.model_dump(by_alias=True)
        for name in ("n", "k", "at_or_above", "cut"):
            if isinstance(method.get(name), int | float):
                share = (method[name] - low) / span if name in ("at_or_above", "cut") else method[name]
                found[f"{track.pointer}/method/{name}"] = share
        for name in ("min_evidence", "min_activities", "min_occasions", "min_assessors", "min_items"):
            found[f"{track.pointer}/sufficiency/{name}"] = getattr(track.need, name)
    return found


_LOOKS: tuple[Callable[[Policy, Rule], Iterator[Problem]], ...] = (_off_the_scale, _weak, _level_rule)
