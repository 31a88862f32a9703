"""What a district is promised of the classroom template, told by events: opening, recording, re-checks."""

import datetime
import itertools
import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import ClockTicked
from services.progression.domain.policy import read_policy
from services.progression.domain.policy.templates import template
from shared.contracts.internal_events import Competency, EvidenceRecorded, Score
from tests.support.journal import Decided, Journal, Record, piece

CLASSROOM = read_policy(template("classroom"))
CODES = [f"c{n}" for n in range(8)]
DEEP = Framework("math", "Mathematics", tuple(Competency(code, code, n, dok=3) for n, code in enumerate(CODES)), ())


def rubric(n: int, mark: float, competency: str = "math:c0", **more: Any) -> EvidenceRecorded:
    """Build the piece of day `n`, an activity of its own."""
    content: dict[str, Any] = {"score": Score(level=mark), "activity": f"task-{n}", "kind": "performance"} | more
    return piece(n, day=n, competency=competency, **content)


def told_after(*marks: float, **more: Any) -> list[list[str]]:
    """Return what is told by each of the pieces, one a day."""
    journal, found = Journal().fold([Decided(framework=DEEP), Decided(CLASSROOM)]), []
    for n, mark in enumerate(marks, start=1):
        before = len(journal.told)
        journal.fold([rubric(n, mark, **more)])
        found.append([kind.removeprefix("competency.") for kind in journal.kinds()[before:]])
    return found


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        ((3, 3), [[], ["provisional"]]),
        ((3, 3, 3), [[], ["provisional"], ["mastered"]]),
        ((2, 2, 3, 3, 3), [[], [], [], ["provisional"], ["mastered"]]),
        ((3, 3, 3, 1), [[], ["provisional"], ["mastered"], []]),
        ((3, 3, 3, 1, 1), [[], ["provisional"], ["mastered"], [], ["reverify_due"]]),
        ((3, 3, 3, 1, 3, 1), [[], ["provisional"], ["mastered"], [], [], []]),
    ],
)
def test_straight_threes_open_at_two_record_at_three_and_two_ones_ask_for_a_re_check(
    marks: tuple[float, ...], told: list[list[str]]
):
    assert told_after(*marks) == told


def test_work_without_a_depth_tag_never_blocks_where_the_standard_has_a_depth():
    assert told_after(3, 3, 3) == told_after(3, 3, 3, dok=3) == [[], ["provisional"], ["mastered"]]
    assert told_after(3, 3, 3, dok=1) == [[], [], []]


def test_work_with_accommodations_counts_in_full():
    assert told_after(3, 3, 3, accommodations=("scribe", "extended-time")) == told_after(3, 3, 3)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_re_checks_never_exceed_one_a_learner_a_week(seed: int):
    """Many competencies of two learners slip at once; a clock ticks on every day of three months."""
    chance = random.Random(seed)
    shown = [
        rubric(n, 3, f"math:{code}", learner=learner, activity=f"{code}-{n}")
        for learner in ("ada", "ben") for code in CODES for n in (1, 2, 3)
    ]  # fmt: skip
    slips = [later(n, code, chance) for n, code in enumerate(chance.sample(CODES * 6, 40))]
    journal = Journal().fold([Decided(framework=DEEP), Decided(CLASSROOM)]).fold(shown)
    start = datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC)
    for day in range(90):
        at = (start + datetime.timedelta(days=day)).strftime("%Y-%m-%dT12:00:00.000000Z")
        todays: list[Record] = list(slips[day * 40 // 90 : (day + 1) * 40 // 90])
        journal.fold(todays)
        journal.fold([ClockTicked(learner, at) for learner in ("ada", "ben")])
    asked: dict[str, list[str]] = defaultdict(list)
    for event in journal.told:
        if event.type == "attain.competency.reverify_due.v1":
            asked[event.learner].append(event.time)

    assert sum(map(len, asked.values())) > 2
    for times in asked.values():
        moments = [datetime.datetime.fromisoformat(time) for time in sorted(times)]
        assert all(b - a >= datetime.timedelta(days=7) for a, b in itertools.pairwise(moments))


def later(number: int, code: str, chance: random.Random) -> EvidenceRecorded:
    """Build a piece after mastery, of either learner and from an activity of its own; three in four are low."""
    return rubric(
        number + 100, chance.choice((1, 1, 1, 3)), f"math:{code}", learner=chance.choice(("ada", "ben")),
        activity=f"later-{number}", occurred_at=f"2026-05-{number // 2 + 1:02}T10:{number % 60:02}:00.000000Z",
    )  # fmt: skip
