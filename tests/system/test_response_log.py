"""A whole real response log: its mastered pairs whatever the order, the repetition and the batches."""

import random
from collections.abc import AsyncIterator

import msgspec
import pytest

from deploy.local.files.responses import ResponseLog
from deploy.local.stack import Stack
from tests.support.shared_data import expected_counts, shared_file
from tests.system.district import District, Item
from tests.system.test_spine import cut, kinds

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
NAME = "assist09_builder_train"
DRAINED_S = 300.0


@pytest.fixture(scope="module")
def log() -> ResponseLog:
    return ResponseLog(shared_file(f"data/responses/{NAME}.csv.gz"))


@pytest.fixture(scope="module")
def items(log: ResponseLog) -> list[Item]:
    return [msgspec.json.decode(line) for line in log.evidence()]


@pytest.fixture(scope="module")
async def in_order(stack: Stack, log: ResponseLog, items: list[Item]) -> AsyncIterator[District]:
    """A tenant that got the log once, in the order of the file."""
    district = await District(stack, "log-in-order").open(log.framework, log.survey().nodes_csv())
    for batch in cut(items, [5000]):
        await district.send(batch)
    await district.drained(DRAINED_S)
    yield district
    await district.close()


async def test_in_order_the_mastered_pairs_are_those_counted_by_others(in_order: District) -> None:
    expected = expected_counts(NAME)
    states = in_order.shown()

    assert len(states) == expected["student_skill_pairs"]
    assert sum(state[0] == "mastered" for state in states.values()) == expected["pairs_3_consecutive_correct"]
    assert kinds(await in_order.advancements()) == {"mastered": expected["pairs_3_consecutive_correct"]}


async def test_interleaved_learners_sent_twice_in_batches_of_any_size_end_in_the_same(
    stack: Stack, in_order: District, log: ResponseLog, items: list[Item]
) -> None:
    chance = random.Random(11)
    by_learner: dict[str, list[Item]] = {}
    for item in items:
        by_learner.setdefault(item["learner"], []).append(item)
    turns = [learner for learner, own in by_learner.items() for _ in own]
    chance.shuffle(turns)
    queues = {learner: iter(own) for learner, own in by_learner.items()}
    mixed = [next(queues[learner]) for learner in turns]
    sizes = [1, *(chance.randint(1, 5000) for _ in range(400))]
    district = await District(stack, "log-mixed").open(log.framework, log.survey().nodes_csv())
    for batch in cut(mixed, sizes):
        await district.send(batch)
    for batch in cut(mixed, [5000]):
        assert {item["status"] for item in await district.send(batch)} == {"duplicate"}
    await district.drained(DRAINED_S)

    assert district.digest() == in_order.digest()
    assert kinds(await district.advancements()) == kinds(await in_order.advancements())
    await district.close()


async def test_fully_shuffled_it_ends_in_the_same_states(
    stack: Stack, in_order: District, log: ResponseLog, items: list[Item]
) -> None:
    district = await District(stack, "log-shuffled").open(log.framework, log.survey().nodes_csv())
    for batch in cut(random.Random(13).sample(items, len(items)), [5000]):
        await district.send(batch)
    await district.drained(DRAINED_S)
    told = kinds(await district.advancements())

    assert district.digest() == in_order.digest()
    assert (
        told["mastered"] + told["reinstated"] - told["withdrawn"]
        == expected_counts(NAME)["pairs_3_consecutive_correct"]
    )
    await district.close()
