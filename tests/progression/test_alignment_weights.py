"""What the alignment map says of a piece and a competency reaches the fold: its weight, and that it speaks to a part only."""

import random

import pytest

from services.progression.domain.explanation import explain_key
from services.progression.domain.mastery import piece_of
from services.progression.domain.policy import policy_from
from shared.contracts.internal_events import Aligned, EvidenceRecorded, Score
from tests.support.journal import Decided, Journal, piece

MEAN = policy_from(
    {"id": "mean", "method": {"type": "mean"}, "decision": {"at_least": 0.7}, "sufficiency": {"min_evidence": 2}}
)
BY_KIND = policy_from(
    {"id": "by-kind", "method": {"type": "mean"}, "decision": {"at_least": 0.7},
     "evidence": {"kinds": {"summative": 1, "formative": 0.5}}}
)  # fmt: skip


def aligned(n: int, score: float, *targets: Aligned, day: int = 1, kind: str | None = None) -> EvidenceRecorded:
    named = tuple(target.competency for target in targets if target.strength != "hint")
    return piece(n, score, competencies=named, alignment=targets, activity=f"quiz-{n}", day=day, kind=kind)


def add(weight: float = 1.0, strength: str = "full") -> Aligned:
    return Aligned("math:add", weight, strength)  # type: ignore[arg-type]


def test_the_weight_of_an_alignment_multiplies_the_weight_of_the_kind() -> None:
    summative = aligned(1, 1.0, add(3.0), kind="summative")
    formative = aligned(2, 0.0, add(2.0), kind="formative")
    journal = Journal().fold([Decided(BY_KIND), summative, formative])

    assert journal.state().score == pytest.approx(3 / (3 + 2 * 0.5))
    weights = [
        one.weight
        for one in explain_key([piece_of(p, "math:add") for p in (summative, formative)], BY_KIND.rule).evidence
    ]
    assert weights == [3.0, 1.0]


def test_one_piece_weighs_differently_for_two_competencies() -> None:
    first = aligned(1, 1.0, add(3.0), Aligned("math:sub", 1.0), Aligned("math:mul", 9.0, "hint"))
    second = aligned(2, 0.0, add(1.0), Aligned("math:sub", 3.0))
    for batches in ([[first, second]], [[first], [second]], [[second], [first]]):
        journal = Journal().fold([Decided(MEAN)])
        for batch in batches:
            journal.fold(batch, drop_cache=True)
        assert journal.state("math:add").score == 0.75
        assert journal.state("math:sub").score == 0.25
        assert journal.state("math:add").status == "mastered"
        assert journal.state("math:sub").status == "not_yet"
        assert {key[2] for key in journal.states} == {"math:add", "math:sub"}, "a hint never counts"


def test_partial_evidence_is_half_a_piece_and_full_evidence_a_whole_one() -> None:
    part, whole = add(1.0, "partial"), add()
    journal = Journal().fold([Decided(MEAN), aligned(1, 1.0, whole), aligned(2, 1.0, part)])
    assert journal.state().status == "insufficient_evidence"
    assert journal.state().missing == ("0.5 more piece of evidence",)

    assert journal.fold([aligned(3, 1.0, part)]).state().status == "mastered"
    zero = aligned(4, 0.0, part)
    assert journal.fold([zero]).state().score == pytest.approx(2 / 2.5), "it weighs half of what it would"


def test_weights_do_not_depend_on_the_order_of_arrival() -> None:
    chosen = random.Random(5)
    pieces = [
        aligned(
            n, chosen.random(), add(chosen.choice((0.5, 1.0, 4.0)), chosen.choice(("full", "partial"))), day=n % 28 + 1
        )
        for n in range(1, 30)
    ]
    found = set()
    for _ in range(10):
        journal = Journal().fold([Decided(MEAN)])
        for one in chosen.sample(pieces, len(pieces)):
            journal.fold([one])
        found.add(repr(journal.values()))
    assert len(found) == 1


def test_evidence_that_names_its_competencies_itself_weighs_one() -> None:
    own = piece(1, score=Score(raw=1.0, max=1.0))
    assert piece_of(own, "math:add") == piece_of(own)
    assert piece_of(own).weight == 1.0
