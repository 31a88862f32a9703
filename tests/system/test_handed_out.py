"""What is handed out whole after some random school years, held against a second telling; also of rebuilt read models."""

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.support.ags_platform import AgsPlatform, ags_platform
from tests.support.receiver import Receiver, receiving
from tests.system.conftest import Attain
from tests.system.district import ZERO, District
from tests.system.exporting import Exports, Readers, kind_of
from tests.system.handing_out import Ended, Gradebook, hold_forgotten, hold_tables, hold_terms, hold_transcript
from tests.system.history import ZONE, LongHistory
from tests.system.leaving import Subscriber
from tests.system.test_told_again import rebuild


@pytest.fixture
def platform() -> Iterator[AgsPlatform]:
    with ags_platform() as platform:
        yield platform


@pytest.fixture
async def hooks() -> AsyncIterator[Sequence[Receiver]]:
    async with receiving(Receiver(lambda _: "take")) as one, receiving(Receiver(lambda _: "take")) as other:
        yield one, other


class Told:
    """A district with a random history, and all that is held against it."""

    def __init__(
        self, stack: Stack, attain: Attain, platform: AgsPlatform, hooks: Sequence[Receiver], folder: Path, seed: int
    ) -> None:
        self.district = District(stack, f"handed{seed}")
        self.history = LongHistory(self.district, seed)
        self._chance = random.Random(seed)
        self._subscriber = Subscriber(self.district, ZONE)
        self._telling = Ended(self.district)
        self._hooks = hooks
        self._gone: set[str] = set()
        self._readers = Readers(self.district, seed, hooks)
        self._gradebook = Gradebook(
            self.district, attain, platform, folder, self._chance.choice(("advanced", "provisional"))
        )
        self._exports = Exports(self.district, self.history, self._readers)

    async def begin(self) -> "Told":
        await self.history.open()
        await self._readers.begin()
        return self

    async def go_on(self, steps: int) -> None:
        """Let things happen, with readers between."""
        for _ in range(steps):
            await self.history.go_on(1)
            await self._readers.read(list(self.history.learners.values()))

    async def erase(self) -> None:
        """Forget somebody, with whoever is the same."""
        ids = dict(self.history.learners)
        self._gone |= {ids[name] for name in await self.history.erase()}

    async def hold(self) -> None:
        """Hold everything that is handed out, and that nothing is of who is forgotten but that they are."""
        await self.hold_gradebook()
        await hold_terms(self.district, self._telling, self._subscriber)
        await hold_tables(self.district, self._telling, self._subscriber)
        for learner in self._telling.learners():
            await hold_transcript(self.district, self._subscriber, learner)
        await self._exports.hold(self._subscriber)
        await hold_forgotten(self.district, self._gone)
        for hook in self._hooks:
            told = {request.learner for request in hook.taken if kind_of(request.event) == "learner.erased"}
            assert told == self._gone

    async def hold_gradebook(self) -> None:
        """Pass standings back and hold the scores."""
        await self.district.drained()
        await self._subscriber.hear()
        await self._telling.hear()
        names = {name: await self.district.learner(name) for name in self.history.names}
        self._gradebook.hold(self._subscriber, self._telling, names)


async def test_what_is_handed_out_is_what_was_told(
    stack: Stack, attain: Attain, platform: AgsPlatform, hooks: Sequence[Receiver], tmp_path: Path
):
    told = await Told(stack, attain, platform, hooks, tmp_path, 3).begin()
    await told.go_on(10)
    await told.erase()
    await told.hold()
    await told.district.close()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(40, 50))
async def test_so_it_is_of_rebuilt_read_models(
    stack: Stack, attain: Attain, platform: AgsPlatform, hooks: Sequence[Receiver], tmp_path: Path, seed: int
):
    told = await Told(stack, attain, platform, hooks, tmp_path, seed).begin()
    for _ in range(3):
        await told.go_on(10)
        await told.hold_gradebook()
    await told.hold()
    await told.erase()
    await told.go_on(5)
    await rebuild(told.district)
    await told.hold()
    verified = await told.district.verify()

    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await told.district.close()
