"""Validity is a function of the set of items: claims that hold for every history."""

import copy
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.evidence.domain.evidence import Relation, Submission
from services.evidence.domain.validity import Forest
from tests.evidence.builders import Store, statuses, submission, valid_ids

ITEMS = 7


@st.composite
def forests(draw: st.DrawFn) -> list[Submission]:
    """Draw items of three learners of which each names an earlier one, or none; retractions are never targets."""
    made: list[Submission] = []
    targets: list[str] = []
    for number in range(draw(st.integers(1, ITEMS))):
        id, learner = f"i{number}", draw(st.sampled_from(["L1", "L2", "L3"]))
        target = draw(st.none() | st.sampled_from(targets)) if targets else None
        if target is not None and draw(st.booleans()):
            made.append(submission(id, retracts=target))
            continue
        made.append(submission(id, learner, supersedes=target))
        targets.append(id)
    return made


def rule(items: list[Submission]) -> set[str]:
    """Return what is valid by the rule itself."""
    links: dict[str, tuple[Relation | None, str | None]] = {
        one.command.evidence_id: (one.command.relation, one.command.target) for one in items
    }
    return valid_ids(links)


def arrive(items: list[Submission], seed: int) -> Store:
    """Take items in, in a random order and random batches, some of them twice."""
    chance = random.Random(seed)
    order = items + chance.sample(items, chance.randint(0, len(items)))
    chance.shuffle(order)
    store = Store()
    while order:
        size = chance.randint(1, len(order))
        batch, order = order[:size], order[size:]
        assert not {"cycle", "conflict", "target_is_retraction"} & set(statuses(store.take(*batch)))
    return store


@settings(max_examples=300, deadline=None)
@given(forests(), st.integers())
def test_any_arrival_order_and_batching_gives_the_same_validity(items: list[Submission], seed: int) -> None:
    assert arrive(items, seed).valid() == rule(items)


@settings(max_examples=300, deadline=None)
@given(forests(), st.integers())
def test_a_reader_of_the_events_alone_believes_the_same(items: list[Submission], seed: int) -> None:
    store = arrive(items, seed)

    assert {evidence_id for evidence_id, valid in store.believed.items() if valid} == rule(items)


@settings(max_examples=300, deadline=None)
@given(forests(), st.data())
def test_what_would_count_again_is_what_then_does(items: list[Submission], data: st.DataObject) -> None:
    store = arrive(items, 1)
    before, known = store.valid(), [one.command.evidence_id for one in items if one.command.relation != "retracts"]
    chosen = data.draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    again = Forest(copy.deepcopy(list(store.pieces.values()))).uncovered_by(chosen)
    for evidence_id in chosen:
        id = next(one.command.content.id for one in items if one.command.evidence_id == evidence_id)
        store.take(submission(f"void-{id}", retracts=id))

    assert store.valid() - before == {piece.evidence_id for piece in again.values()} - set(chosen)


@settings(max_examples=100, deadline=None)
@given(forests(), st.integers())
def test_the_same_items_again_append_nothing(items: list[Submission], seed: int) -> None:
    store = arrive(items, seed)

    again = store.take(*items)

    assert again.drafts == []
    assert set(statuses(again)) == {"duplicate"}
