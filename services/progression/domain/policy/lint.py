"""What is the matter with a policy that can be read: gates that nobody reaches, latches that let luck through, lowered cuts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, get_args

from services.progression.domain.curriculum import Framework
from services.progression.domain.methods import Both
from services.progression.domain.policy.language import Policy
from services.progression.domain.policy.reading import read_policy
from services.progression.domain.policy.requirements import Require
from services.progression.domain.policy.rule import Rule, Track
from services.progression.domain.probing import pieces_to_meet, pieces_tried
from shared.contracts.internal_events import Kind
from shared.errors import InvalidEvent

LUCK = ("highest", "latest", "latest_at_or_above")
"""Methods that one lucky piece decides: latched at the first crossing, 81 to 84 of 100 declared are not there (simulated)."""


SHARES = frozenset(("streak", "n_of_last", "bkt", "cusum", "beta_binomial", "irt_eap", "growth_filter"))
"""Methods whose score is a share or a probability, whatever the scale."""


class Problem(NamedTuple):
    """A problem of a policy: an `error` is refused, a `warning` is the district's to weigh."""

    severity: Literal["error", "warning"]
    pointer: str
    text: str


def check(
    text: bytes, predecessor: Policy | None = None, frameworks: Sequence[Framework] | None = None
) -> tuple[Policy | None, list[Problem]]:
    """Read a policy and lint it; None with the one problem where it cannot be read."""
    try:
        policy = read_policy(text)
    except InvalidEvent as refused:
        return None, [Problem("error", refused.pointer or "", str(refused))]
    return policy, lint(policy, predecessor, frameworks)


def lint(
    policy: Policy, predecessor: Policy | None = None, frameworks: Sequence[Framework] | None = None
) -> list[Problem]:
    """
    Return the problems of a policy, errors first.

    `predecessor` is the version it takes the place of; `frameworks` are those that it may name competencies of, None where
    they are not known.
    """
    rule = policy.rule
    found = [problem for look in _LOOKS for problem in look(policy, rule)]
    if not any(problem.severity == "error" for problem in found):
        found += _unreachable(rule)
    if predecessor is not None:
        found += _lowered(policy, predecessor)
    if frameworks is not None:
        found += _unknown(policy, frameworks)
    return sorted(found, key=lambda problem: problem.severity)


def _off_the_scale(policy: Policy, rule: Rule) -> Iterator[Problem]:
    """Yield thresholds that no value can be above or below."""
    low, high = rule.bottom, rule.top
    for track in rule.tracks:
        yield from _cuts_off(track.method.model_dump(by_alias=True), f"{track.pointer}/method", low, high)
    yield from _bar_off(policy, rule, low, high)
    contradiction = policy.upkeep.on_contradiction
    if contradiction is not None and not low < contradiction.below <= high:
        text = f"{contradiction.below:g} lies off the scale {low:g} to {high:g}: no piece can contradict, or every piece does"
        yield Problem("error", "/upkeep/on_contradiction/below", text)
    scale = policy.scale
    if scale is not None and scale.step is not None:
        steps = (scale.mastery - scale.min) / scale.step
        if abs(steps - round(steps)) > 1e-6:
            yield Problem("warning", "/scale/mastery", f"the cut {scale.mastery:g} is no mark of the scale")


def _bar_off(policy: Policy, rule: Rule, low: float, high: float) -> Iterator[Problem]:
    bar = policy.decision.at_least
    if bar is None:
        return
    method = rule.tracks[rule.scored].method
    kind = (method.first if isinstance(method, Both) else method).type
    low, high = (0.0, 1.0) if kind in SHARES else (low, high)
    # An unclipped trend runs beyond the scale.
    if not low < bar <= high and kind != "power_law":
        text = f"{bar:g} lies off {low:g} to {high:g}, where the score of {kind} lies: it is never met, or always"
        yield Problem("error", "/decision/at_least", text)


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


def _unreachable(rule: Rule) -> Iterator[Problem]:
    """Yield gates that perfect work of every kind never opens; found by trying."""
    if rule.kinds is not None and all(rule.kinds.get(kind) == 0 for kind in get_args(Kind)):
        yield Problem("error", "/evidence/kinds", "no kind of evidence counts")
        return
    for number, track in enumerate(rule.tracks):
        never = [kind for kind in track.kinds if rule.kinds is not None and rule.kinds.get(kind) == 0]
        gate = f"{track.pointer}/sufficiency"
        if never:
            text = f"{never[0]} is asked for, and never counts (/evidence/kinds/{never[0]} is 0)"
            yield Problem("error", f"{gate}/kinds_all", text)
        elif rule.last and track.need.min_evidence > rule.last:
            text = f"{track.need.min_evidence} pieces are asked for, and only the last {rule.last} are looked at"
            yield Problem("error", f"{gate}/min_evidence", text)
        elif pieces_to_meet(rule, number) is None:
            tried = pieces_tried(rule, number)
            text = f"no evidence, however good, meets this: {tried} pieces of perfect work do not"
            yield Problem("error", f"{track.pointer}/method", text)


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
        if kind == "power_law" and method["min_n"] < 3:
            yield Problem("warning", f"{track.pointer}/method/min_n", "a trend through fewer than 3 pieces is no trend")
        if kind == "bkt" and method["p_g"] + method["p_s"] >= 1:
            text = "with p_g + p_s of 1 or more a right answer speaks against knowing"
            yield Problem("error", f"{track.pointer}/method/p_g", text)
    if rule.kinds is not None and not any(_weighs(track) for track in rule.tracks):
        odd = [kind for kind, weight in rule.kinds.items() if weight not in (0, 1)]
        if odd:
            text = f"the methods count pieces, so the weight of {odd[0]} changes nothing but whether it counts"
            yield Problem("warning", f"/evidence/kinds/{odd[0]}", text)


def _weighs(track: Track) -> bool:
    return any(part.weighs for part in track.method.parts)


def _signed(rule: Rule, track: Track) -> bool:
    return all(route.role for route in rule.routes if rule.tracks[route.track] is track)


def _level_rule(policy: Policy, rule: Rule) -> Iterator[Problem]:
    """Yield what in the level rule asks for what cannot be, or lets everything go."""
    if policy.supersedes == policy.id:
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
    low, span = policy.rule.bottom, policy.rule.top - policy.rule.bottom
    found: dict[str, float] = {"/scale/mastery": (policy.rule.cut - low) / span}
    for name in ("at_least", "min_probability"):
        bar = getattr(policy.decision, name)
        if bar is not None:
            found[f"/decision/{name}"] = bar
    for track in policy.rule.tracks:
        method = track.method.model_dump(by_alias=True)
        for name in ("n", "k", "at_or_above", "cut"):
            if isinstance(method.get(name), int | float):
                share = (method[name] - low) / span if name in ("at_or_above", "cut") else method[name]
                found[f"{track.pointer}/method/{name}"] = share
        for name in ("min_evidence", "min_activities", "min_occasions", "min_assessors", "min_items"):
            found[f"{track.pointer}/sufficiency/{name}"] = getattr(track.need, name)
    return found


def _unknown(policy: Policy, frameworks: Sequence[Framework]) -> Iterator[Problem]:
    """
    Yield the competencies that a policy names and no framework has, and what asks for prerequisites that none has.

    A code without a framework may be of any.
    """
    known = {name for each in frameworks for full_id in each.by_id for name in (full_id, full_id.partition(":")[2])}
    for pointer, codes in _named(policy):
        yield from (
            Problem("error", f"{pointer}/{number}", f"no framework has {code}")
            for number, code in enumerate(codes)
            if code not in known
        )
    if policy.upkeep.check_in_by_use and not any(each.prerequisites for each in frameworks):
        text = "no framework says what builds on what: nothing is ever begun that could ask for a re-check"
        yield Problem("warning", "/upkeep/check_in_by_use", text)
    yield from _unsaid(policy, frameworks)
    chosen = policy.applies_to
    entries = (entry for each in frameworks for entry in each.by_id.items())
    if chosen is not None and not chosen.competencies and not any(chosen.fits(*entry) for entry in entries):
        yield Problem("error", "/applies_to", "no competency of any framework is one of these")


def _unsaid(policy: Policy, frameworks: Sequence[Framework]) -> Iterator[Problem]:
    """Yield that levels advance with nobody's signature, where the policy does not say so; see `LevelTerms`."""
    if policy.advancement is not None:
        return
    firsts = ((each.by_id[of[0]], of[0]) for each in frameworks for of in each.levels.values())
    levels = sum(policy.applies_to is None or policy.applies_to.fits(first, entry) for entry, first in firsts)
    if levels:
        text = (
            "no level rule is said, so a level advances by itself once all of its competencies are mastered, with nobody's"
            f" signature (levels: {levels}); say what completes one, and who signs it"
        )
        yield Problem("warning", "/advancement", text)


def _named(policy: Policy) -> Iterator[tuple[str, tuple[str, ...]]]:
    if policy.applies_to is not None:
        yield "/applies_to/competencies", policy.applies_to.competencies
    if policy.advancement is None:
        return
    require = policy.advancement.require
    at = "/advancement/require"
    yield from ((f"{at}/all", require.all), (f"{at}/any", require.any))
    for name in ("k_of", "electives"):
        yield from ((f"{at}/{name}/{number}/of", group.of) for number, group in enumerate(getattr(require, name)))


_LOOKS: tuple[Callable[[Policy, Rule], Iterator[Problem]], ...] = (_off_the_scale, _weak, _level_rule)
