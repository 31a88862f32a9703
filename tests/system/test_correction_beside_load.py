"""The correction drill while evidence of the same learners arrives, and while what folds it is killed: a plain reading of the
evidence log says what is told of whom, and why that is not what was foreseen."""

import asyncio
import contextlib
import datetime
import json
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.stack import Stack
from shared.contracts.internal_events import EVIDENCE_RECORDED, EVIDENCE_RETRACTED
from shared.topics import SUBMITTED
from tests.bench.end_to_end import STREAK_1, Bench, paced
from tests.bench.latency import PROBES_A_S, Probes, probing
from tests.system.conftest import Attain
from tests.system.district import SOURCE, ZERO, District, Item
from tests.system.drill import FAULTY, Drill, Learner, Told
from tests.system.killing import chosen, kill

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

LEARNERS = 10_000
OFTEN = 1_000
"""Learners of whom half of what arrives is."""
RATE = 500 - PROBES_A_S
QUIET_S = 8
PATIENCE_S = 600
FIRST = datetime.datetime(2026, 3, 3, tzinfo=datetime.UTC)


class History:
    """What the evidence log says of a learner: whether three right answers in a row are there, up to each position."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.lost = self.gained = 0
        """How often three in a row were broken, and were there again."""
        self.foreseen: set[bool] = set()
        """What a preview that began and ended with the log at some position may have said: whether the learner loses."""
        self._pieces: dict[str, tuple[str, bool, bool]] = {}
        self._is_shown = False

    def read(self, type: str, data: Item, *, foreseen: bool) -> None:
        """Take in an event of the log; `foreseen` while a preview may have seen the log end here."""
        for touched in data.get("invalidates", ()):
            del self._pieces[touched["evidence_id"]]
        if type == EVIDENCE_RECORDED:
            is_faulty = data.get("activity") == FAULTY
            self._pieces[data["evidence_id"]] = (data["occurred_at"], data["score"]["raw"] == 1, is_faulty)
        was, self._is_shown = self._is_shown, self._in_a_row(faulty=True)
        self.lost += was and not self._is_shown
        self.gained += self._is_shown and not was
        if foreseen:
            self.foreseen.add(self._is_shown and not self._in_a_row(faulty=False))

    def _in_a_row(self, *, faulty: bool) -> bool:
        run = 0
        for _, is_right, is_faulty in sorted(self._pieces.values()):
            if faulty or not is_faulty:
                run = run + 1 if is_right else 0
                if run == 3:
                    return True
        return False

    def told(self) -> Counter[Told]:
        """Return what is told, but for what is told where a level is complete again."""
        each, learner = Counter[Told](), self.learner
        for code in learner.competencies:
            each["competency.withdrawn", code] = self.lost
            each["competency.mastered", code] = self.gained - 1
        if learner.advances:
            each["level.review_required", learner.level] = self.lost
            each["level.reinstated", learner.level] = self.gained - 1
        else:
            each["level.sign_off_requested", learner.level] = self.gained - 1
        return +each


def histories(drill: Drill, previewed: dict[int, int]) -> dict[str, History]:
    """Read the evidence log of a drill, of which the preview has seen nothing behind the positions of its end."""
    found = {name: History(learner) for name, learner in drill.learners.items()}
    with drill.district._sources() as sources:
        for shard, head in sources.heads(sources.evidence, "evidence").items():
            for event in sources.events(sources.evidence, "evidence", shard, head):
                if event.tenant == drill.district.tenant and event.type in (EVIDENCE_RECORDED, EVIDENCE_RETRACTED):
                    data = json.loads(bytes(event.data))
                    foreseen = event.position <= previewed[shard]
                    found[drill.names[data["learner"]]].read(event.type, data, foreseen=foreseen)
    return found


def heads(district: District) -> dict[int, int]:
    """Return where the evidence log ends."""
    with district._sources() as sources:
        return sources.heads(sources.evidence, "evidence")


@contextlib.asynccontextmanager
async def arriving(drill: Drill, seed: float) -> AsyncIterator[Counter[str]]:
    """Send evidence of the drill's learners through Kafka at a steady rate; yields how many pieces of each were sent."""
    sent: Counter[str] = Counter()

    async def send() -> None:
        chance, numbers = random.Random(seed), range(1_000_000)
        producer = AIOKafkaProducer(bootstrap_servers=drill.district.stack.kafka, acks="all", linger_ms=5)
        await producer.start()
        try:
            async for n in paced(numbers, RATE):
                learner = Learner(chance.randrange(OFTEN if n % 2 else len(drill.learners)))
                item = {
                    "id": f"live-{n}", "source": SOURCE, "learner": learner.name, "competencies": learner.competencies,
                    "score": {"raw": int(chance.random() < 0.8), "max": 1},
                    "occurred_at": (FIRST + datetime.timedelta(seconds=n)).isoformat(),
                }  # fmt: skip
                headers = [("tenant", drill.district.tenant.encode())]
                await producer.send(SUBMITTED.name(), msgspec.json.encode(item), learner.name.encode(), headers=headers)
                sent[learner.name] += 1
        finally:
            await producer.stop()

    sending = asyncio.create_task(send())
    try:
        yield sent
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending


async def offered_until(done: asyncio.Task[Item], probes: Probes, run: str) -> dict[str, float]:
    """Offer probes, a second at a time, until a task is done; return how long they took to advance."""
    second = 0
    while not done.done():
        await probes.offer(f"{run}-{second}", PROBES_A_S, 1)
        second += 1
    return await probes.took()


async def foreseen_by(district: District) -> Item:
    """Return what taking the faulty test back is foreseen to do."""
    url, selection = (
        f"{district.stack.urls['progression']}/v1/corrections/preview",
        {"source": SOURCE, "activity": FAULTY},
    )
    return dict((await district.http.post(url, json=selection, timeout=PATIENCE_S)).raise_for_status().json())


async def corrected(attain: Attain, tenant: str) -> Item:
    """Take the faulty test back, again where it was cut off."""
    while True:
        done = await asyncio.to_thread(
            attain, "correct", "--source", SOURCE, "--activity", FAULTY, "--apply", tenant=tenant, timeout_s=PATIENCE_S
        )
        if done["exit"] == 0:
            return done


async def killed(drill: Drill, position: str, services: Sequence[str], chance: random.Random) -> list[int]:
    """Kill services at random moments while what is taken back is told; return how much was told just before each."""
    found = []
    while services and not await drill.district.advancements(position):
        await asyncio.sleep(0.05)
    for service in services:
        await asyncio.sleep(chance.uniform(0.0, 1.5))
        found.append(len(await drill.district.advancements(position)))
        await kill(drill.district.stack, service)
    return found


@pytest.mark.parametrize("services", [(), ("progression", "evidence", "progression")], ids=["whole", "killed"])
async def test_a_drill_beside_load_is_told_once_each_and_differs_from_its_report_only_for_whom_evidence_came(
    stack: Stack, attain: Attain, services: tuple[str, ...]
):
    chance = chosen()
    drill = await Drill(stack, "beside", LEARNERS).open()
    district = drill.district
    bench = Bench(stack, f"probes-{secrets.token_hex(3)}")
    await bench.prepare(STREAK_1, competencies=1)
    position = await district.position()
    async with arriving(drill, chance.random()) as sent:
        async with probing(stack, bench.tenant) as probes:
            await probes.warm_up("warm", PROBES_A_S)
            await probes.offer("quiet", PROBES_A_S, QUIET_S)
            quiet = await probes.took()
        said = await foreseen_by(district)
        previewed = heads(district)
        async with probing(stack, bench.tenant) as probes:
            correcting = asyncio.create_task(corrected(attain, district.tenant))
            killing = asyncio.create_task(killed(drill, position, services, chance))
            during = await offered_until(correcting, probes, "during")
        done, told_at_kills = await correcting, await killing
    await district.drained(PATIENCE_S)
    told = drill.told(await district.advancements(position))
    found = histories(drill, previewed)
    again = await foreseen_by(district)
    verified = await district.verify()
    foreseen = Counter(drill.names[each["learner"]] for each in said["withdrawn"])
    happened = {name for name, each in told.items() if any(kind == "competency.withdrawn" for kind, _ in each)}
    different = foreseen.keys() ^ happened
    ms = {
        f"{name}_{point}": round(took[point] * 1000)
        for name, took in (("quiet", quiet), ("during", during))
        for point in took
    }
    print(
        {
            "live": sent.total(),
            "of": len(sent),
            "foreseen": len(foreseen),
            "happened": len(happened),
            "different": len(different),
            "told_at_kills": told_at_kills,
            "events": sum(map(Counter.total, told.values())),
            "sent": done["sent"],
            **ms,
        }
    )

    assert {name: each for name, history in found.items() if (each := history.told())} == told
    assert [name for name, history in found.items() if (name in foreseen) not in history.foreseen] == []
    assert different <= sent.keys()
    assert all(name in sent or told.get(name, Counter()) == each.consequences for name, each in drill.learners.items())
    assert all(foreseen[name] == len(drill.learners[name].competencies) for name in foreseen)
    assert (again["pieces"], again["events"]) == (0, {})
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await bench.http.aclose()
    await district.close()
