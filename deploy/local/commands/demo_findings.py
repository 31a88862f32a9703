"""What is worth telling of a folded sample district: how far the policy agrees with the truth, and which learners to look at."""

import datetime
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from deploy.local.client.counting import State
from deploy.local.sample.district import District
from deploy.local.sample.people import Person

LATELY = datetime.timedelta(days=75)


class Agreement(NamedTuple):
    """What the policy declared, against the truth of the simulation."""

    declared: int
    too_early: int
    true: int
    open: int


class Worth(NamedTuple):
    """A learner worth looking at, and why."""

    person: Person
    heading: str
    why: str


def compare(district: District, states: Mapping[tuple[str, str], State]) -> Agreement:
    """Hold what was declared mastered against what was truly mastered by then; of what there is evidence of."""
    too_early = declared = true = still_open = 0
    for (learner, competency), state in states.items():
        since = district.lives[learner].since.get(competency.partition(":")[2])
        true += since is not None
        if state.mastered_at is not None:
            declared += 1
            too_early += since is None or since > state.mastered_at.date()
        else:
            still_open += since is not None
    return Agreement(declared, too_early, true, still_open)


def choose(district: District, states: Mapping[tuple[str, str], State]) -> list[Worth]:
    """Choose three learners: far ahead and ready, taking time and getting there, and one with a re-check due."""
    mastered: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    latest: dict[str, datetime.datetime] = {}
    due: Counter[str] = Counter()
    for (learner, _), state in states.items():
        pieces[learner] += state.evidence_count
        due[learner] += state.status == "reverify_due"
        if state.mastered_at is not None:
            mastered[learner] += 1
            latest[learner] = max(latest.get(learner, state.mastered_at), state.mastered_at)
    youngest = [person for person in district.people if person.home.level == 1 and not due[person.id]]
    end = district.months[-1].end
    getting_there = [p for p in youngest if mastered[p.id] >= 4 and end - latest[p.id] < LATELY]
    chosen = []
    if youngest:
        ahead = max(youngest, key=lambda person: (mastered[person.id], person.id))
        why = f"{mastered[ahead.id]} competencies on the record in a class that began at level 1"
        chosen.append(Worth(ahead, "far ahead, and ready for more", why))
    if getting_there:
        taking_time = max(getting_there, key=lambda person: (pieces[person.id] / mastered[person.id], person.id))
        when = f"{latest[taking_time.id]:%-d %B}"
        why = f"{mastered[taking_time.id]} on the record with time for each, the latest on {when}"
        chosen.append(Worth(taking_time, "takes time, and is getting there", why))
    waiting = [person for person in district.people if due[person.id]]
    if waiting:
        check = min(waiting, key=lambda person: (due[person.id], -mastered[person.id], person.id))
        code = next(c for (learner, c), s in states.items() if learner == check.id and s.status == "reverify_due")
        why = f"the latest pieces on {code.partition(':')[2]} were weaker; it stays on the record"
        chosen.append(Worth(check, "a re-check is due", why))
    return chosen


def mistake_line(district: District, withdrawn: int) -> str:
    """Say what was taken back, and what went with it."""
    mistake = district.mistake
    entries = "entry" if withdrawn == 1 else "entries"
    return (
        f"On {mistake.found_on:%-d %B} a wrong answer key was found: {mistake.results} quiz results on {mistake.code} "
        f"in {mistake.class_title} were taken back, and {withdrawn} {entries} of mastery with them, until all took it "
        "again."
    )


def agreement_line(found: Agreement) -> str:
    """Say how often the policy was wrong, and how often late."""
    early, still = found.too_early / max(found.declared, 1), found.open / max(found.true, 1)
    return (
        f"Against the truth of the simulation: of {found.declared:,} declared mastered "
        f"{found.declared - found.too_early:,} truly were (false advance {early:.1%}); of {found.true:,} truly "
        f"mastered {found.open:,} are still to be shown (false hold {still:.1%})."
    )
