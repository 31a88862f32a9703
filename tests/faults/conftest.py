"""The stack that these tests break: one for all of them, beside the session's, which stays whole."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local import stack
from tests.conftest import MODE
from tests.faults.cluster import Cluster, new_folder
from tests.faults.run import Run


@pytest.fixture(scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    """Kafka, PostgreSQL and the services, with a proxy in every link."""
    if MODE != "embedded":
        pytest.skip(f"servers that are {MODE} cannot be killed from here; ATTAIN_TEST_STACK=embedded can")
    folder = new_folder()
    broken = Cluster(folder / "home")
    try:
        await broken.start()
        yield broken
    finally:
        await broken.stop()
        stack.reset(folder / "home")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
async def run(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """A load on the stack, as a tenant of its own, that can be started, stopped and judged again and again."""
    made = Run(cluster, Path(tmp_path_factory.mktemp("histories")), "faults")
    await made.load.prepare()
    yield made
    made.history.close()
