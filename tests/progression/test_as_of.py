"""As of an earlier moment: a function of what the journal had by then, whatever came later and however it is read."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.as_of import explain_as_of
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.inputs import Input, input_of
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Activation
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.telling import Trigger
from shared.contracts.internal_events import EvidenceRecorded
from shared.errors import Refused
from tests.support.journal import TENANT, Decided, Journal, Record, retract
from tests.support.policies import policies, random_work

KEY = (TENANT, "ada", "math:add")
seeds = st.integers(0, 10_000)


def time_of(pos: int) -> str:
    return f"2026-04-01T00:00:{pos:02}.000000Z"


def history(seed: int, count: int, first: Policy, second: Policy) -> list[Record]:
    """Return a learner's journal out of order: work, a sign-off, an override, retractions, and a second policy."""
    chance = random.Random(seed)
    work = random_work(seed, count)
    more: list[Record] = [
        CompetencyDecided("ada", "math:add", "sign_off", "teacher", "t", "sign_off"),
        CompetencyDecided("ada", "math:add", "override", "teacher", "t", "override", "seen", "mastered"),
        *(retract(each, by=each.id) for each in chance.sample(work, count // 4)),
        Decided(second),
    ]
    records: list[Record] = chance.sample([*work, *more], len(work) + len(more))
    return [Decided(first), *records]


def journalled(records: list[Record]) -> tuple[list[Input], list[Activation]]:
    """Return what a journal of these records has of the key, a second apart."""
    inputs: list[Input] = []
    activations: list[Activation] = []
    for pos, record in enumerate(records, start=1):
        if isinstance(record, Decided):
            cause = Trigger(f"decision-{pos}", pos, time_of(pos), "policy")
            activations.append(Activation(len(activations) + 1, cause, record.of, record.policy))
        else:
            id = record.evidence_id if isinstance(record, EvidenceRecorded) else f"input-{pos}"
            inputs.append(input_of(TENANT, id, pos, time_of(pos), record))
    return inputs, activations


@given(seed=seeds, count=st.integers(2, 14), first=policies(), second=policies(), data=st.data())
def test_what_came_later_does_not_change_what_was_so(
    seed: int, count: int, first: Policy, second: Policy, data: st.DataObject
):
    inputs, activations = journalled(history(seed, count, first, second))
    then = time_of(data.draw(st.integers(0, len(inputs) + len(activations) + 1)))
    by_then = ([i for i in inputs if i.time <= then], [a for a in activations if a.trigger.time <= then])

    assert explain_as_of(KEY, inputs, activations, then) == explain_as_of(KEY, *by_then, then)
    if not by_then[0]:
        assert explain_as_of(KEY, inputs, activations, then) is None


@given(seed=seeds, count=st.integers(2, 14), first=policies(), second=policies(), data=st.data())
def test_it_does_not_matter_in_which_order_the_journal_is_read(
    seed: int, count: int, first: Policy, second: Policy, data: st.DataObject
):
    inputs, activations = journalled(history(seed, count, first, second))
    shuffled: Any = data.draw(st.permutations(inputs))

    assert explain_as_of(KEY, shuffled, activations[::-1], None) == explain_as_of(KEY, inputs, activations, None)


@given(seed=seeds, count=st.integers(2, 14), first=policies(), second=policies())
def test_now_is_what_the_fold_has(seed: int, count: int, first: Policy, second: Policy):
    records = history(seed, count, first, second)
    state = Journal().fold(records).sweep().state()
    found = explain_as_of(KEY, *journalled(records), None)

    assert found is not None
    shown = found.explanation
    assert (shown.status, shown.score, found.policy) == (state.status, state.score, state.policy)


def test_of_whom_an_input_raises_nothing_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was folded before would be told as if nothing had come: no evidence, and three more pieces missing."""
    inputs, activations = journalled(list(random_work(1, 4)))
    monkeypatch.setattr(ShardFold, "_fold_key", lambda *_: 1 / 0)

    with pytest.raises(Refused, match="cannot be folded: ZeroDivisionError"):
        explain_as_of(KEY, inputs, activations, None)
