"""What was shown in one place counts in another as far as a crosswalk says so, and no longer than it holds."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.crosswalks import links
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.policy import policy_from
from shared.contracts.internal_events import Association, Competency, EvidenceRecorded
from tests.support.journal import Decided, Journal, Record, piece, restore, retract

STREAK = policy_from({"id": "s", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}})
CODES = ("a", "b", "c", "d")


def version(*edges: tuple[str, str, str], codes: tuple[str, ...] = CODES, retired: tuple[str, ...] = ()) -> Framework:
    """Return a version of the framework `f` with crosswalks within it."""
    known = {code: Competency(code, code, n, identifier=f"id-{code}") for n, code in enumerate((*codes, *retired))}
    return Framework(
        "f", "F", tuple(known[code] for code in codes), tuple(Association(*edge) for edge in edges),
        tuple(known[code] for code in retired),
    )  # fmt: skip


def shown(n: int, code: str) -> EvidenceRecorded:
    return piece(n, competency=f"f:{code}")


def statuses(journal: Journal, *codes: str) -> list[str]:
    return [journal.state(f"f:{code}").status for code in codes]


def told(journal: Journal) -> list[tuple[str, str]]:
    return [(kind.partition(".")[2], event.data["scope"]["code"])
            for kind, event in zip(journal.kinds(), journal.told, strict=True)]  # fmt: skip


def begin(framework: Framework) -> Journal:
    return Journal().fold([Decided(framework=framework), Decided(STREAK)])


def test_an_exact_match_credits_what_equals_it_with_its_provenance():
    framework = version(("a", "b", "exactMatchOf"))
    journal = begin(framework).fold([shown(1, "b")]).settle()
    credited = journal.told[1].data

    assert told(journal) == [("mastered", "b"), ("credited", "a")]
    assert statuses(journal, "a", "b") == ["credited", "mastered"]
    assert credited["provenance"] == f"exactMatchOf f:a f:b, f@{framework.version}"
    assert (credited["strength"], credited["basis"]["by"]) == (1.0, None)
    assert journal.state("f:a").mastered_at is None, "credited is not shown"


def test_a_loss_takes_the_credit_back_and_its_undoing_reinstates_it_with_its_date():
    journal = begin(version(("a", "b", "exactMatchOf"))).fold([shown(1, "a")]).settle()
    journal.fold([retract(shown(1, "a"))]).settle().fold([restore(shown(1, "a"))]).settle()
    first, lost, back = [event for event in journal.told if event.data["scope"]["code"] == "b"]

    assert [each for each in told(journal) if each[1] == "b"] == [
        ("credited", "b"), ("withdrawn", "b"), ("reinstated", "b"),
    ]  # fmt: skip
    assert len({event.id for event in journal.told}) == len(journal.told)
    assert (back.data["after"], back.data["original"]) == ("credited", first.id)
    assert back.data["effective_at"] == first.data["effective_at"] < lost.data["effective_at"]
    assert [event.data["episode"] for event in (first, lost, back)] == [1, 1, 1]


def test_credit_by_what_is_shown_anew_is_new_credit():
    journal = begin(version(("a", "b", "exactMatchOf"))).fold([shown(1, "a")]).settle()
    journal.fold([retract(shown(1, "a"))]).settle().fold([shown(2, "a")]).settle()

    assert [each for each in told(journal) if each[1] == "b"] == [
        ("credited", "b"), ("withdrawn", "b"), ("credited", "b"),
    ]  # fmt: skip


def test_a_crosswalk_that_is_stated_again_reinstates_what_it_had_credited():
    stated = version(("a", "b", "exactMatchOf"))
    journal = begin(stated).fold([shown(1, "a")]).settle().fold([Decided(framework=version())]).sweep().settle()
    journal.fold([Decided(framework=stated)]).sweep().settle()
    first, _, back = [event for event in journal.told if event.data["scope"]["code"] == "b"]

    assert back.type == "attain.competency.reinstated.v1"
    assert back.data["effective_at"] == first.data["effective_at"]


def test_credit_keeps_its_date_where_other_work_comes_to_be_its_ground_and_goes_again():
    """A term that was closed meanwhile stays as it was: at no time was the credit gone."""
    journal = begin(version(("a", "c", "exactMatchOf"), ("b", "c", "exactMatchOf")))
    journal.fold([shown(1, "a"), shown(2, "b")]).settle()
    dates = []
    for change in (retract(shown(1, "a")), restore(shown(1, "a"), by="r2"), retract(shown(2, "b"), by="r3")):
        journal.fold([change]).settle()
        dates.append(journal.learners["school", "ada"].satisfied["f:c"])

    assert dates == [event.data["effective_at"] for event in journal.told if event.data["scope"]["code"] == "c"] * 3


def test_one_batch_that_takes_two_equal_competencies_tells_of_no_credit_in_between():
    """The one that is left would credit the other for as long as it is there."""
    a, b = shown(1, "a"), shown(2, "b")
    journal = begin(version()).fold([a, b]).fold([Decided(framework=version(("a", "b", "exactMatchOf")))]).sweep()
    journal.fold([retract(a), retract(b, by="r2")]).settle()

    assert told(journal)[2:] == [("withdrawn", "a"), ("withdrawn", "b")]
    assert statuses(journal, "a", "b") == ["no_evidence", "no_evidence"]
    assert not journal.learners["school", "ada"].crosswalked


STRICTER = policy_from({"id": "s", "method": {"type": "streak", "n": 2}, "decision": {"latch": "first_crossing"}})


@pytest.mark.parametrize(
    "loss", [[retract(shown(1, "a"), shown(2, "b"))], [Decided(STRICTER, mode="retroactive", batch="x")]]
)
def test_what_takes_two_equal_competencies_at_once_tells_of_each_once(loss: list[Record]):
    """Neither falls back on the credit that the other had given it before it was shown itself."""
    journal = begin(version(("a", "b", "exactMatchOf"))).fold([shown(1, "a")]).settle().fold([shown(2, "b")])
    journal.fold(loss).sweep().settle()

    assert told(journal)[2:] == [("mastered", "b"), ("withdrawn", "a"), ("withdrawn", "b")]
    assert not journal.learners["school", "ada"].crosswalked
    journal.fold([shown(3, "a"), shown(4, "a")]).settle()
    assert told(journal)[5:] == [("mastered", "a"), ("credited", "b")]


def test_credit_by_itself_credits_nothing_further_and_a_split_is_a_matter_for_a_person():
    chain = begin(version(("a", "b", "exactMatchOf"), ("b", "c", "exactMatchOf"))).fold([shown(1, "a")]).settle()
    split = begin(version(("a", "b", "replacedBy"), ("a", "c", "replacedBy"))).fold([shown(1, "a")]).settle()

    assert told(chain) == [("mastered", "a"), ("credited", "b")]
    assert told(split) == [("mastered", "a")]


def test_a_version_that_replaces_a_standard_credits_its_successor_and_going_back_undoes_it():
    first, second = version(), version(("a", "b", "replacedBy"), codes=("b", "c", "d"), retired=("a",))
    journal = begin(first).fold([shown(1, "a")]).settle()
    journal.fold([Decided(framework=second)]).sweep().settle()
    assert statuses(journal, "a", "b") == ["mastered", "credited"]

    journal.fold([Decided(framework=first)]).sweep().settle()

    assert statuses(journal, "a", "b") == ["mastered", "no_evidence"]
    assert told(journal) == [("mastered", "a"), ("credited", "b"), ("withdrawn", "b")]


def test_a_version_in_which_what_was_replaced_is_not_even_listed_leaves_the_credit():
    second = version(("a", "b", "replacedBy"), codes=("b", "c", "d"), retired=("a",))
    journal = begin(version()).fold([shown(1, "a")]).fold([Decided(framework=second)]).sweep().settle()
    journal.fold([Decided(framework=version(codes=("b", "c")))]).sweep().settle()

    assert statuses(journal, "b") == ["credited"]


def test_a_standard_whose_code_changes_is_credited_under_the_new_one():
    renamed = Framework("f", "F", (Competency("x", "x", 0, identifier="id-a"),), ())
    journal = begin(version()).fold([shown(1, "a")]).fold([Decided(framework=renamed)]).sweep().settle()

    assert statuses(journal, "a", "x") == ["mastered", "credited"]


def test_another_reason_keeps_the_credit_and_a_persons_own_credit_stays():
    two_ways = version(("a", "c", "exactMatchOf"), ("b", "c", "exactMatchOf"))
    journal = begin(two_ways).fold([shown(1, "a"), shown(2, "b")]).settle()
    journal.fold([retract(shown(1, "a"))]).settle()
    assert statuses(journal, "c") == ["credited"]

    transfer = CompetencyDecided("ada", "f:c", "credit", "registrar", "r", "transfer", "from elsewhere")
    journal.fold([transfer]).fold([retract(shown(2, "b"))]).settle()

    assert statuses(journal, "c") == ["credited"]
    assert [each for each in told(journal) if each[1] == "c"] == [("credited", "c")]


@pytest.mark.parametrize("lifted_first", [True, False])
def test_a_persons_credit_and_that_of_a_crosswalk_stand_beside_each_other_and_each_goes_alone(lifted_first: bool):
    by_hand = CompetencyDecided("ada", "f:b", "credit", "counselor", "c-1", "transfer")
    journal = begin(version(("a", "b", "exactMatchOf"))).fold([shown(1, "a")]).settle().fold([by_hand])
    lift = CompetencyDecided("ada", "f:b", "lift", "counselor", "c-1", "transfer", undoes="input-5")
    ends: list[Record] = [lift, retract(shown(1, "a"))]

    for each, last in zip(ends if lifted_first else ends[::-1], (False, True), strict=True):
        journal.fold([each]).settle()
        assert statuses(journal, "b") == (["no_evidence"] if last else ["credited"])
    assert told(journal).count(("withdrawn", "b")) == 1


def test_what_a_person_has_lifted_is_not_credited_again_by_more_of_the_same():
    journal = begin(version(("a", "c", "exactMatchOf"), ("b", "c", "exactMatchOf"))).fold([shown(1, "a")]).settle()
    [credit] = [event.data["cause"]["id"] for event in journal.told if event.data["scope"]["code"] == "c"]
    journal.fold([CompetencyDecided("ada", "f:c", "lift", "teacher", "t", "override", "not so", undoes=credit)])
    journal.fold([shown(2, "b")]).settle()

    assert statuses(journal, "c") == ["no_evidence"]


edges = st.lists(
    st.tuples(st.sampled_from(CODES), st.sampled_from(CODES), st.sampled_from(["exactMatchOf", "replacedBy"])).filter(
        lambda edge: edge[0] != edge[1]
    ),
    max_size=5,
    unique=True,
)


@given(before=edges, after=edges, seed=st.integers(0, 10_000))
def test_at_the_end_a_competency_is_credited_where_something_that_was_shown_credits_it(
    before: list[Any], after: list[Any], seed: int
):
    """Whatever was shown, lost and found again, and whichever crosswalks were in force on the way."""
    chance = random.Random(seed)
    journal, seen, valid = begin(version(*before)), set[str](), set[str]()
    for n, code in enumerate(chance.choices(CODES, k=12)):
        work = shown(CODES.index(code), code)
        change = retract if code in valid else restore
        journal.fold([change(work, by=f"r{n}") if code in seen else work])
        seen.add(code)
        valid ^= {code}
        if n == 6:
            journal.fold([Decided(framework=version(*after))]).sweep()
        if chance.random() < 0.5:
            journal.settle()
    journal.settle()
    gives = links([version(*after)]).gives
    expected = {other.partition(":")[2] for code in valid for other in gives.get(f"f:{code}", ())} - valid
    credited = {key[2].partition(":")[2] for key, value in journal.values().items() if value[0] == "credited"}

    assert credited == expected
    assert len({event.id for event in journal.told}) == len(journal.told)


def test_what_was_shown_and_is_credited_meanwhile_is_reinstated_with_its_date_once_its_loss_is_undone():
    """Also where that credit is lost in between; of each it is told once, and the episode goes on."""
    early, late = shown(1, "a"), piece(2, competency="f:b", day=2)
    journal = begin(version(("a", "b", "exactMatchOf"))).fold([early]).settle().fold([late]).settle()
    journal.fold([retract(late)]).settle().fold([retract(early, by="r3")]).settle()
    journal.fold([restore(late)]).settle()
    of_b = [event for event in journal.told if event.data["scope"]["code"] == "b"]
    first, back = of_b[1].data, of_b[-1].data

    assert [each for each in told(journal) if each[1] == "b"] == [
        ("credited", "b"), ("mastered", "b"), ("withdrawn", "b"), ("reinstated", "b"), ("withdrawn", "b"), ("reinstated", "b"),
    ]  # fmt: skip
    assert back["effective_at"] == first["effective_at"] == late.occurred_at
    assert back["original"] == of_b[1].id
