"""
The policy language: what counts as mastery, in a file that people can read.

What is left out means no such rule. Parts of the language that this version cannot decide are refused by name, never ignored.
A version of a policy is the SHA-256 of its content in canonical form; every decision pins the version it used.
"""

import functools
import hashlib
from typing import Any, Literal

import msgspec
from pydantic import Field

from services.progression.domain.policy.criteria import Criteria
from services.progression.domain.policy.members import Selector
from services.progression.domain.policy.requirements import Advancement
from services.progression.domain.policy.rule import Rule
from shared.contracts.internal_events import PolicyRef


class Policy(Criteria):
    """
    One policy: how evidence becomes a value, and the value a standing.

    It has either one `method` with its `sufficiency`, or `mastered` with paths; `provisional` goes with both.
    """

    gating: Literal["advisory"] = "advisory"
    settle: int = Field(0, ge=0, le=14 * 24 * 60, description="minutes that level events wait for an undo")
    applies_to: Selector | None = None
    advancement: Advancement | None = None
    rationale: str = Field("", max_length=4000)
    supersedes: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,100}(@[0-9a-f]{12,64})?$")

    @property
    def content(self) -> dict[str, Any]:
        """The policy in canonical form: what differs from the defaults, as JSON has it."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @functools.cached_property
    def hash(self) -> str:
        """The SHA-256 of the policy's content in canonical form, hex."""
        return hashlib.sha256(msgspec.json.encode(self.content, order="sorted")).hexdigest()

    @property
    def version(self) -> str:
        """The short form of the hash that people see."""
        return self.hash[:12]

    @functools.cached_property
    def asks_dok(self) -> bool:
        """Whether a depth is asked for that is the competency's own."""
        return any(depth.level is None for path in self.paths for depth in path.sufficiency.depths)

    @functools.cached_property
    def knows_days(self) -> bool:
        """Whether it matters where a school day begins."""
        occasions = any(path.sufficiency.min_occasions > 1 for path in self.paths)
        return self.evidence.collapse != "none" or self.support is not None or occasions

    @property
    def ages(self) -> bool:
        """Whether it matters when there is school: time alone makes what is on the record due for a re-check."""
        return self.upkeep.reverify_after_days is not None

    @functools.cached_property
    def reference(self) -> PolicyRef:
        """How states name the policy."""
        return PolicyRef(self.id, self.version)

    @property
    def named(self) -> dict[str, str]:
        """How public events name the policy."""
        return {"id": self.id, "version": self.version, "hash": self.hash}

    @functools.cached_property
    def rule(self) -> Rule:
        """The policy compiled for a tenant in UTC and a competency without a depth of its own."""
        return self.rule_in()

    def rule_in(
        self, time_zone: str = "UTC", dok: int | None = None, breaks: str = "", extended: tuple[int, ...] = ()
    ) -> Rule:
        """
        Return the policy compiled for a tenant's time zone (IANA name) and breaks, a competency's depth of knowledge, and the
        pieces and days that a plan gives.

        Raises:
            ValueError: there is no such time zone.
        """
        place = (time_zone, dok, breaks, extended)
        if place not in self._rules:
            self._rules[place] = Rule(self.extended(*extended) if extended else self, time_zone, dok, breaks)
        return self._rules[place]

    @functools.cached_property
    def _rules(self) -> dict[tuple[str, int | None, str, tuple[int, ...]], Rule]:
        return {}
