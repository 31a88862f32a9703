"""What a level asks for, and what of it is unmet: a function of the competencies that a learner has satisfied or opened."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from services.progression.domain.policy import Policy
from services.progression.domain.policy.requirements import Group, Require, Supporting, Tier
from services.progression.domain.policy.support import Support
from services.progression.domain.rounding import settled
from shared.school_calendar import local_day, school_days_between, school_days_later

LevelStatus = Literal["not_eligible", "eligible_pending_sign_off", "complete", "advanced"]


class LevelTerms(NamedTuple):
    """
    What decides a level: its requirement (None: all of its competencies), who signs it off, minutes it settles, and the
    breaks and time zone by which the days are counted that people have, when a wait asks for support, the policy that says
    all this, and the activation after which it was in force.
    """

    require: Require | None = None
    role: str = ""
    settle_min: int = 0
    breaks: str = ""
    time_zone: str = ""
    support: Support | None = None
    policy: Policy | None = None
    no: int = 0

    @property
    def named(self) -> dict[str, str] | None:
        """The policy version, as events name it."""
        return self.policy.named if self.policy is not None else None

    @property
    def zone(self) -> str:
        """The time zone, UTC where none is set."""
        return self.time_zone or "UTC"

    def days_later(self, instant: str, days: int) -> str:
        """Return the instant so many school days later."""
        return school_days_later(instant, days, self.breaks, self.zone)

    def day_later(self, instant: str, days: int) -> str:
        """Return the local day (YYYY-MM-DD) so many school days later."""
        return local_day(self.days_later(instant, days), self.zone).isoformat()

    def days_between(self, since: str, until: str) -> int:
        """Return how many school days an instant is behind another."""
        return school_days_between(local_day(since, self.zone), local_day(until, self.zone), self.breaks)


Terms = Callable[[str], LevelTerms]
"""The terms of the level that a competency lies in."""


class Shown(NamedTuple):
    """
    What a learner has: on the record or credited; besides, what the provisional path has opened; and what the learner's plans
    ask in the place of competencies, empty where they ask nothing.
    """

    satisfied: Collection[str]
    opened: Collection[str] = ()
    targets: Mapping[str, str] = {}

    def has(self, competency: str, at: Tier) -> bool:
        """Tell whether a competency, or what is asked in its place, is satisfied at a tier or above."""
        instead = self.targets.get(competency, "")
        return self._has(competency, at) or (instead != "" and self._has(instead, at))

    def _has(self, competency: str, at: Tier) -> bool:
        return competency in self.satisfied or (at == "provisional" and competency in self.opened)

    def asked(self, competencies: Sequence[str]) -> Sequence[str]:
        """Return those that are asked for, themselves or something in their place."""
        return [code for code in competencies if self.targets.get(code) != ""] if self.targets else competencies


class Lack(NamedTuple):
    """Something that a level still asks for: in words, which for a single competency are its id, and what would count for it."""

    words: str
    competencies: tuple[str, ...]


def lacks_of(
    require: Require | None, framework: str, members: Sequence[str], power: Collection[str], shown: Shown
) -> tuple[Lack, ...]:
    """
    Return what a level still asks for, in the order of the rule.

    `members` are the level's competencies, `power` those of them that are power standards. A code without a framework is of the
    level's own. What a plan exempts from is not asked for, unless nothing would be asked for then: no level is shown by that.
    """
    if "" in shown.targets.values() and not _lacks(require, framework, members, power, Shown((), (), shown.targets)):
        shown = shown._replace(targets={code: instead for code, instead in shown.targets.items() if instead})
    return _lacks(require, framework, members, power, shown)


def unmet_of(
    require: Require | None, framework: str, members: Sequence[str], power: Collection[str], shown: Shown
) -> tuple[str, ...]:
    """Return what `lacks_of` does in words: competency ids, and choices as so many more of some."""
    return tuple(lack.words for lack in lacks_of(require, framework, members, power, shown))


def missing_of(lacks: Iterable[Lack]) -> list[str]:
    """Return the competencies that would count for what a level still asks for, each once."""
    return list(dict.fromkeys(code for lack in lacks for code in lack.competencies))


def level_status(unmet: Collection[object], role: str, *, signed: bool, advanced: bool) -> LevelStatus:
    """Return where a learner stands with a level; one that was advanced stays so. `role` signs it off, empty for nobody."""
    if advanced:
        return "advanced"
    if unmet:
        return "not_eligible"
    return "eligible_pending_sign_off" if role and not signed else "complete"


def deciding(require: Require | None, framework: str, members: Iterable[str]) -> tuple[str, ...]:
    """Return the competencies that may decide a level, each once: its own, and those that its requirement names."""
    if require is None:
        return tuple(members)
    choices = (*require.k_of, *require.electives)
    named = (*require.all, *require.any, *(code for choice in choices for code in choice.of))
    return tuple(dict.fromkeys((*members, *_full(named, framework))))


def _lacks(
    require: Require | None, framework: str, members: Sequence[str], power: Collection[str], shown: Shown
) -> tuple[Lack, ...]:
    asked = shown.asked(members)
    if require is None:
        return tuple(_single(member) for member in asked if not shown.has(member, "mastered"))
    return tuple(dict.fromkeys(_unmet(require, framework, asked, power, shown)))


def _unmet(
    require: Require, framework: str, members: Sequence[str], power: Collection[str], shown: Shown
) -> Iterator[Lack]:
    if require.power is not None:
        tier = require.power
        yield from (_single(member) for member in members if member in power and not shown.has(member, tier))
    if require.supporting is not None:
        yield from _share(require.supporting, [member for member in members if member not in power], shown)
    yield from (_single(code) for code in shown.asked(_full(require.all, framework)) if not shown.has(code, "mastered"))
    choices = [Group(k=1, of=require.any)] if require.any else []
    for choice in (*choices, *require.k_of, *require.electives):
        every = tuple(dict.fromkeys(_full(choice.of, framework)))
        of = shown.asked(every)
        left = [code for code in of if not shown.has(code, choice.at)]
        # Of a choice from which nothing else is left, no more is asked than there is.
        k = choice.k if len(of) == len(every) else min(choice.k, len(of))
        lack = k - (len(of) - len(left))
        if lack > 0:
            yield _choice(lack, left, choice.group)


def _share(rule: Supporting, members: Sequence[str], shown: Shown) -> Iterator[Lack]:
    """Yield how many supporting standards are lacking; a share rounds up."""
    need = math.ceil(settled(rule.share * len(members)))
    left = [member for member in members if not shown.has(member, rule.at)]
    lack = need - (len(members) - len(left))
    if lack > 0:
        yield _choice(lack, left)


def _single(competency: str) -> Lack:
    return Lack(competency, (competency,))


def _choice(lack: int, of: Sequence[str], group: str = "") -> Lack:
    return Lack(f"{lack} more of {', '.join(of)}" + (f" ({group})" if group else ""), tuple(of))


def _full(codes: Iterable[str], framework: str) -> tuple[str, ...]:
    return tuple(code if ":" in code or not framework else f"{framework}:{code}" for code in codes)
