import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import stack
from tests.support.homes import fresh_home


@pytest.fixture(scope="session", autouse=True)
def own_settings() -> Iterator[None]:
    """What a developer has set for another stack must not reach the stacks of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ATTAIN_") and "_TEST_" not in name]:
            patch.delenv(name)
        yield


@pytest.fixture
def new_home() -> Iterator[Path]:
    """A home that does not exist yet, in a folder that other users may enter; nothing of it is left afterwards."""
    with fresh_home() as home:
        yield home


@pytest.fixture(scope="module")
def kept_home() -> Iterator[Path]:
    with fresh_home() as home:
        yield home


@pytest.fixture
def home(kept_home: Path) -> Iterator[Path]:
    """A home on which nothing runs; it may have been used before, which saves the making of a data directory."""
    yield kept_home
    stack.stop(kept_home)


@pytest.fixture(scope="package")
def servers() -> Iterator[stack.Stack]:
    """Kafka and PostgreSQL, started on a home in which a crash has left everything half made."""
    with fresh_home() as home:
        for left in ("kafka/data", "kafka/data.new", "postgres/data.new"):
            (home / left).mkdir(parents=True)
            (home / left / ".lock").touch()
        home.chmod(0o711)
        yield stack.start(home, services=False, owner=os.getpid())
