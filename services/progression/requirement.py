"""
Requirements of a level: which competencies it asks for, and where a learner stands with them.

Nobody is demoted: a competency lost after the level was reached asks for a re-check, or for a person's decision.
"""

from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

Codes = tuple[str, ...]
LevelStatus = Literal["not_eligible", "eligible_pending_sign_off", "advanced"]


class Part(BaseModel):
    """The base of every part of a rule: frozen, nothing unknown. Not strict: a list is how a file writes a tuple."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(Part):
    """`k` of several competencies; electives name the group that they are in."""

    k: int = Field(ge=1)
    of: Codes = Field(min_length=1)
    group: str = ""

    @model_validator(mode="after")
    def _possible(self) -> "Choice":
        if self.k > len(set(self.of)):
            raise ValueError(f"{self.k} of {len(set(self.of))} can never be met")
        return self


class Require(Part):
    """What a level asks for, everything together: power standards and `all`, one of `any`, and each choice."""

    power: Codes = ()
    all: Codes = ()
    any: Codes = ()
    k_of: tuple[Choice, ...] = ()
    electives: tuple[Choice, ...] = ()

    def codes(self) -> frozenset[str]:
        """Return every competency that the requirement names."""
        choices = (*self.k_of, *self.electives)
        return frozenset((*self.power, *self.all, *self.any, *(code for choice in choices for code in choice.of)))

    def unmet(self, satisfied: Collection[str]) -> Codes:
        """Return what is not met, in the order of the rule: codes, and choices in words."""
        return tuple(self._unmet(satisfied))

    def _unmet(self, satisfied: Collection[str]) -> Iterator[str]:
        yield from (code for code in dict.fromkeys((*self.power, *self.all)) if code not in satisfied)
        choices = [Choice(k=1, of=self.any)] if self.any else []
        for choice in (*choices, *self.k_of, *self.electives):
            lack = choice.k - sum(code in satisfied for code in set(choice.of))
            if lack > 0:
                left = ", ".join(code for code in choice.of if code not in satisfied)
                yield f"{lack} more of {left}" + (f" ({choice.group})" if choice.group else "")


class LevelRule(Part):
    """When a level is reached, who signs it off, and what a later loss does."""

    level: str
    require: Require
    sign_off: str | None = None
    on_regression: Literal["reverify_never_demote", "teacher_decides"] = "reverify_never_demote"


class LevelStanding(NamedTuple):
    """Where a learner stands with a level; `actions` are `reverify:<code>` or `review:<code>`."""

    status: LevelStatus
    unmet: Codes
    actions: Codes = ()


def standing(
    rule: LevelRule,
    satisfied: Collection[str],
    *,
    signed: bool = False,
    advanced: bool = False,
    lost: Collection[str] = (),
) -> LevelStanding:
    """
    Return where a learner stands who has these competencies on the record.

    Args:
        rule: of the level.
        satisfied: competencies on the record.
        signed: whether the person that the rule names has signed the level off.
        advanced: whether the level has been reached before; then it stays so.
        lost: competencies that were on the record and no longer are; those that the rule does not name are passed over.
    """
    unmet = rule.require.unmet(satisfied)
    if advanced:
        action = "reverify" if rule.on_regression == "reverify_never_demote" else "review"
        named = rule.require.codes()
        return LevelStanding("advanced", unmet, tuple(f"{action}:{code}" for code in sorted(lost) if code in named))
    if unmet:
        return LevelStanding("not_eligible", unmet)
    return LevelStanding("advanced" if rule.sign_off is None or signed else "eligible_pending_sign_off", ())
