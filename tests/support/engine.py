"""A container engine, where one answers; tests that need it skip where none does."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
IMAGE = "attain:test"
BUILD_TIMEOUT_S = 600


def docker(*arguments: str, timeout_s: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of the engine's client; fails with what it said."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments[:3])}: {done.stderr[-2000:]}"
    return done


@functools.cache
def why_no_engine() -> str:
    """Return why no container can be run here; empty where one can."""
    if shutil.which("docker") is None:
        return "needs a container engine: there is no `docker` on the path"
    try:
        answered = docker("info", timeout_s=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        answered = False
    return "" if answered else "needs a container engine: none answers `docker info`"


def need_engine() -> None:
    """Skip the test, with the reason, where no container can be run."""
    if why_no_engine():
        pytest.skip(why_no_engine())


@functools.cache
def built_image() -> str:
    """Build the project's image as a user does, once a session; return its name."""
    need_engine()
    given = os.environ.get("ATTAIN_TEST_IMAGE")
    if given:
        return given
    docker("build", "--quiet", "--file", str(TREE / "deploy" / "Dockerfile"), "--tag", IMAGE,
           "--build-arg", "VERSION=test", str(TREE), timeout_s=BUILD_TIMEOUT_S)  # fmt: skip
    return IMAGE
