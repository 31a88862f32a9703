"""The stack is broken in every way while evidence comes in; once healed, it is found to have kept every promise."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults import disk_faults
from tests.faults.cluster import Cluster
from tests.faults.nemeses import Nemesis, can_fake_clocks, rage, single_broker, three_brokers
from tests.faults.run import Run
from tests.faults.verdict import Verdict

RAGE_S = 12.0
HOLD_S = 1.0
ZOMBIES_MAX = 3
"""Not each has something in hand when it is stopped."""
FAULTS = single_broker()
OF_THREE = three_brokers()
CHOSEN = (
    "kill kafka",
    "kill postgres",
    "half-open evidence-postgres",
    "half-open progression-kafka",
    "slow progression-postgres",
    "lose all topics",
    "refuse large records of evidence",
    "end the sessions of progression",
    "time out the statements of evidence",
    "deadlock progression",
    "keep a transaction open in progression",
)
"""One of each kind, where it hurts most: what every change is held to. All together is long."""


async def _broken(run: Run, name: str, nemesis: Nemesis, hold_s: float = HOLD_S) -> Verdict:
    """Break the stack under load, heal it, and judge; return the verdict on all of the run so far, which is good."""
    run.load.start()
    await asyncio.sleep(0.3)
    async with run.fault(name, nemesis.fault(run)):
        await asyncio.sleep(hold_s)
    await run.load.stop()
    verdict = await run.judge()

    assert verdict.ok, verdict
    return verdict


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in CHOSEN else pytest.mark.long) for name in FAULTS]
)
async def test_once_healed_nothing_is_lost_doubled_or_out_of_order(name: str, run: Run):
    await _broken(run, name, FAULTS[name])


@pytest.fixture(scope="module")
async def run_of_three(cluster_of_three: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """A load on the stack with three brokers."""
    made = Run(cluster_of_three, Path(tmp_path_factory.mktemp("histories")), "three")
    await made.load.prepare()
    yield made
    await made.close()


@pytest.mark.long
@pytest.mark.parametrize("name", OF_THREE)
async def test_once_healed_three_brokers_have_kept_all(name: str, run_of_three: Run):
    await _broken(run_of_three, name, OF_THREE[name], OF_THREE[name].hold_s[0])


@pytest.mark.long
async def test_a_zombie_is_fenced_and_changes_nothing(run: Run):
    before = 0
    for _ in range(ZOMBIES_MAX):
        verdict = await _broken(run, "zombie progression", FAULTS["zombie progression"])
        if verdict.fences_lost > before:
            return
        before = verdict.fences_lost

    pytest.fail("no zombie was refused a commit")


FULL_DISKS = {
    "fill the disk of evidence": Nemesis(partial(disk_faults.log_full, service="evidence"), (1.0, 1.0)),
    "fill the disk of PostgreSQL": Nemesis(disk_faults.server_full, (2.0, 2.0)),
}
"""The second is held long enough for a server that ends to be started again in vain."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name.endswith("PostgreSQL") else ()) for name in FULL_DISKS]
)
async def test_a_full_disk_refuses_evidence_until_there_is_room(name: str, run: Run, tmp_path: Path):
    if not disk_faults.can_mount(tmp_path):
        pytest.skip("a small disk can be mounted by root alone, and not in every container")
    before = run.load.asked_again
    await _broken(run, name, FULL_DISKS[name], FULL_DISKS[name].hold_s[0])

    assert run.load.asked_again > before


def test_clocks_can_be_set_wrong_here():
    if not can_fake_clocks():
        pytest.skip("libfaketime is not installed (Debian: faketime), so no fault sets a clock wrong")

    assert FAULTS.keys() >= {"skew the clock of progression", "put back the clock of progression"}


async def test_random_faults(run: Run):
    seed = os.environ.get("SEED") or secrets.token_hex(4)
    run.load.start()
    await rage(run, FAULTS, RAGE_S, random.Random(seed))
    await run.load.stop()
    verdict = await run.finish()

    assert verdict.ok, f"SEED={seed}: {verdict}"
