"""A service is killed at every named point between two durable steps, once, and nothing is lost or done twice."""

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shared.crash_points import VARIABLE
from shared.topics import ADVANCEMENT
from tests.faults.cluster import Cluster
from tests.faults.followers import adopt, deliver, follow_by_a_shadow, sign, take_up_again
from tests.faults.formats import align_anew, hand_in, send_grade
from tests.faults.people import Deed, chosen, credited, expired, overridden, signed_off
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
    """Which services die there, what leads there beside a burst of evidence, and whether every change is held to it."""

    services: tuple[str, ...]
    stimulus: Stimulus | None = None
    always: bool = True


async def _lose_topic(side: Side) -> None:
    await side.lose_topic(ADVANCEMENT)


async def _judge(side: Side) -> None:
    async with chosen(side):
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
    "rollover.undone": Point(EVIDENCE, Side.roll_over, False),
    "handed_in.noted": Point(EVIDENCE, hand_in, False),
    "handed_in.committed": Point(EVIDENCE, hand_in, False),
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
    "adoption.approved": Point(PROGRESSION, adopt, False),
    "adoption.decided": Point(PROGRESSION, adopt, False),
    "adoption.committed": Point(PROGRESSION, adopt, False),
    "apart.redriven": Point(PROGRESSION, take_up_again, False),
    "apart.folded": Point(PROGRESSION, take_up_again, False),
    "webhook.sent": Point(PROGRESSION, deliver, False),
    "webhook.stored": Point(PROGRESSION, deliver, False),
    "shadow.saved": Point(PROGRESSION, follow_by_a_shadow, False),
    "shadow.followed": Point(PROGRESSION, follow_by_a_shadow, False),
    "fold.journalled": Point(PROGRESSION),
    "fold.saved": Point(PROGRESSION),
    "rebuild.begun": Point(REPORTING, Side.rebuild),
    "rebuild.copied": Point(REPORTING, Side.rebuild),
    "rebuild.switched": Point(REPORTING, Side.rebuild),
    "rebuild.live": Point(REPORTING, Side.rebuild),
    "credential.placed": Point(REPORTING, sign, False),
    "credential.committed": Point(REPORTING, sign, False),
}
RESTORE = "restore.raised"
"""No service's: it is reached between one database and the next, while all of them are stopped."""
RESHARD = ("reshard.{service}_split", "reshard.{service}_done", "reshard.topics_done")
"""As the source has them; no service's either: tests/system/test_reshard.py."""


@pytest.fixture(scope="module")
async def side(cluster: Cluster) -> AsyncIterator[Side]:
    """A tenant for what the load does not do."""
    made = new_side(cluster)
    yield made
    await made.close()


def test_every_point_in_the_source_is_in_the_table():
    files = [file for part in ("shared", "services", "deploy") for file in (TREE / part).rglob("*.py")]
    points = [point for file in files for point in re.findall(r'\breach\(f?"([^"]+)"\)', file.read_text())]

    assert sorted(points) == sorted([*POINTS, RESTORE, *RESHARD])


def test_the_page_names_every_point():
    page = (TREE / "docs" / "faults.md").read_text()
    resharding = {point.format(service=service) for point in RESHARD for service in ALL}

    assert set(re.findall(r"`([a-z_]+\.[a-z_]+)`", page)) >= {*POINTS, RESTORE, *resharding}


async def _fill(run: Run) -> None:
    """Send enough that a rebuild takes several pages; not before it has to, for each verdict reads all that was sent."""
    if run.load.acknowledged < FILLING:
        run.load.start(items=FILLING)
        await run.load.finished()


def _held_to(way: tuple[str, Point]) -> Any:
    name, point = way
    return pytest.param(name, point, id=name, marks=() if point.always else pytest.mark.long)


@pytest.mark.parametrize(
    ("point", "where"),
    [
        *map(_held_to, POINTS.items()),
        *(
            pytest.param(point, Point(REPORTING, Side.roll_back), id=f"{point}-back", marks=pytest.mark.long)
            for point in ("rebuild.begun", "rebuild.switched", "rebuild.live")
        ),
    ],
)
async def test_killed_at_a_point_nothing_is_lost_or_done_twice(
    point: str, where: Point, cluster: Cluster, run: Run, side: Side
):  # fmt: skip
    services, stimulus, _ = where
    if stimulus in (Side.rebuild, Side.roll_back):
        await _fill(run)
    pids = {service: cluster.pids[service] for service in services}
    armed = [cluster.arm(service, point) for service in services]
    run.load.start(items=BURST)
    if stimulus is not None:
        await stimulus(side)
    await run.load.finished()
    async with asyncio.timeout(REACHED_S_MAX):
        while any(file.exists() for file in armed) or any(cluster.pids[s] == pid for s, pid in pids.items()):
            await asyncio.sleep(0.05)
    run.healed()
    await cluster.ready(*services)
    verdict = await run.judge()

    assert verdict.ok, verdict


@pytest.mark.long
async def test_a_restore_that_was_cut_off_is_made_good_by_the_next(cluster: Cluster, run: Run, tmp_path: Path):
    armed = tmp_path / RESTORE
    armed.touch()
    async with contextlib.AsyncExitStack() as down:
        for service in ALL:
            await down.enter_async_context(cluster.down(service))
        cut_off = await cluster.restored({VARIABLE: str(tmp_path)})
        half = [await cluster.generations(service) for service in RELAYS]
        done = await cluster.restored({})
        whole = [await cluster.generations(service) for service in RELAYS]
        assert (cut_off, armed.exists(), done) == (-signal.SIGKILL, False, 0)
        assert half[0] != half[1], "killed between two databases"
        assert whole[0] == whole[1] != half[0]
    run.healed()
    await cluster.ready(*ALL)
    run.load.start(items=BURST)
    await run.load.finished()
    verdict = await run.judge()

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
