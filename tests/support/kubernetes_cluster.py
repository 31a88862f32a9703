"""The chart's small profile on a real cluster, in a namespace of its own that is thrown away."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.engine import TREE
from tests.support.producer import free_port
from tests.support.waiting import wait_until

CHART = TREE / "deploy" / "kubernetes" / "attain"
EXAMPLES = TREE / "deploy" / "kubernetes" / "examples"
SERVERS = TREE / "tests" / "system" / "kubernetes" / "servers.yaml"
COMPOSE = TREE / "deploy" / "compose"
SERVICES = ("evidence", "progression", "reporting")
START_S_MAX = 180


def need_cluster() -> str:
    """Return the configuration of the cluster for tests; skips with the reason where one cannot be used."""
    config = os.environ.get("ATTAIN_TEST_KUBECONFIG")
    if not config:
        pytest.skip("needs a Kubernetes cluster: ATTAIN_TEST_KUBECONFIG names no configuration")
    if not os.environ.get("ATTAIN_TEST_IMAGE"):
        pytest.skip("needs an image that the cluster's nodes have or can pull: ATTAIN_TEST_IMAGE names none")
    for tool in ("KUBECTL", "HELM"):
        if shutil.which(os.environ.get(tool, tool.lower())) is None:
            pytest.skip(f"needs {tool.lower()}: there is none on the path, nor in {tool}")
    return config


class Cluster:
    """The installation: its token key, and commands on it."""

    def __init__(self, config: str, folder: Path) -> None:
        self.namespace = f"attain-test-{secrets.token_hex(3)}"
        where = ["--kubeconfig", config, "--namespace", self.namespace]
        self._kubectl = [os.environ.get("KUBECTL", "kubectl"), *where]
        self._helm = [os.environ.get("HELM", "helm"), *where]
        self.secrets = folder / "secrets"
        subprocess.run([str(COMPOSE / "make-secrets.sh"), str(self.secrets)], check=True, capture_output=True)

    def run(
        self, *arguments: str, text: str | None = None, timeout_s: float = START_S_MAX + 20, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of kubectl in the namespace."""
        return _run([*self._kubectl, *arguments], text, timeout_s, check)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return what the cluster knows of an object."""
        found: dict[str, Any] = json.loads(self.run("get", kind, name, "--output", "json").stdout)
        return found

    def attain(self, *arguments: str) -> dict[str, Any]:
        """Run a command of `attain` beside reporting; return what `--json` prints."""
        done = self.run("exec", "attain-reporting-0", "--", "python", "-m", "deploy.container", "attain", *arguments,
                        "--json", check=False)  # fmt: skip
        assert done.stdout, done.stderr[-2000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer | {"exit": done.returncode}

    def scale(self, service: str, replicas: int) -> None:
        """Set the replicas of a service and wait until there are so many, all ready."""
        before = self.get("statefulset", f"attain-{service}")["spec"]["replicas"]
        self.run("scale", f"statefulset/attain-{service}", f"--replicas={replicas}")
        for gone in range(replicas, before):
            self.run("wait", "--for=delete", f"pod/attain-{service}-{gone}", "--timeout=90s")
        self.rolled_out(service)

    def rolled_out(self, service: str) -> None:
        """Wait until all replicas of a service are of the last version and ready."""
        self.run("rollout", "status", f"statefulset/attain-{service}", f"--timeout={START_S_MAX}s")
        # One that was undone before it was through counts as complete while a pod of it is left.
        wait_until(lambda: self._is_current(service), START_S_MAX)

    def _is_current(self, service: str) -> bool:
        wanted = self.get("statefulset", f"attain-{service}")
        selector = f"--selector=app.kubernetes.io/component={service}"
        pods = json.loads(self.run("get", "pods", selector, "--output=json").stdout)["items"]
        revisions = [pod["metadata"]["labels"]["controller-revision-hash"] for pod in pods]
        return revisions == [wanted["status"]["updateRevision"]] * wanted["spec"]["replicas"] and all(
            self.is_ready(pod["metadata"]["name"]) for pod in pods
        )

    def is_ready(self, pod: str) -> bool:
        """Tell whether a pod is ready; one that is not there is not."""
        done = self.run("get", "pod", pod, "--output", "json", check=False)
        conditions = json.loads(done.stdout)["status"].get("conditions", []) if done.returncode == 0 else []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def restarts(self, pod: str) -> int:
        """Return how often the container of a pod was started again; 0 before its first start."""
        done = self.run("get", "pod", pod, "--output", "json", check=False)
        statuses = json.loads(done.stdout)["status"].get("containerStatuses", []) if done.returncode == 0 else []
        return sum(int(status["restartCount"]) for status in statuses)

    def install(self) -> None:
        """Make the namespace, in which nothing may run with rights, its Secrets, the servers, and the release."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self._apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}})
        files = {file.name: file.read_text() for file in self.secrets.iterdir()}
        self._secret("servers", files)
        self._secret("attain-token-key", {"token_key": files["token_key"]})
        self._secret("attain-credentials", {"issuer.pem": files["credential_key"]})
        self._secret("attain-migrate", {name: text for name, text in files.items() if "_owner_" in name})
        for service in SERVICES:
            self._secret(f"attain-{service}", {name: files[name] for name in [f"attain_{service}_database"]})
        self.run("create", "configmap", "databases", f"--from-file={COMPOSE / 'postgres' / 'databases.sh'}")
        self.run("apply", "--filename", str(SERVERS))
        for server in ("postgres", "kafka"):
            self.run("rollout", "status", f"deployment/{server}", f"--timeout={START_S_MAX}s")
        self.release()

    def release(self, **values: object) -> None:
        """Install the release, or upgrade it to other values, and wait until all of it is ready."""
        repository, _, tag = os.environ["ATTAIN_TEST_IMAGE"].rpartition(":")
        values |= {
            "image.repository": repository, "image.tag": tag,
            "secrets.migrate": "attain-migrate", "secrets.credentials": "attain-credentials",
            "settings.public_url": "https://attain.example.edu",
        }  # fmt: skip
        _run(
            [*self._helm, "upgrade", "--install", "attain", str(CHART), "--wait", "--timeout", f"{START_S_MAX}s",
             "--values", str(CHART / "values-small.yaml"),
             *(f"--set={name}={value}" for name, value in values.items())],
            None, 2 * START_S_MAX,
        )  # fmt: skip

    def reshard(self, shards: int) -> str:
        """Run the job of the example for this namespace, image and number, and delete it; return what it said."""
        job = yaml.safe_load((EXAMPLES / "reshard.yaml").read_text())
        job["metadata"]["namespace"] = self.namespace
        (container,) = job["spec"]["template"]["spec"]["containers"]
        container |= {"image": os.environ["ATTAIN_TEST_IMAGE"], "args": ["reshard", "--to", str(shards)]}
        self._apply(job)
        self.run("wait", "--for=condition=complete", "job/attain-reshard", f"--timeout={START_S_MAX}s")
        said = self.run("logs", "job/attain-reshard").stdout
        self.run("delete", "job", "attain-reshard")
        return said

    def remove(self) -> None:
        """Delete the namespace with all that is in it, and wait until it is gone."""
        self.run("delete", "namespace", self.namespace, "--wait=true", check=False)

    def _secret(self, name: str, data: dict[str, str]) -> None:
        self._apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})

    def _apply(self, document: dict[str, Any]) -> None:
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
    """Install on the cluster that `ATTAIN_TEST_KUBECONFIG` names; remove it at the end."""
    cluster = Cluster(need_cluster(), folder)
    try:
        cluster.install()
        yield cluster
    finally:
        cluster.remove()


def _run(
    command: list[str], text: str | None, timeout_s: float, check: bool = True
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert not check or done.returncode == 0, f"{command[0]} {command[5:]}: {done.stdout[-500:]}{done.stderr[-3000:]}"
    return done
