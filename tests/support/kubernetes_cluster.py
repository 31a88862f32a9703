"""The rendered small profile on a real cluster, in a namespace of its own that is thrown away."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import TREE
from tests.support.producer import free_port

PLAIN = TREE / "deploy" / "kubernetes" / "plain" / "small"
SERVERS = TREE / "tests" / "system" / "kubernetes" / "servers.yaml"
COMPOSE = TREE / "deploy" / "compose"
SERVICES = ("evidence", "progression", "reporting")
NAMESPACE = "attain"
START_S_MAX = 150


class Cluster:
    """The installation: its token key, and commands on it."""

    def __init__(self, config: str, folder: Path) -> None:
        self._kubectl = [os.environ.get("KUBECTL", "kubectl"), "--kubeconfig", config, "--namespace", NAMESPACE]
        self.secrets = folder / "secrets"
        subprocess.run([str(COMPOSE / "make-secrets.sh"), str(self.secrets)], check=True, capture_output=True)

    def run(
        self, *arguments: str, text: str | None = None, timeout_s: float = START_S_MAX, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of kubectl in the namespace."""
        done = subprocess.run(
            [*self._kubectl, *arguments], input=text, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert not check or done.returncode == 0, f"kubectl {arguments}: {done.stderr[-3000:]}"
        return done

    def attain(self, *arguments: str) -> dict[str, Any]:
        """Run a command of `attain` beside a service; return what `--json` prints."""
        done = self.run(
            "exec", "attain-reporting-0", "--", "python", "-m", "deploy.container", "attain", *arguments, "--json",
            check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr[-2000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer | {"exit": done.returncode}

    def rolled_out(self, service: str) -> None:
        """Wait until all replicas of a service are of the last version and ready."""
        self.run("rollout", "status", f"statefulset/attain-{service}", f"--timeout={START_S_MAX}s", timeout_s=200)

    def pod(self, name: str) -> dict[str, Any]:
        """Return what the cluster knows of a pod."""
        found: dict[str, Any] = json.loads(self.run("get", "pod", name, "--output", "json").stdout)
        return found

    def is_ready(self, name: str) -> bool:
        """Tell whether a pod is ready."""
        conditions = self.pod(name)["status"].get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def install(self) -> None:
        """Make the namespace, its Secrets, the servers, and what the rendering says."""
        self.run("create", "namespace", NAMESPACE)
        files = {file.name: file.read_text() for file in self.secrets.iterdir()}
        self._secret("all", files)
        self._secret("attain-token-key", {"token_key": files["token_key"]})
        for service in SERVICES:
            names = (f"attain_{service}_database", f"attain_{service}_owner_database")
            self._secret(f"attain-{service}", {name: files[name] for name in names})
        self.run("create", "configmap", "databases", f"--from-file={COMPOSE / 'postgres' / 'databases.sh'}")
        self.run("apply", "--filename", str(SERVERS))
        for server in ("postgres", "kafka"):
            self.run("rollout", "status", f"deployment/{server}", f"--timeout={START_S_MAX}s", timeout_s=200)
        self.run("apply", "--kustomize", str(PLAIN))
        for job in ("migrate", "topics"):
            self.run(
                "wait", "--for=condition=complete", f"job/attain-{job}", f"--timeout={START_S_MAX}s", timeout_s=200
            )
        for service in SERVICES:
            self.rolled_out(service)

    def _secret(self, name: str, data: dict[str, str]) -> None:
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
        self.run("apply", "--filename", "-", text=json.dumps(document))

    @contextlib.contextmanager
    def forwarded(self, service: str) -> Iterator[str]:
        """Reach a service from this machine, anew whenever the pod behind it goes; yield the address."""
        port, stopped = free_port(), threading.Event()
        command = [
            *self._kubectl,
            "port-forward",
            "--address",
            "127.0.0.1",
            f"service/attain-{service}",
            f"{port}:8100",
        ]
        current: list[subprocess.Popen[bytes]] = []

        def keep() -> None:
            while not stopped.is_set():
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                current[:] = [process]
                process.wait()
                time.sleep(0.2)

        thread = threading.Thread(target=keep, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            stopped.set()
            current[0].terminate()
            thread.join(5)


@contextlib.contextmanager
def installed(folder: Path) -> Iterator[Cluster]:
    """Install on the cluster that `ATTAIN_TEST_KUBECONFIG` names, whose node has the image; remove it at the end."""
    config = os.environ.get("ATTAIN_TEST_KUBECONFIG")
    if not config or shutil.which(os.environ.get("KUBECTL", "kubectl")) is None:
        pytest.skip("needs a Kubernetes cluster: ATTAIN_TEST_KUBECONFIG names no configuration")
    cluster = Cluster(config, folder)
    try:
        cluster.install()
        yield cluster
    finally:
        cluster.run("delete", "namespace", NAMESPACE, "--wait=true", check=False, timeout_s=120)


def until(claim: Callable[[], bool], within_s: float) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s"
        time.sleep(0.5)
