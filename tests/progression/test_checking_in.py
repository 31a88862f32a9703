"""Low first pieces on what builds on something ask for a re-check of it, and what answers or undoes that."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import ClockTicked
from services.progression.domain.explanation import explain_key
from services.progression.domain.inputs import absorb, valid_pieces
from services.progression.domain.policy import Policy, policy_from
from shared.contracts.internal_events import Association, Competency, EvidenceRecorded
from tests.support.journal import STREAK_3, Decided, Journal, Record, piece, restore, retract

RULE: dict[str, Any] = {
    "id": "checks-in", "method": {"type": "streak", "n": 2}, "decision": {"latch": "first_crossing"},
    "upkeep": {"check_in_by_use": True},
}  # fmt: skip
CHECKS_IN = policy_from(RULE)
SILENT = policy_from(RULE | {"id": "silent", "upkeep": {}})
EDGES = (Association("add", "mul"), Association("sub", "mul"), Association("add", "pow"))
GRAPH = Framework(
    "math", "Mathematics",
    tuple(Competency(code, code.title(), n, level="1") for n, code in enumerate(("add", "sub", "mul", "pow"), start=1)),
    EDGES,
)  # fmt: skip
DUE = "competency.reverify_due"
PASSED = "competency.reverified"


def begun(policy: Policy = CHECKS_IN, *shown: str) -> Journal:
    """Return a journal in which competencies were shown on the first day: addition where none is named."""
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy)])
    for number, code in enumerate(shown or ("add",)):
        journal.fold(work(code, 1, 1, day=1, first=10 * number))
    return journal


def work(code: str, *marks: float, day: int, first: int = 0, **more: Any) -> list[EvidenceRecorded]:
    numbered = enumerate(marks, start=100 * day + first)
    return [piece(n, mark, competency=f"math:{code}", day=day, **more) for n, mark in numbered]


def statuses(journal: Journal) -> dict[str, str]:
    return {key[2].removeprefix("math:"): str(value[0]) for key, value in journal.values().items()}


def test_two_low_first_pieces_ask_for_a_re_check_of_what_was_shown_and_take_nothing():
    journal = begun(CHECKS_IN, "add", "sub").fold(work("mul", 0, 0, day=2)).settle()

    asked = [event for event in journal.told if event.type == "attain.competency.reverify_due.v1"]
    assert [event.data["scope"]["code"] for event in asked] == ["add", "sub"]
    told = asked[0].data
    assert (told["why"], told["by_use"], told["after"]) == ("contradiction", True, "reverify_due")
    assert told["reason"]["text"] == "The first two pieces on math:mul are below the cut."
    assert told["smallest_check"] == "one newer piece of evidence at 100% of full marks or above"
    assert told["basis"]["kind"] == "evidence"
    assert journal.state("math:add").mastered_at == "2026-03-01T10:01:41.000000Z", "it stays on the record"


@pytest.mark.parametrize(
    ("marks", "day", "why"),
    [((0,), 2, "one piece is no beginning"), ((1, 0, 0), 2, "it began well"), ((0, 1, 0, 0), 2, "one of two is low")],
)
def test_a_beginning_that_is_not_low_asks_nothing(marks: tuple[int, ...], day: int, why: str):
    journal = begun().fold(work("mul", *marks, day=day)).settle()

    assert statuses(journal)["add"] == "mastered", why


def test_what_was_begun_before_it_was_shown_speaks_of_nothing_that_was_lost():
    journal = Journal().fold([Decided(framework=GRAPH), Decided(CHECKS_IN)])
    journal.fold([*work("mul", 0, day=1), *work("add", 1, 1, day=2), *work("mul", 0, day=3)]).settle()

    assert statuses(journal)["add"] == "mastered"
    assert not journal.held("math:add").decided, "not even asked"


def test_a_newer_piece_at_the_cut_answers_and_an_older_one_does_not():
    journal = begun().fold(work("mul", 0, 0, day=4)).settle()

    journal.fold(work("add", 1, day=3)).settle()
    assert statuses(journal)["add"] == "reverify_due"
    journal.fold(work("add", 1, day=5)).settle()

    assert statuses(journal)["add"] == "mastered"
    assert (journal.kinds()[-1], journal.told[-1].data["by_use"]) == (PASSED, False)
    journal.fold(work("mul", 0, 0, day=6)).settle()
    assert statuses(journal)["add"] == "mastered", "only the beginning asks, and it has been answered"


@pytest.mark.parametrize("code", ["mul", "pow"])
def test_success_on_what_builds_on_it_answers_what_use_had_asked(code: str):
    journal = begun().fold(work("mul", 0, 0, day=2)).settle()

    journal.fold(work(code, 1, 1, day=3)).settle()

    assert statuses(journal)["add"] == "mastered"
    passed = next(event for event in journal.told if event.type == "attain.competency.reverified.v1")
    assert (passed.data["by_use"], passed.data["reason"]["text"]) == (True, f"success on math:{code}")


def test_retracting_one_of_the_low_pieces_undoes_what_nobody_has_answered_yet():
    low = work("mul", 0, 0, day=2)
    journal = begun().fold(low).settle().fold([retract(low[1])]).settle()

    assert statuses(journal)["add"] == "mastered"
    assert (journal.kinds()[-1], journal.told[-1].data["by_use"]) == (PASSED, False)
    assert journal.told[-1].data["reason"]["text"] == "The first pieces on math:mul ask for nothing any more."

    journal.fold([restore(low[1])]).settle()
    assert statuses(journal)["add"] == "reverify_due"
    assert len({event.id for event in journal.told}) == len(journal.told)


def test_what_is_withdrawn_is_asked_nothing_until_it_is_reinstated():
    shown = work("add", 1, 1, day=1)
    journal = Journal().fold([Decided(framework=GRAPH), Decided(CHECKS_IN)]).fold(shown)
    journal.fold(work("mul", 0, 0, day=2)).settle()

    journal.fold([retract(shown[0])]).settle()
    assert not journal.held("math:add").decided
    journal.fold([restore(shown[0])]).settle()

    assert journal.kinds()[-2:] == ["competency.reinstated", DUE]


def test_no_more_are_asked_in_a_week_than_the_policy_has():
    policy = policy_from(RULE | {"upkeep": {"check_in_by_use": True, "max_per_week": 1}})
    journal = begun(policy, "add", "sub").fold(work("mul", 0, 0, day=2)).settle()
    assert (journal.kinds().count(DUE), statuses(journal)["sub"]) == (1, "reverify_due")

    journal.fold([ClockTicked("ada", "2026-04-08T00:01:00.000000Z")])

    assert journal.kinds().count(DUE) == 2


def test_a_retake_that_replaces_is_no_second_piece():
    policy = policy_from(RULE | {"evidence": {"reassess": "replace_latest"}})
    again = work("mul", 0, 0, day=2, activity="the same")
    journal = begun(policy).fold(again).settle()
    assert statuses(journal)["add"] == "mastered"

    journal.fold(work("mul", 0, day=3, activity="another")).settle()
    assert statuses(journal)["add"] == "reverify_due"
    better = piece(400, 1.0, competency="math:mul", day=4, activity="the same", attempt=2)
    journal.fold([better]).settle()

    assert statuses(journal)["add"] == "mastered", "with the retake the beginning is not low"


def test_a_new_edge_asks_and_an_edge_that_is_gone_asks_no_more():
    flat = Framework("math", "Mathematics", GRAPH.competencies, ())
    journal = Journal().fold([Decided(framework=flat), Decided(CHECKS_IN)])
    journal.fold([*work("add", 1, 1, day=1), *work("mul", 0, 0, day=2)]).settle()
    assert statuses(journal)["add"] == "mastered"

    journal.fold([Decided(framework=GRAPH)]).sweep().settle()
    assert statuses(journal)["add"] == "reverify_due"
    journal.fold([Decided(framework=flat)]).sweep().settle()

    assert statuses(journal)["add"] == "mastered"


def test_without_such_a_rule_nothing_is_noted_of_how_work_begins():
    journal = begun(SILENT).fold(work("mul", 0, 0, day=2))

    assert not journal.followed
    assert (journal.held("math:mul").began, journal.held("math:mul").seq) == ((), 0)
    assert not journal.learners["school", "ada"].low_starts


def test_what_is_on_the_record_is_asked_by_the_rule_that_it_is_under():
    """A rule that is adopted later leaves what is on the record alone, unless it is for that too."""
    journal = begun(SILENT).fold(work("mul", 0, 0, day=2))
    journal.fold([Decided(CHECKS_IN)]).sweep().settle()
    assert statuses(journal)["add"] == "mastered"

    again = policy_from(RULE | {"rationale": "for all"})
    journal.fold([Decided(again, mode="retroactive")]).sweep().settle()

    assert statuses(journal)["add"] == "reverify_due"


def test_an_explanation_names_what_was_begun():
    journal = begun().fold(work("mul", 0, 0, day=2)).settle()
    evidence: dict[str, Any] = {}
    for record in journal.records:
        if isinstance(record, EvidenceRecorded):
            absorb(evidence, "math:add", record)

    explained = explain_key(valid_pieces(evidence), CHECKS_IN.rule, journal.held("math:add").decided)

    assert explained.status == "reverify_due"
    step = next(each for each in explained.trace if each.rule == "/upkeep/check_in_by_use")
    assert (step.met, dict(step.found.values)) == (False, {"begun": "math:mul", "day": "2026-03-02"})
    assert explained.minimal_change.gives == "mastered"


CODES = ("add", "sub", "mul", "pow")
marks = st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from([0.0, 1.0]), st.integers(1, 9)), max_size=24)


@given(drawn=marks, seed=st.integers(0, 999), data=st.data())
def test_the_end_is_the_rule_in_one_sentence_whatever_the_order_of_arrival(drawn, seed, data):
    """Also between what is decided and where that is folded, and where pieces are taken back and restored."""
    chance = random.Random(seed)
    pieces = [piece(n, mark, competency=f"math:{code}", day=day) for n, (code, mark, day) in enumerate(drawn)]
    gone = data.draw(st.lists(st.sampled_from(pieces), max_size=3, unique_by=lambda p: p.evidence_id)) if pieces else []
    records: list[Record] = list(chance.sample(pieces, len(pieces)))
    for number, each in enumerate(gone):
        records.insert(chance.randint(records.index(each) + 1, len(records)), retract(each, by=f"r{number}"))

    journal = Journal().fold([Decided(framework=GRAPH), Decided(STREAK_3), Decided(CHECKS_IN)])
    while records:
        size = chance.randint(1, 4)
        journal.fold(records[:size], drop_cache=chance.random() < 0.3)
        records = records[size:]
        if chance.random() < 0.5:
            journal.settle()
    journal.settle()

    valid = [each for each in pieces if each not in gone]
    assert {code: status == "reverify_due" for code, status in statuses(journal).items()} == {
        code: is_due(code, valid, journal) for code in statuses(journal)
    }
    assert len({event.id for event in journal.told}) == len(journal.told)


def is_due(code: str, valid: list[EvidenceRecorded], journal: Journal) -> bool:
    """Tell by the rule's own words whether a competency is due."""
    shown = journal.state(f"math:{code}").mastered_at
    if shown is None:
        return False
    dependents = [edge.destination for edge in EDGES if edge.origin == code]
    for dependent in dependents:
        first = of(dependent, valid)[:2]
        if len(first) < 2 or any(each.score.raw == 1.0 for each in first) or first[0].occurred_at <= shown:
            continue
        since = first[1].occurred_at
        by_use = [journal.state(f"math:{other}").mastered_at for other in dependents if of(other, valid)]
        newer = [each for each in of(code, valid) if each.score.raw == 1.0 and each.occurred_at > since]
        if not newer and not any(at is not None and at >= since for at in by_use):
            return True
    return False


def of(code: str, valid: list[EvidenceRecorded]) -> list[EvidenceRecorded]:
    own = [each for each in valid if each.competencies == (f"math:{code}",)]
    return sorted(own, key=lambda each: (each.occurred_at, each.attempt, each.source, each.id))
