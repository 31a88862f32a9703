"""
The rendered small profile on a real cluster: rolled out, unready and ready again, scaled and drained under load.

Needs `ATTAIN_TEST_KUBECONFIG`; a node with the images attain:0.1.0, postgres:18 and apache/kafka:4.1.1; volumes for claims.
"""

from collections.abc import Iterator

import msgspec
import pytest

from deploy.local.tokens import issue
from tests.support.kubernetes_cluster import SERVICES, Cluster, installed, until
from tests.support.steady_load import RATE, Load

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
TENANT = "demo"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with installed(tmp_path_factory.mktemp("kubernetes")) as running:
        yield running


def test_demo_and_verify_run_inside(cluster: Cluster) -> None:
    shown = cluster.attain("demo")
    audited = cluster.attain("verify")

    assert (shown["exit"], shown["learners"]) == (0, 300)
    assert audited["ok"], msgspec.json.encode(audited)
    assert audited["evidence"] == shown["evidence"] - shown["corrected"]


def test_without_its_database_a_pod_is_unready_and_not_restarted(cluster: Cluster) -> None:
    before = _restarts(cluster)
    _let_connect(cluster, 0)
    until(lambda: not cluster.is_ready("attain-reporting-0"), 60)
    _let_connect(cluster, -1)
    until(lambda: cluster.is_ready("attain-reporting-0"), 60)

    assert _restarts(cluster) == before


def test_scaled_to_three_and_back_under_load_nothing_is_lost(cluster: Cluster) -> None:
    with cluster.forwarded("evidence") as url:
        load = Load(url, issue(cluster.secrets / "token_key", tenant=TENANT))
        load.start()
        for replicas in (3, 1):
            for service in SERVICES:
                cluster.run("scale", f"statefulset/attain-{service}", f"--replicas={replicas}")
            for service in SERVICES:
                cluster.rolled_out(service)
        for service in SERVICES:
            cluster.run("wait", "--for=delete", f"pod/attain-{service}-2", "--timeout=90s")
        load.stop()
    audited = cluster.attain("verify")
    print(f"{load.sent:,} pieces sent meanwhile")

    assert load.refused == []
    assert load.statuses == {"accepted": load.sent}
    assert load.sent >= 5 * RATE
    assert audited["ok"], msgspec.json.encode(audited)


def test_a_drain_takes_one_pod_of_a_service_at_a_time(cluster: Cluster) -> None:
    cluster.run("scale", "statefulset/attain-progression", "--replicas=2")
    cluster.rolled_out("progression")
    node = cluster.pod("attain-progression-0")["spec"]["nodeName"]
    try:
        drained = cluster.run(
            "drain", node, "--pod-selector=app.kubernetes.io/component=progression", "--delete-emptydir-data",
            "--ignore-daemonsets", "--timeout=20s", check=False,
        )  # fmt: skip
        left = [name for name in ("attain-progression-0", "attain-progression-1") if cluster.is_ready(name)]
    finally:
        cluster.run("uncordon", node)
    cluster.rolled_out("progression")

    assert drained.returncode != 0
    assert "would violate the pod's disruption budget" in drained.stderr
    assert len(left) == 1
    assert cluster.attain("verify")["ok"]


def _restarts(cluster: Cluster) -> int:
    return int(cluster.pod("attain-reporting-0")["status"]["containerStatuses"][0]["restartCount"])


def _let_connect(cluster: Cluster, sessions: int) -> None:
    """Let the role of reporting have so many sessions, -1 for any number, and end those that it has."""
    statements = (
        f"alter role attain_reporting connection limit {sessions};"
        " select pg_terminate_backend(pid) from pg_stat_activity where usename = 'attain_reporting'"
    )
    cluster.run("exec", "deployment/postgres", "--", "psql", "--username", "postgres", "--command", statements)
