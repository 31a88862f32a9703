"""The compose installation of `deploy/compose`, run under a name of its own on free ports, and removed with all its data."""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.engine import TREE, built_image, docker
from tests.support.producer import free_port

COMPOSE = TREE / "deploy" / "compose"
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
        environment = os.environ | {
            "ATTAIN_IMAGE": built_image(),
            "ATTAIN_SECRETS": str(self.secrets),
            **{f"ATTAIN_{service.upper()}_PORT": str(port) for service, port in self.ports.items()},
            **self.variables,
        }
        command = [
            "docker",
            "compose",
            "--project-name",
            self.name,
            "--file",
            str(COMPOSE / "compose.yaml"),
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment)
        assert not check or done.returncode == 0, f"{arguments}: {done.stderr[-3000:]}"
        return done

    def attain(self, *arguments: str) -> dict[str, Any]:
        """Run a command of `attain` inside the installation; return what `--json` prints."""
        done = self.run("run", "--rm", "--no-deps", "--no-TTY", "attain", *arguments, "--json", check=False)
        assert done.stdout, done.stderr[-2000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer | {"exit": done.returncode}

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
        installation.run("down", "--volumes", "--timeout", "5")
