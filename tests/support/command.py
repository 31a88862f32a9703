"""The command `attain`: run as a process against the addresses of an environment, or in this process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.local.cli import main


def attain(command: str, environment: Mapping[str, str], *arguments: str, tenant: str = "demo") -> dict[str, Any]:
    """Run a command and return what `--json` prints, with its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", command, *arguments, "--json", "--tenant", tenant],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | dict(environment),
    )  # fmt: skip
    assert done.stdout, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer | {"exit": done.returncode}


def attain_here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, standard output and standard error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["attain", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
    output = capsys.readouterr()
    return int(exit_.value.code or 0), output.out, output.err
