"""The whole product: the session's stack, seen as a user sees it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.support.servers import Servers

Attain = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def stack(servers: Servers) -> Stack:
    """The running stack of this session."""
    assert servers.stack is not None
    return servers.stack


@pytest.fixture(scope="session")
def attain(stack: Stack) -> Attain:
    """The command `attain`, run as a process against the session's stack; returns what `--json` prints."""

    def run(*arguments: str, tenant: str | None = None, timeout_s: float = 240) -> dict[str, Any]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ATTAIN_")}
        command = [sys.executable, "-m", "deploy.local", *arguments, "--home", str(stack.home), "--json"]
        command += ["--tenant", tenant] if tenant is not None else []
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment)
        assert done.stdout, done.stderr[-2000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer | {"exit": done.returncode}

    return run
