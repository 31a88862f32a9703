"""What a policy would do to levels: of each learner those of which all that evidence has to show is there, before and after."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from services.progression.domain.analysis.comparison import Splits, Verdict
from services.progression.domain.levels import Shown, deciding, unmet_of
from services.progression.domain.policy.requirements import Require
from services.progression.domain.rules import Rules

Change = Literal["gained", "lost"]


class _Level(NamedTuple):
    """A level with what it asks for before and after."""

    framework: str
    members: tuple[str, ...]
    power: frozenset[str]
    before: Require | None
    after: Require | None

    def is_met(self, require: Require | None, shown: Shown) -> bool:
        return not unmet_of(require, self.framework, self.members, self.power, shown)


class LevelRules:
    """The levels of a tenant's frameworks under the rules before an activation and after it."""

    def __init__(self, rules: Rules, framework: str = "") -> None:
        """Take the latest activation for the one in question; levels of one framework, or of all where none is named."""
        self._levels: dict[str, _Level] = {}
        self._touched_by: dict[str, list[str]] = {}
        for graph in rules.frameworks[rules.no].values():
            if framework not in ("", graph.id):
                continue
            for level, members in graph.levels.items():
                power = frozenset(member for member in members if graph.by_id[member].power)
                before, after = (rules.level_terms(members[0], no).require for no in (rules.no - 1, rules.no))
                self._levels[level] = _Level(graph.id, members, power, before, after)
                both = (deciding(require, graph.id, members) for require in (before, after))
                for competency in dict.fromkeys(code for codes in both for code in codes):
                    self._touched_by.setdefault(competency, []).append(level)

    def changes(self, before: Shown, after: Shown) -> dict[str, Change]:
        """
        Return the levels that a learner gains or loses.

        A sign-off is not asked for here: a level that waits for it has all that evidence can show.
        """
        shown = {
            *before.satisfied, *before.opened, *before.targets, *after.satisfied, *after.opened, *after.targets
        }  # fmt: skip
        found: dict[str, Change] = {}
        for level in dict.fromkeys(level for each in sorted(shown) for level in self._touched_by.get(each, ())):
            asked = self._levels[level]
            had, has = asked.is_met(asked.before, before), asked.is_met(asked.after, after)
            if had != has:
                found[level] = "gained" if has else "lost"
        return found


@dataclasses.dataclass(slots=True)
class LevelComparison:
    """Counted learner by learner; `report` gives the outcome. `dimensions` are as those of `Comparison`."""

    rules: LevelRules
    dimensions: dataclasses.InitVar[tuple[str, ...]] = ()
    splits: Splits = dataclasses.field(init=False)
    learners: int = 0
    gaining: int = 0
    losing: int = 0
    levels: dict[Change, Counter[str]] = dataclasses.field(
        default_factory=lambda: {"gained": Counter(), "lost": Counter()}
    )
    _open: tuple[str, Mapping[str, str], Shown, Shown] | None = None

    def __post_init__(self, dimensions: tuple[str, ...]) -> None:
        self.splits = Splits(dimensions)

    def add(self, learner: str, competency: str, places: Mapping[str, str], before: Verdict, after: Verdict) -> None:
        """Take one pair; those of a learner come one after the other, and `close` comes after the last."""
        if self._open is None or self._open[0] != learner:
            self.close()
            self._open = (learner, places, shown_of((), (), {}), shown_of((), (), {}))
        for shown, verdict in zip(self._open[2:], (before, after), strict=True):
            take(shown, competency, satisfied=verdict.satisfied, opened=verdict.status == "provisional")
            if verdict.target is not None:
                assert isinstance(shown.targets, dict)
                shown.targets[competency] = verdict.target

    def close(self) -> None:
        """Count the learner whose pairs were taken last."""
        if self._open is not None:
            learner, places, before, after = self._open
            self.count(learner, places, self.rules.changes(before, after))
            self._open = None

    def count(self, learner: str, places: Mapping[str, str], changes: Mapping[str, Change]) -> None:
        """Count one learner; `places` are the learner's school and groups, by name."""
        kinds = set(changes.values())
        self.learners += 1
        self.gaining += "gained" in kinds
        self.losing += "lost" in kinds
        for level, change in changes.items():
            self.levels[change][level] += 1
        self.splits.add(learner, places, gains="gained" in kinds, loses="lost" in kinds)

    def report(self, small: int) -> dict[str, Any]:
        """Return the outcome as plain data: learners throughout; numbers of schools and groups below `small` are None."""
        changed = sorted({level for counts in self.levels.values() for level in counts})
        return {
            "suppressed_below": small,
            "learners": self.learners,
            "learners_gaining": self.gaining,
            "learners_losing": self.losing,
            "items": [
                {"level": level, "gained": self.levels["gained"][level], "lost": self.levels["lost"][level]}
                for level in changed
            ],
            **self.splits.report(small),
        }


def take(shown: Shown, competency: str, *, satisfied: bool, opened: bool) -> None:
    """Note what a learner has of a competency, whatever was noted of it; what is satisfied is opened too."""
    for held, has in ((shown.satisfied, satisfied), (shown.opened, satisfied or opened)):
        assert isinstance(held, set)
        (held.add if has else held.discard)(competency)


def shown_of(satisfied: Iterable[str], opened: Iterable[str], targets: Mapping[str, str]) -> Shown:
    """Return what a learner has, to be changed by `take`."""
    return Shown(set(satisfied), {*satisfied, *opened}, dict(targets))
