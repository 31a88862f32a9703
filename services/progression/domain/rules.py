"""The rules in force: policies, frameworks and settings as a shard's activations put them into force, one after the other."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from services.progression.domain.curriculum import Framework, framework_of
from services.progression.domain.curriculum.crosswalks import Crosswalk, Links, links, plan
from services.progression.domain.levels import LevelTerms, deciding
from services.progression.domain.policy import Policy
from services.progression.domain.policy.requirements import Require
from services.progression.domain.policy.support import waits_of
from services.progression.domain.states import KeyState
from services.progression.domain.telling import Cause, Trigger
from shared.contracts.internal_events import Competency

Mode = Literal["grandfathered", "forward_only", "retroactive"]
"""
How a policy comes into force: for all but what is on the record, for what has no evidence yet, or for everything.

The last takes back what is on the record and not shown by it, in a batch that a second person approved.
"""


class Activation(NamedTuple):
    """A policy, framework or settings put into force at a journal position; `no` counts them in a tenant and shard."""

    no: int
    trigger: Trigger
    framework: str = ""
    """The framework it is for; empty is every framework."""
    policy: Policy | None = None
    graph: Framework | None = None
    time_zone: str = ""
    """Empty where no setting is activated."""
    breaks: str = ""
    mode: Mode = "grandfathered"


def cause_of(activated: Mapping[str, Any]) -> Cause:
    """Return as what an activation's data causes something: a policy, a framework or a setting."""
    return "policy" if activated.get("policy") else "framework" if activated.get("framework") else "setting"


def batch_of(activated: Mapping[str, Any]) -> str:
    """Return the recalculation that an activation's data is: the proposal's, or its own where it takes another's place."""
    return str(activated.get("batch") or activated.get("recalculation") or "")


class Closed(NamedTuple):
    """A term that was closed, at a position of the shard's journal."""

    term: str
    closed_at: str
    pos: int


class Pin(NamedTuple):
    """What a key is decided by: the policy's hash, and what the rule depends on besides."""

    policy: str = ""
    time_zone: str = ""
    dok: int = 0
    """The competency's own depth of knowledge, where the policy asks for it."""
    breaks: str = ""
    """Where the policy ages."""
    checks_in: bool = False
    """Whether any policy so far asks for re-checks by use: then it matters how each competency begins."""


def pin_in(state: KeyState) -> Pin:
    """Return what a key was decided by."""
    return Pin(state.policy, state.time_zone, state.dok, state.breaks, state.checks_in)


@dataclasses.dataclass(slots=True)
class Rules:
    """What is in force for a tenant in one shard, and how it came to be."""

    activations: list[Activation] = dataclasses.field(default_factory=list)
    frameworks: list[dict[str, Framework]] = dataclasses.field(default_factory=lambda: [{}])
    """The framework versions in force after each activation, by id; the last is now."""
    zones: list[str] = dataclasses.field(default_factory=lambda: [""])
    """The time zone after each activation, empty for UTC."""
    breaks: list[str] = dataclasses.field(default_factory=lambda: [""])
    checking_in: list[bool] = dataclasses.field(default_factory=lambda: [False])
    """Whether a policy activated up to then asks for re-checks by use."""
    swept: int = 0
    """All keys of the tenant have been refolded up to this activation."""
    closed: list[Closed] = dataclasses.field(default_factory=list)
    """The terms that are closed, in order; what is told for an input behind one may amend it."""
    _pins: dict[tuple[str, str, int], Pin] = dataclasses.field(default_factory=dict)
    _sources: dict[tuple[str, int], Activation | None] = dataclasses.field(default_factory=dict)
    _links: dict[int, Links] = dataclasses.field(default_factory=dict)
    _decided_by: dict[int, dict[str, list[str]]] = dataclasses.field(default_factory=dict)
    _asked_anew: dict[int, list[Framework]] = dataclasses.field(default_factory=dict)

    @property
    def no(self) -> int:
        """The number of the latest activation."""
        return len(self.activations)

    @property
    def zone(self) -> str:
        """The time zone now, UTC where none is set."""
        return self.zones[-1] or "UTC"

    def new_state(self, competency: str) -> KeyState:
        """Return the state of a key without evidence, pinned to what is in force."""
        policy, time_zone, dok, breaks, checks_in = self.pin_at(competency, self.no)
        return KeyState(policy=policy, time_zone=time_zone, dok=dok, breaks=breaks, checks_in=checks_in)

    def pin_at(self, competency: str, no: int) -> Pin:
        """Return what decides a competency after activation `no`."""
        return self._pin(self.policy_at(competency, no), competency, no)

    def pin_of(self, state: KeyState, competency: str, no: int) -> Pin:
        """
        Return what decides a key that has a state, after activation `no`.

        It keeps its policy where the activation puts no other into force for it, or one for what has no evidence yet.
        """
        source = self._source_at(competency, no)
        is_for_later = source is not None and source.mode == "forward_only"
        if source is self._source_at(competency, no - 1) or (is_for_later and (state.pieces or state.lost)):
            return self._pin(self._activated(state.policy), competency, no)
        return self.pin_at(competency, no)

    def decides_last(self, competency: str) -> bool:
        """Tell whether the policy of the last activation is the one in force for a competency."""
        return self._source_at(competency, self.no) is self.activations[-1]

    def is_retroactive(self, competency: str, activation: Activation) -> bool:
        """Tell whether an activation decides a competency anew that is on the record: for others it changes nothing there."""
        return activation.mode == "retroactive" and self._source_at(competency, activation.no) is activation

    def replaced_by(self, activation: Activation) -> Policy | Framework | None:
        """Return what a policy or framework version takes the place of: the one before it for the same framework."""
        if activation.graph is not None:
            return self.frameworks[activation.no - 1].get(activation.graph.id)
        before = reversed(self.activations[: activation.no - 1])
        policies = (each.policy for each in before if each.framework == activation.framework)
        return next((policy for policy in policies if policy is not None), None)

    def policy_at(self, competency: str, no: int) -> Policy | None:
        """Return the policy in force for a competency after activation `no`, None where there is none."""
        source = self._source_at(competency, no)
        return source.policy if source is not None else None

    def _source_at(self, competency: str, no: int) -> Activation | None:
        """
        Return the activation whose policy is in force for a competency after activation `no`.

        Of those that fit, the one whose selector says most; then one for its framework before one for all; then the latest.
        """
        if (competency, no) not in self._sources:
            self._sources[competency, no] = self._find_source(competency, no)
        return self._sources[competency, no]

    def _find_source(self, competency: str, no: int) -> Activation | None:
        framework, entry = framework_of(competency), self.entry_at(competency, no)
        found: Activation | None = None
        best = (-1, False)
        for activation in reversed(self.activations[:no]):
            policy = activation.policy
            if policy is None or activation.framework not in ("", framework):
                continue
            if policy.applies_to is not None and not policy.applies_to.fits(competency, entry):
                continue
            rank = (policy.applies_to.says if policy.applies_to is not None else 0, bool(activation.framework))
            if rank > best:
                found, best = activation, rank
        return found

    def levels_with(self, competency: str, no: int) -> Sequence[str]:
        """Return the levels of any framework that a competency may decide after activation `no`, in their order."""
        if no not in self._decided_by:
            found: dict[str, list[str]] = {}
            for framework in self.frameworks[no].values():
                for level, members in framework.levels.items():
                    for code in deciding(self.level_terms(members[0], no).require, framework.id, members):
                        found.setdefault(code, []).append(level)
            self._decided_by[no] = found
        return self._decided_by[no].get(competency, ())

    def level_terms(self, competency: str, no: int) -> LevelTerms:
        """Return the terms of the level of a competency, under the policy that was in force for it after activation `no`."""
        policy, breaks, zone = self.policy_at(competency, no), self.breaks[no], self.zones[no]
        if policy is None:
            return LevelTerms(breaks=breaks, time_zone=zone, no=no)
        advancement = policy.advancement
        require = advancement.require if advancement is not None else None
        role = advancement.sign_off.by if advancement is not None and advancement.sign_off is not None else ""
        return LevelTerms(require, role, policy.settle, breaks, zone, policy.support, policy, no)

    def asked_anew(self, activation: Activation) -> Sequence[Framework]:
        """
        Return the frameworks of which an activation's policy asks something else of a level, also of who has begun it, or
        may ask for support after other days of waiting.
        """
        if activation.policy is None or activation.mode == "forward_only":
            return ()
        no = activation.no
        if no not in self._asked_anew:
            lets_wait_otherwise = self._lets_wait_otherwise(activation)
            self._asked_anew[no] = [
                framework
                for framework in self.frameworks[no].values()
                if lets_wait_otherwise
                or any(
                    self._asks(members[0], no) != self._asks(members[0], no - 1)
                    for members in framework.levels.values()
                )
            ]
        return self._asked_anew[no]

    def _lets_wait_otherwise(self, activation: Activation) -> bool:
        """Tell whether an activation's policy asks for support after other days of waiting than some policy before it."""
        *before, own = [each.policy.support for each in self.activations[: activation.no] if each.policy is not None]
        return any(waits_of(support) != waits_of(own) for support in before or [None])

    def _asks(self, competency: str, no: int) -> tuple[Require | None, str, int]:
        return self.level_terms(competency, no)[:3]

    def links_at(self, no: int) -> Links:
        """Return what credits what after activation `no`: crosswalks in force, and codes renamed by any version up to it."""
        versions = [activation for activation in self.activations[:no] if activation.graph is not None]
        last = versions[-1].no if versions else 0
        if last not in self._links:
            renamed = [edge for version in versions for edge in self._renamed(version)]
            self._links[last] = links(list(self.frameworks[last].values()), renamed)
        return self._links[last]

    def _renamed(self, version: Activation) -> list[Crosswalk]:
        assert version.graph is not None
        before = self.frameworks[version.no - 1].get(version.graph.id)
        moved = plan(before, version.graph).moved if before is not None else ()
        return [edge for edge in moved if edge.type == "renamed"]

    def entry_at(self, competency: str, no: int) -> Competency | None:
        """Return what the framework says of a competency after activation `no`; None where it has none such."""
        framework = self.frameworks[no].get(framework_of(competency))
        return framework.by_id.get(competency) if framework is not None else None

    def closed_before(self, pos: int) -> list[Closed]:
        """Return the terms that were closed before a position of the journal."""
        return [term for term in self.closed if term.pos < pos] if self.closed else []

    def activate(self, activation: Activation) -> None:
        """Put an activation into force."""
        self.activations.append(activation)
        graph = activation.graph
        self.frameworks.append(self.frameworks[-1] | ({graph.id: graph} if graph is not None else {}))
        self.zones.append(activation.time_zone or self.zones[-1])
        self.breaks.append(activation.breaks if activation.time_zone else self.breaks[-1])
        policy = activation.policy
        self.checking_in.append(self.checking_in[-1] or (policy is not None and policy.upkeep.check_in_by_use))

    def try_out(self, policy: Policy, framework: str = "") -> None:
        """Put a policy into force behind all that is, to see what it would say: nothing is told of that."""
        self.activate(Activation(self.no + 1, Trigger("", 0, "", "policy"), framework, policy))

    def _activated(self, digest: str) -> Policy | None:
        """Return a policy that was activated, by its hash; None where there was none."""
        policies = (activation.policy for activation in reversed(self.activations))
        return next((policy for policy in policies if policy is not None and policy.hash == digest), None)

    def _pin(self, policy: Policy | None, competency: str, no: int) -> Pin:
        """Return what decides a competency under a policy, with what was set up to activation `no`."""
        digest = policy.hash if policy is not None else ""
        known = self._pins.get((digest, competency, no))
        if known is None:
            entry = self.entry_at(competency, no)
            dok = entry.dok if policy is not None and policy.asks_dok and entry is not None else None
            breaks = self.breaks[no] if policy is not None and policy.ages else ""
            zone = self.zones[no] if policy is not None and (policy.knows_days or policy.ages) else ""
            known = self._pins[digest, competency, no] = Pin(digest, zone, dok or 0, breaks, self.checking_in[no])
        return known
