"""The compose installation of `deploy/compose`, run under a name of its own on free ports, and removed with all its data."""

import json
import os
import re
import secrets
import subprocess
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.engine import TREE, built_image, docker
from tests.support.producer import free_port

COMPOSE = TREE / "deploy" / "compose"
RUNBOOK = TREE / "deploy" / "runbook.md"
SERVICES = ("evidence", "progression", "reporting")


class Composed:
    """A running installation: its addresses on this machine, its token key, and compose's commands."""

    def __init__(self, folder: Path) -> None:
        self.name = f"attain-test-{secrets.token_hex(3)}"
        self.ports = {service: free_port() for service in SERVICES}
        self.urls = {service: f"http://127.0.0.1:{port}" for service, port in self.ports.items()}
        self.secrets = folder / "secrets"
        self.token_key = self.secrets / "token_key"
        self.variables: dict[str, str] = {}
        """What `.env` holds besides."""
        subprocess.run([str(COMPOSE / "make-secrets.sh"), str(self.secrets)], check=True, capture_output=True)

    def run(self, *arguments: str, timeout_s: float = 150, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of `docker compose` on this installation."""
        done = self._run(["docker", "compose", *arguments], timeout_s, {})
        assert not check or done.returncode == 0, f"{arguments}: {done.stderr[-3000:]}"
        return done

    def runbook(self, heading: str, block: int) -> Callable[..., str]:
        """Return the commands of an entry of the runbook, to be called with their variables; it returns what they print."""
        (entry,) = re.findall(
            rf"^## {re.escape(heading)}\n(.*?)(?=^## )", RUNBOOK.read_text(), re.DOTALL | re.MULTILINE
        )
        commands = re.findall(r"^(?:    .*\n)+", entry, re.MULTILINE)[block]

        def run(**variables: str) -> str:
            done = self._run(["bash", "-e", "-o", "pipefail", "-c", textwrap.dedent(commands)], 300, variables)
            assert done.returncode == 0, f"{commands}{done.stdout[-1000:]}{done.stderr[-3000:]}"
            return done.stdout

        return run

    def _run(
        self, command: list[str], timeout_s: float, variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "COMPOSE_FILE": str(COMPOSE / "compose.yaml"),
            "COMPOSE_PROJECT_NAME": self.name,
            "ATTAIN_IMAGE": built_image(),
            "ATTAIN_SECRETS": str(self.secrets),
            **{f"ATTAIN_{service.upper()}_PORT": str(port) for service, port in self.ports.items()},
            **self.variables,
            **variables,
        }
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False,
            env=environment,
        )  # fmt: skip

    def attain(self, *arguments: str) -> dict[str, Any]:
        """Run a command of `attain` inside the installation; return what `--json` prints."""
        done = self.run("run", "--rm", "--no-deps", "--no-TTY", "attain", *arguments, "--json", check=False)
        assert done.stdout, done.stderr[-2000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer | {"exit": done.returncode}

    def image_of(self, service: str) -> str:
        """Return the image that a service is of, also of one in a profile."""
        settings = json.loads(self.run("--profile", "*", "config", "--format", "json").stdout)
        return str(settings["services"][service]["image"])

    def container(self, service: str) -> str:
        """Return the id of a service's container."""
        return self.run("ps", "--all", "--quiet", service).stdout.strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.container(service)).stdout)
        return found[0]


@contextmanager
def composed(folder: Path) -> Iterator[Composed]:
    """Start an installation and wait until all of it is healthy; remove it and its volumes at the end."""
    built_image()
    installation = Composed(folder)
    try:
        installation.run("up", "--wait", "--wait-timeout", "120")
        yield installation
    finally:
        installation.run("--profile", "*", "down", "--volumes", "--timeout", "5")
