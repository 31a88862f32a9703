"""Independent verifiers of signed records, from the npm registry, run without a network."""

import fcntl
import functools
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "verifiers"
FOLDER = Path(__file__).parents[2] / ".venv" / "verifiers"
INSTALL_S = 180
VERIFY_S = 60


def verdicts(documents: Mapping[str, Any], credentials: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """
    Return what each verifier says of each credential, see `verifiers/verify.mjs`; they see nothing but `documents`.

    Skips the test with the reason where there is no Node.js or the packages cannot be had.
    """
    folder = _installed()
    command = [*_without_network(), shutil.which("node") or "node", "verify.mjs"]
    asked = json.dumps({"documents": documents, "credentials": credentials})
    done = subprocess.run(
        command, cwd=folder, input=asked, capture_output=True, text=True, timeout=VERIFY_S, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@functools.cache
def _installed() -> Path:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} for the independent verifiers, which is not installed")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, held = (SOURCE / "package.json").read_text(), FOLDER / "package.json"
        if not held.exists() or held.read_text() != wanted:
            held.write_text(wanted)
            command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            try:
                done = subprocess.run(command, cwd=FOLDER, capture_output=True, timeout=INSTALL_S, check=False)
            except subprocess.TimeoutExpired:
                done = None
            if done is None or done.returncode:
                held.unlink()
                pytest.skip("needs the independent verifiers from the npm registry, which does not give them")
        shutil.copy(SOURCE / "verify.mjs", FOLDER)
    return FOLDER


def _without_network() -> list[str]:
    """Return what takes the network away from a command, nothing where this user may not."""
    command = ["unshare", "--map-root-user", "--net"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    ):
        return []
    return command
