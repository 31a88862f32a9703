"""How far a policy reaches on recorded evidence: by subject and grade, by the gates that are lacking, without small numbers."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.analysis.comparison import Comparison
from services.progression.domain.analysis.level_comparison import LevelComparison, LevelRules
from services.progression.domain.analysis.reach import Part, Reach, part_of
from services.progression.domain.curriculum import Framework
from services.progression.domain.mastery import piece_of
from services.progression.domain.policy import policy_from
from services.progression.handlers.adopting import compare_page, count_page
from services.progression.handlers.histories import Held, History
from services.progression.handlers.schools import Places
from shared.contracts.internal_events import Competency, EvidenceRecorded
from tests.support.journal import TENANT, Decided, Journal, piece, retract

SMALL = 10
GRADES = Framework(
    "math", "Mathematics",
    (Competency("add", "Add", 1, level="1", subject="Math"),
     Competency("sub", "Subtract", 2, level="Numbers", subject="Math", grades=("2",)),
     Competency("read", "Read", 3)), (),
)  # fmt: skip
TWO = policy_from(
    {"id": "two", "method": {"type": "mean"}, "decision": {"at_least": 0.5}, "sufficiency": {"min_evidence": 2}}
)
ONE = policy_from({"id": "one", "method": {"type": "mean"}, "decision": {"at_least": 0.5}})
ONLY_READING = policy_from({"id": "r", "method": {"type": "mean"}, "applies_to": {"competencies": ["math:read"]}})


def counted(rows: Sequence[tuple[int, str, str, tuple[str, ...]]]) -> Reach:
    """Return the reach of pairs: learner, subject, grade and the gates that are lacking."""
    reach = Reach()
    for learner, subject, grade, gates in rows:
        reach.add(f"l{learner}", Part(subject, grade), gates)
    return reach


def held_against(
    pieces: list[EvidenceRecorded], *, gone: list[EvidenceRecorded], policy: Any
) -> tuple[Reach, Comparison]:
    """Fold pieces under a policy for which one is enough, and hold them against another; return its reach and a comparison."""
    journal = Journal().fold(
        [Decided(framework=GRADES), Decided(ONE), *pieces, *gone, *(retract(each) for each in gone)]
    )
    rules = journal.rules[TENANT]
    policies = journal.policies | {policy.hash: policy}
    rules.try_out(policy)
    page: dict[str, Held] = defaultdict(dict)
    for each in (*pieces, *gone):
        for competency in each.competencies:
            key = (TENANT, each.learner, competency)
            known = page[each.learner].setdefault(key, (journal.held(competency, each.learner), History()))
            known[1].evidence[each.evidence_id] = (piece_of(each, competency), each not in gone)
    reach, comparison, at = Reach(), Comparison(), "2026-04-01T00:00:00.000000Z"
    levels = LevelComparison(LevelRules(rules, ""))
    count_page(reach, page, rules, policies, at, "")
    compare_page(comparison, levels, page, rules, policies, at, "", Places({}, {}))
    return reach, comparison


def test_pairs_with_enough_are_decidable_by_subject_and_grade_as_a_comparison_says():
    """Twenty learners: two pieces on adding, one on subtracting, one on reading that half of them took back."""
    pieces = [
        piece(n, 0.8, learner=f"l{number}", competency=competency)
        for number in range(20)
        for n, competency in enumerate(("math:add", "math:add", "math:sub"))
    ]
    reading = [piece(9, 0.8, learner=f"l{number}", competency="math:read") for number in range(20)]
    reach, comparison = held_against([*pieces, *reading[:10]], gone=reading[10:], policy=TWO)
    report = reach.report(SMALL)

    assert (report["learners"], report["pairs"], report["decidable"]) == (20, 50, 0.4)
    assert report["undecided_by"] == {"min_evidence": 0.6}
    assert report["decidable"] == comparison.report(SMALL)["decidable"]["after"]
    assert report["subjects"] == comparison.report(SMALL)["subjects"]
    assert [(row["subject"], row["grade"], row["learners"], row["decidable"]) for row in report["subjects"]] == [
        ("Math", "1", 20, 1.0), ("Math", "2", 20, 0.0), ("unknown", "unknown", 10, 0.0),
    ]  # fmt: skip


def test_pairs_that_another_policy_decides_are_not_counted():
    pieces = [piece(n, 0.8, learner=f"l{n}", competency=f"math:{('add', 'read')[n % 2]}") for n in range(40)]
    reach, comparison = held_against(pieces, gone=[], policy=ONLY_READING)

    assert (reach.report(SMALL)["pairs"], comparison.report(SMALL)["pairs"]) == (20, 40)


@pytest.mark.parametrize(
    ("competency", "part"),
    [
        (Competency("a", "A", 1, level="1", subject="Math"), ("Math", "1")),
        (Competency("a", "A", 1, level="Numbers", subject="Math", grades=("3", "4", "5")), ("Math", "3-5")),
        (Competency("a", "A", 1), ("unknown", "unknown")),
        (None, ("unknown", "unknown")),
    ],
)
def test_a_grade_is_the_education_level_of_the_source_or_else_the_level(
    competency: Competency | None, part: tuple[str, str]
):
    assert part_of(competency) == part


def test_parts_lie_by_subject_and_in_the_order_of_grades():
    reach = counted(
        [(n, subject, grade, ()) for subject in ("b", "a") for grade in ("10", "K", "2") for n in range(12)]
    )

    assert [(row["subject"], row["grade"]) for row in reach.report(SMALL)["subjects"]] == [
        (subject, grade) for subject in ("a", "b") for grade in ("K", "2", "10")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("decidable", "undecidable", "severity", "says"),
    [
        (0, 0, "warning", "nothing that is recorded"),
        (3, 3, "warning", "fewer than 10 learners"),
        (49, 51, "error", "only 49% of the pairs of learner"),
        (4, 51, "error", "few of the pairs"),
        (50, 50, "", ""),
        (51, 4, "", ""),
    ],
)
def test_it_is_an_error_where_fewer_than_half_of_the_pairs_can_be_decided(
    decidable: int, undecidable: int, severity: str, says: str
):
    gates = ("min_evidence", "min_occasions")
    reach = counted([(n, "Math", "1", gates if n >= decidable else ()) for n in range(decidable + undecidable)])
    found = reach.problems(reach.report(SMALL))

    assert [problem.severity for problem in found] == ([severity] if severity else [])
    assert all(says in problem.text for problem in found)


def test_who_sees_the_learners_is_told_the_whole_of_few_but_no_part_of_few():
    reach = counted([(n, "Math", "1", () if n else ("dok",)) for n in range(4)])
    seen = reach.report(SMALL, sees_few=True)

    assert (seen["learners"], seen["pairs"], seen["decidable"], seen["undecided_by"]) == (4, 4, 0.75, {"dok": 0.25})
    assert {row["learners"] for row in seen["subjects"]} == {None}
    assert reach.report(SMALL)["learners"] is None
    assert Reach().report(SMALL)["pairs"] == 0


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["Math", "ELA"]), st.sampled_from(["1", "2", "3"]), st.integers(0, 40),
        st.sampled_from([(), ("min_evidence",), ("dok",), ("min_evidence", "dok")]),
    ), max_size=9,
)  # fmt: skip


@settings(max_examples=300)
@given(drawn=ROWS)
def test_what_is_told_of_parts_is_of_many_learners_and_the_whole_gives_no_few_away(drawn: list[Any]):
    """Held against a count by hand: each drawn row is so many learners of their own with one such pair."""
    people = iter(range(1000))
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    rows = []
    for subject, grade, many, gates in drawn:
        for _ in range(many):
            rows.append((next(people), subject, grade, gates))
            counts[subject, grade].update(["all", *gates, *(["undecided"] if gates else ["decided"])])
    report = counted(rows).report(SMALL)
    told = {(row["subject"], row["grade"]): row for row in report["subjects"]}
    numbers = ("all", "decided", "undecided", "min_evidence", "dok")

    def number(row: Any, of: str) -> int | None:
        shares = {"all": 1.0, "decided": row["decidable"], **row["undecided_by"]}
        share = shares.get(of, 0.0)
        if of == "undecided":
            share = None if row["decidable"] is None else 1 - row["decidable"]
        return None if row["pairs"] is None or share is None else round(share * row["pairs"])

    for where, here in counts.items():
        for of in numbers:
            assert number(told[where], of) in (None, here[of])
            assert number(told[where], of) is None or not 0 < here[of] < SMALL
    for of in numbers:
        hidden = [here[of] for where, here in counts.items() if number(told[where], of) is None]
        if number(report, of) is not None:
            assert not 0 < sum(hidden) < SMALL
            assert len(hidden) != 1
