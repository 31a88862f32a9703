"""The command `attain`, run as a process against the addresses of an environment."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any


def attain(command: str, environment: Mapping[str, str], *arguments: str, tenant: str = "demo") -> dict[str, Any]:
    """Run a command and return what `--json` prints, with its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", command, *arguments, "--json", "--tenant", tenant],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | dict(environment),
    )  # fmt: skip
    assert done.stdout, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer | {"exit": done.returncode}
