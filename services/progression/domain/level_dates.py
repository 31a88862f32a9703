"""
Since when levels are complete: the instant from which on all was there that a level asks for.

An advancement that nobody signed is dated by that. Late evidence may date it earlier, and what undoes that gives it its date
back. No correction dates it later than was told: who had advanced by a day has, until a person takes it back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile

from services.progression.domain.curriculum import Framework
from services.progression.domain.learner import LearnerState
from services.progression.domain.levels import LevelTerms, Shown, deciding, lacks_of
from services.progression.domain.telling import seq_of
from services.progression.domain.transitions import Change

RulesOf = Callable[[str, int], tuple[Framework, LevelTerms]]
"""The framework and terms of a level after an activation."""


def complete_since(standing: LearnerState, framework: Framework, level: str, terms: LevelTerms) -> str | None:
    """Return since when a learner has all that a level asks for, None where something is lacking."""
    members = framework.levels[level]
    power = {member for member in members if framework.by_id[member].power}
    codes = {*deciding(terms.require, framework.id, members)}
    targets = {code: standing.targets[code] for code in codes if code in standing.targets}
    codes |= {instead for instead, _ in targets.values()}
    satisfied = {code: standing.satisfied[code] for code in codes if code in standing.satisfied}
    opened = {code: standing.opened[code] for code in codes if code in standing.opened}
    planned = {code: since for code, (_, since) in targets.items()}

    def is_complete(at: str) -> bool:
        instead = {code: targets[code][0] for code in _by(planned, at)}
        shown = Shown(_by(satisfied, at), _by(opened, at), instead)
        return not lacks_of(terms.require, framework.id, members, power, shown)

    instants = sorted({*satisfied.values(), *opened.values(), *planned.values()}, reverse=True)
    return next(reversed(list(takewhile(is_complete, instants))), None)


def date_anew(standing: LearnerState, changes: Sequence[Change], rules_of: RulesOf) -> None:
    """Date the levels that changes of competencies may concern by what is there now, under the rules that they advanced by."""
    # Every input comes here, and few learners have such a level.
    moved = set(_moved(standing, changes)) if standing.dated else set()
    for level, (told, no) in standing.dated.items() if moved else ():
        framework, terms = rules_of(level, no)
        if moved.isdisjoint(deciding(terms.require, framework.id, framework.levels[level])):
            continue
        since = complete_since(standing, framework, level, terms)
        if since is not None and min(since, told) != standing.reached[level]:
            standing.reached[level] = min(since, told)
            standing.seqs[level] = seq_of(changes[0].trigger)


def _moved(standing: LearnerState, changes: Iterable[Change]) -> Iterable[str]:
    """Yield the competencies that may decide levels since another instant, and what they are asked for in the place of."""
    for change in changes:
        before, after = change.before, change.after
        if change.transition == "provisional" or before.satisfied_at != after.satisfied_at or before.plan != after.plan:
            yield change.competency
            yield from standing.stands_for(change.competency)


def _by(dates: Mapping[str, str], instant: str) -> list[str]:
    return [code for code, since in dates.items() if since <= instant]
