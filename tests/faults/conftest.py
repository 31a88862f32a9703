"""The stacks that these tests break, beside the session's, which stays whole: one broker for most, three for some."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local import stack
from tests.conftest import MODE
from tests.faults.cluster import Cluster, new_folder
from tests.faults.run import Run

LOGS = Path(".faults") / "pytest-logs"
"""Where the logs of the services are when a test has failed."""


@pytest.fixture(scope="package")
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """Kafka, PostgreSQL and the services, with a proxy in every link; gone before the tests that come after these."""
    async with _started(request.session, 1) as started:
        yield started


@pytest.fixture(scope="module")
async def cluster_of_three(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """The same with three brokers and no proxies, for a client goes on from one broker to the others."""
    async with _started(request.session, 3) as started:
        yield started


@contextlib.asynccontextmanager
async def _started(session: pytest.Session, brokers: int) -> AsyncIterator[Cluster]:
    if MODE != "embedded":
        pytest.skip(f"servers that are {MODE} cannot be killed from here; ATTAIN_TEST_STACK=embedded can")
    folder = new_folder()
    failed = session.testsfailed
    started = Cluster(folder / "home", brokers=brokers)
    try:
        await started.start()
        yield started
    finally:
        await started.stop()
        if session.testsfailed > failed:
            shutil.copytree(started.home.logs, LOGS, dirs_exist_ok=True)
        stack.reset(folder / "home")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
async def run(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """A load on the stack, as a tenant of its own, that can be started, stopped and judged again and again."""
    made = Run(cluster, Path(tmp_path_factory.mktemp("histories")), "faults")
    await made.load.prepare()
    yield made
    await made.close()
