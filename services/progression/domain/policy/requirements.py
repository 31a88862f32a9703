"""The members of the level rule: what must be shown before a learner moves on."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from services.progression.domain.policy.members import Code, Part, SignOff, fault

Tier = Literal["provisional", "mastered"]
Share = Annotated[float, Field(gt=0, le=1)]


class Group(Part):
    """At least `k` of the competencies `of`; with a name, a group that a learner chooses from."""

    k: int = Field(ge=1, le=1000)
    of: tuple[Code, ...] = Field(min_length=1, max_length=2000)
    at: Tier = "mastered"
    group: str = Field("", max_length=100)

    @model_validator(mode="after")
    def _reachable(self) -> "Group":
        if self.k > len(set(self.of)):
            raise fault("/k", f"{self.k} of {len(set(self.of))} can never be reached")
        return self


class Supporting(Part):
    """The share of the level's competencies that are not power standards, at a tier or above."""

    share: Share = 1.0
    at: Tier = "mastered"


class Require(Part):
    """
    What a level needs; every member given must hold.

    `power` is every power standard of the level: no share and no choice ever lets one go.
    """

    power: Tier | None = None
    supporting: Supporting | None = None
    all: tuple[Code, ...] = Field((), max_length=2000)
    any: tuple[Code, ...] = Field((), max_length=2000)
    k_of: tuple[Group, ...] = Field((), max_length=50)
    electives: tuple[Group, ...] = Field((), max_length=50)

    @model_validator(mode="after")
    def _asks_something(self) -> "Require":
        if self == Require.model_construct():
            raise fault("", "a level rule asks for something")
        return self


class Advancement(Part):
    """When a level is complete, and who signs it off; nobody is demoted by a machine."""

    require: Require
    sign_off: SignOff | None = None
    on_regression: Literal["reverify_never_demote"] = "reverify_never_demote"
