"""A service is killed at every named point between two durable steps, once, and nothing is lost or done twice."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.topics import ADVANCEMENT
from tests.faults.cluster import Cluster
from tests.faults.formats import align_anew, send_grade
from tests.faults.people import Deed, credited, expired, overridden, signed_off
from tests.faults.reading import audited
from tests.faults.run import Run
from tests.faults.stimuli import Side, new_side

TREE = Path(__file__).parents[2]
REACHED_S_MAX = 30.0
FILLING = 2_500
"""Items before the first crash: a rebuild of fewer is one page."""
BURST = 90
EVIDENCE, PROGRESSION, REPORTING = ("evidence",), ("progression",), ("reporting",)
RELAYS, ALL = EVIDENCE + PROGRESSION, EVIDENCE + PROGRESSION + REPORTING
DECIDING = ("judgement.decided", "judgement.committed")
FOLDING = ("consumer.moved", "fold.journalled", "fold.saved", "consumer.committed")
Stimulus = Callable[[Side], Awaitable[object]]


class Point(NamedTuple):
    """Which services die there, and what leads there beside a burst of evidence."""

    services: tuple[str, ...]
    stimulus: Stimulus | None = None


async def _lose_topic(side: Side) -> None:
    await side.lose_topic(ADVANCEMENT)


async def _judge(side: Side) -> None:
    async with credited(side):
        pass


async def _restart(side: Side) -> None:
    for service in ALL:
        side.cluster.kill(service)


POINTS = {
    "evidence.identified": Point(EVIDENCE, Side.import_roster),
    "evidence.appended": Point(EVIDENCE),
    "evidence.stored": Point(EVIDENCE),
    "evidence.committed": Point(EVIDENCE),
    "intake.taken": Point(EVIDENCE, Side.quarantine),
    "intake.quarantined": Point(EVIDENCE, Side.quarantine),
    "intake.offsets_committed": Point(EVIDENCE),
    "formats.revised": Point(EVIDENCE, send_grade),
    "alignment.stored": Point(EVIDENCE, align_anew),
    "realign.appended": Point(EVIDENCE, align_anew),
    "merge.appended": Point(EVIDENCE, Side.merge),
    "merge.undone": Point(EVIDENCE, Side.merge),
    "parked.taken": Point(EVIDENCE, Side.flow_parked),
    "redrive.taken": Point(EVIDENCE, Side.redrive),
    "roster.appended": Point(EVIDENCE, Side.import_roster),
    "roster.committed": Point(EVIDENCE, Side.import_roster),
    "rollover.appended": Point(EVIDENCE, Side.roll_over),
    "erasure.in_ledger": Point(EVIDENCE, Side.erase),
    "erasure.redacted": Point(EVIDENCE, Side.erase),
    "erasure.committed": Point(EVIDENCE, Side.erase),
    "log.heads_moved": Point(RELAYS),
    "relay.handed": Point(RELAYS),
    "relay.sent": Point(RELAYS),
    "relay.stored": Point(RELAYS),
    "relay.lowered": Point(PROGRESSION, _lose_topic),
    "consumer.claimed": Point(ALL, _restart),
    "consumer.moved": Point(ALL, Side.publish_framework),
    "consumer.written": Point(ALL, Side.publish_framework),
    "consumer.committed": Point(ALL, Side.publish_framework),
    "consumer.offsets_committed": Point(ALL),
    "policy.decided": Point(PROGRESSION, Side.set_policy),
    "policy.committed": Point(PROGRESSION, Side.set_policy),
    "framework.decided": Point(PROGRESSION, Side.publish_framework),
    "framework.committed": Point(PROGRESSION, Side.publish_framework),
    "judgement.decided": Point(PROGRESSION, _judge),
    "judgement.committed": Point(PROGRESSION, _judge),
    "fold.journalled": Point(PROGRESSION),
    "fold.saved": Point(PROGRESSION),
    "rebuild.begun": Point(REPORTING, Side.rebuild),
    "rebuild.copied": Point(REPORTING, Side.rebuild),
    "rebuild.switched": Point(REPORTING, Side.rebuild),
    "rebuild.live": Point(REPORTING, Side.rebuild),
}


@pytest.fixture(scope="module")
async def filled(run: Run) -> Run:
    """The load, which has sent enough that a rebuild takes several pages, and goes on in bursts."""
    run.load.start(items=FILLING)
    await run.load.finished()
    return run


@pytest.fixture(scope="module")
async def side(cluster: Cluster) -> AsyncIterator[Side]:
    """A tenant for what the load does not do."""
    made = new_side(cluster)
    yield made
    await made.close()


def test_every_point_in_the_source_is_in_the_table():
    files = [file for part in ("shared", "services") for file in (TREE / part).rglob("*.py")]
    points = [point for file in files for point in re.findall(r'\breach\("([^"]+)"\)', file.read_text())]

    assert sorted(points) == sorted(POINTS)


def test_the_page_names_every_point():
    page = (TREE / "docs" / "faults.md").read_text()

    assert set(re.findall(r"`([a-z_]+\.[a-z_]+)`", page)) >= set(POINTS)


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_a_point_nothing_is_lost_or_done_twice(point: str, cluster: Cluster, filled: Run, side: Side):
    services, stimulus = POINTS[point]
    pids = {service: cluster.pids[service] for service in services}
    armed = [cluster.arm(service, point) for service in services]
    filled.load.start(items=BURST)
    if stimulus is not None:
        await stimulus(side)
    await filled.load.finished()
    async with asyncio.timeout(REACHED_S_MAX):
        while any(file.exists() for file in armed) or any(cluster.pids[s] == pid for s, pid in pids.items()):
            await asyncio.sleep(0.05)
    filled.healed()
    await cluster.ready(*services)
    verdict = await filled.judge()

    assert verdict.ok, verdict


@pytest.mark.parametrize(
    ("deed", "point"),
    [
        *((signed_off, point) for point in (*DECIDING, *FOLDING)),
        (expired, "fold.journalled"),
        *(
            # They take the way of a sign-off or, for what expires, of that one.
            pytest.param(deed, point, marks=pytest.mark.long)
            for deed, points in ((overridden, DECIDING + FOLDING), (credited, DECIDING + FOLDING), (expired, FOLDING))
            for point in points
            if (deed, point) != (expired, "fold.journalled")
        ),
    ],
)
async def test_what_people_decide_and_time_does_is_told_once(
    deed: Deed, point: str, cluster: Cluster, run: Run, side: Side
):  # fmt: skip
    async with deed(side):
        pid, armed = cluster.pids["progression"], cluster.arm("progression", point)

    assert not armed.exists()
    assert cluster.pids["progression"] != pid
    await run.drained()
    findings = await asyncio.to_thread(audited, cluster, side.tenant)
    assert findings.ok, findings
