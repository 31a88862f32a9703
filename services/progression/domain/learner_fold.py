"""
The second fold: what one input did to a learner's competencies, and what else it brings, is folded into the learner's standing.

`Advancing` folds each of its steps; here is in which order, and what is looked at once for all of them.
"""

import functools
from collections.abc import Sequence

from services.progression.domain.advancement import Advancing, LevelStep, Review
from services.progression.domain.amending import Amending
from services.progression.domain.checking_in import CheckIns
from services.progression.domain.curriculum import Framework, framework_of_level
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.learner import LearnerState
from services.progression.domain.level_dates import date_anew
from services.progression.domain.levels import LevelTerms
from services.progression.domain.rechecks import next_asked_at
from services.progression.domain.rules import Rules
from services.progression.domain.support_fold import next_due
from services.progression.domain.telling import Told, numbered
from services.progression.domain.transitions import Change


def fold_changes(
    changes: Sequence[Change | LevelStep | Review], rules: Rules, standing: LearnerState, *, at_once: bool
) -> tuple[list[Told], list[tuple[str, CompetencyDecided]]]:
    """
    Fold what one input changed of one learner into its standing; `at_once` as if no level event waited to be undone.

    Returns what is to be told, competencies before levels and then what amends closed terms, and what follows for other
    competencies, each with its id.
    """
    first = changes[0]
    frameworks, links = rules.frameworks[first.rules_no], rules.links_at(first.rules_no)
    told: list[Told] = []
    decided: list[tuple[str, CompetencyDecided]] = []

    def terms(competency: str) -> LevelTerms:
        found = rules.level_terms(competency, first.rules_no)
        return found._replace(settle_min=0) if at_once else found

    def rules_of(level: str, no: int) -> tuple[Framework, LevelTerms]:
        framework = rules.frameworks[no][framework_of_level(level)]
        return framework, rules.level_terms(framework.levels[level][0], no)

    closed = rules.closed_before(first.trigger.pos)
    complete = standing.complete() if closed else {}
    lost: set[str] = set()
    levels_with = functools.partial(rules.levels_with, no=first.rules_no)
    folds = [Advancing(standing, frameworks, links, terms, change, levels_with, lost) for change in changes]
    # All that one input does is taken before anything follows: a correction that moves a piece never shows both.
    moved = [
        (advancing, change) for advancing, change in zip(folds, changes, strict=True) if isinstance(change, Change)
    ]
    for advancing, change in moved:
        advancing.take(change)
    of_competencies = [change for _, change in moved]
    date_anew(standing, of_competencies, rules_of)
    for advancing, change in moved:
        told += advancing.tell_change(change)
    for advancing, step in zip(folds, changes, strict=True):
        if isinstance(step, Review):
            told += (advancing.fold_levels if step.levels_only else advancing.fold_version)(step.framework)
        elif isinstance(step, LevelStep):
            told += advancing.fold_step(step.event)
        else:
            told += advancing.fold_change(step)
        decided += advancing.decided
    check_ins = CheckIns(standing, frameworks, first.tenant, first.learner, first.trigger)
    decided += check_ins.follow(
        of_competencies, anew=any(isinstance(change, Review) and not change.levels_only for change in changes)
    )
    told.sort(key=lambda event: event.type.startswith("attain.level."))
    if closed:
        amending = Amending(first.tenant, first.learner, first.trigger, standing, closed)
        of_levels = amending.levels(complete, told, frameworks)
        told += [*amending.competencies(of_competencies, told, frameworks), *of_levels]
    return numbered(told, first.trigger, standing.losses, standing.seqs), decided


def deadline_of(standing: LearnerState) -> str | None:
    """Return the next instant at which time alone does something: to a level, a sign-off, a re-check, support; None without."""
    coming = [*standing.settling.values(), *(at for _, _, at in standing.awaiting.values() if at)]
    coming += [held.until for waiting in standing.held.values() for held in waiting]
    coming += next_due(standing)
    asked = next_asked_at(standing)
    coming += [asked] if asked is not None else []
    return min(coming, default=None)
