"""
One stack a session: real Kafka and PostgreSQL, and the three services.

`ATTAIN_TEST_STACK` chooses where the servers come from: `embedded` (default: the laptop stack in a temporary home),
`containers` (testcontainers) or `given` (`ATTAIN_TEST_KAFKA` and `ATTAIN_TEST_POSTGRES`, an administrator's URL).
"""

import functools
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

from deploy.local import stack as local_stack
from tests.support.chromium import chromium
from tests.support.homes import fresh_home
from tests.support.secrets_in_logs import shown_by
from tests.support.servers import Servers, drop_migrated, start_containers, use_given
from tests.support.span_receiver import SpanReceiver, receiving

MODE = os.environ.get("ATTAIN_TEST_STACK", "embedded")
SESSION_TIMEOUT_S = "6"
TRACE_SHARE = 0.001

# Each of the thousands of clients would read the certificates of all authorities again, which takes it 50 ms.
httpx._transports.default.create_ssl_context = functools.cache(httpx.create_ssl_context)  # type: ignore[attr-defined]

hypothesis_settings.register_profile("default", deadline=None, max_examples=60, print_blob=True)
hypothesis_settings.register_profile("large", deadline=None, max_examples=2000, print_blob=True)
hypothesis_settings.load_profile(os.environ.get("ATTAIN_TEST_PROFILE", "default"))


TOGETHER = ("tests/faults/", "tests/deploy/", "tests/system/isolation/")
"""Folders whose tests share what takes long to make."""


def pytest_report_header() -> str:
    return f"servers: {MODE} (ATTAIN_TEST_STACK=embedded|containers|given)"


def pytest_xdist_auto_num_workers() -> int:
    """Tests run in two processes with servers of their own; servers that are given are for one."""
    return 0 if MODE == "given" else 2


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]  # it is not marked as typed
    """A process runs whole files, and whole folders of those `TOGETHER`."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])


@pytest.fixture(scope="session")
def span_receiver() -> Iterator[SpanReceiver]:
    """Where the services of this session send their traces: of one piece of evidence in a thousand."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session", autouse=True)
async def migrated_once() -> AsyncIterator[None]:
    """Drop the databases of which tests have had copies."""
    yield
    await drop_migrated()


@pytest.fixture(scope="session")
def servers(span_receiver: SpanReceiver) -> Iterator[Servers]:
    """Kafka and PostgreSQL for this session, with the services' stack on top; ends with the session."""
    environment = {
        "ATTAIN_SESSION_TIMEOUT_S": SESSION_TIMEOUT_S,
        "ATTAIN_RECONCILE_S": "2",
        "ATTAIN_WEBHOOK_PRIVATE_ADDRESSES": "true",
        "ATTAIN_TRACE_ENDPOINT": span_receiver.url,
        "ATTAIN_TRACE_SHARE": str(TRACE_SHARE),
    }
    with fresh_home() as home:
        if MODE == "embedded":
            running = local_stack.start(home, owner=os.getpid(), environment=environment)
            yield Servers.of_home(running)
            _assert_no_secret_was_logged(running)
        elif MODE == "containers":
            with start_containers() as given:
                environment |= given.environment()
                running = local_stack.start(home, owner=os.getpid(), environment=environment)
                yield given.with_stack(running)
                _assert_no_secret_was_logged(running)
                local_stack.stop(home)
        elif MODE == "given":
            given = use_given()
            environment |= given.environment()
            running = local_stack.start(home, owner=os.getpid(), environment=environment)
            yield given.with_stack(running)
            _assert_no_secret_was_logged(running)
        else:
            pytest.exit(f"ATTAIN_TEST_STACK is embedded, containers or given, not {MODE!r}", returncode=2)


def _assert_no_secret_was_logged(running: local_stack.Stack) -> None:
    """Whatever the tests of the session did to the stack, none of its logs has a key, a password or a token."""
    assert shown_by(running) == []


@pytest.fixture(scope="session")
def server_addresses(servers: Servers) -> Iterator[Servers]:
    """The same, also as `ATTAIN_TEST_KAFKA` and `ATTAIN_TEST_POSTGRES` for fixtures that make their own databases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTAIN_TEST_KAFKA", servers.kafka)
        patch.setenv("ATTAIN_TEST_POSTGRES", servers.postgres)
        yield servers


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Any]:
    """Chromium, for the tests of a module; those need `needs_chromium`."""
    async with chromium() as browser:
        yield browser
