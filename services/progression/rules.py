"""The rules in force: policies and frameworks as a shard's activations put them into force, one after the other."""

import dataclasses
from typing import NamedTuple

from services.progression.curriculum import Framework, framework_of
from services.progression.telling import Trigger


class Activation(NamedTuple):
    """A policy or framework put into force at a journal position; `no` counts them within a tenant and shard."""

    no: int
    trigger: Trigger
    framework: str
    """The framework it is for; empty is every framework."""
    policy: str
    """Hash of the policy; empty where it is a framework version."""
    graph: Framework | None = None


@dataclasses.dataclass(slots=True)
class Rules:
    """What is in force for a tenant in one shard, and how it came to be."""

    activations: list[Activation] = dataclasses.field(default_factory=list)
    frameworks: list[dict[str, Framework]] = dataclasses.field(default_factory=lambda: [{}])
    """The framework versions in force after each activation, by id; the last is now."""
    swept: int = 0
    """All keys of the tenant have been refolded up to this activation."""

    @property
    def no(self) -> int:
        """The number of the latest activation."""
        return len(self.activations)

    def pin_for(self, competency: str) -> str:
        """Return the hash of the policy in force for a competency; empty where there is none."""
        return self.pin_at(framework_of(competency), self.no)

    def pin_at(self, framework: str, no: int) -> str:
        """Return the hash of the policy that was in force for a framework after activation `no`."""
        general = ""
        for activation in reversed(self.activations[:no]):
            if activation.policy and activation.framework == framework:
                return activation.policy
            if activation.policy and not activation.framework and not general:
                general = activation.policy
        return general

    def activate(self, activation: Activation) -> None:
        """Put an activation into force."""
        self.activations.append(activation)
        graph = activation.graph
        self.frameworks.append(self.frameworks[-1] | ({graph.id: graph} if graph is not None else {}))
