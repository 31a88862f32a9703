"""
The chart's small profile on a real cluster: rolled out, with failing probes, scaled and drained under load.

Needs a cluster for tests (`ATTAIN_TEST_KUBECONFIG`) that can get `ATTAIN_TEST_IMAGE`, postgres:18 and apache/kafka:4.1.1 and has
volumes for claims; kubectl and helm. Nodes are cordoned for moments.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator

import msgspec
import pytest

from deploy.local.tokens import issue
from tests.support.kubernetes_cluster import SERVICES, Cluster, installed
from tests.support.steady_load import Load
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(500)]
TENANT = "demo"
RATE = 300
PODS = [f"attain-progression-{number}" for number in range(3)]
SET = "statefulset/attain-progression"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with installed(tmp_path_factory.mktemp("kubernetes")) as running:
        yield running


def test_rolled_out_it_passes_the_doctor_and_folds_the_sample_district(cluster: Cluster) -> None:
    found = cluster.attain("doctor")
    shown = cluster.attain("demo", "--small")

    assert found["ok"], [check for check in found["checks"] if not check["ok"]]
    assert (shown["exit"], shown["learners"]) == (0, 300)
    _assert_clean(cluster)


def test_without_its_database_a_pod_is_unready_and_not_restarted(cluster: Cluster) -> None:
    before = cluster.restarts("attain-reporting-0")
    _let_connect(cluster, 0)
    try:
        wait_until(lambda: not cluster.is_ready("attain-reporting-0"), 60)
        endpoints = cluster.run("get", "endpointslices", "--selector=kubernetes.io/service-name=attain-reporting",
                                "--output=jsonpath={.items[*].endpoints[*].conditions.ready}").stdout  # fmt: skip
    finally:
        _let_connect(cluster, -1)
    wait_until(lambda: cluster.is_ready("attain-reporting-0"), 60)

    assert endpoints == "false"
    assert cluster.restarts("attain-reporting-0") == before


def test_progression_is_scaled_from_one_to_three_and_back_under_load(cluster: Cluster) -> None:
    with _load(cluster) as load:
        cluster.scale("progression", 3)
        time.sleep(5)
        cluster.scale("progression", 1)

    _assert_all_taken(load)
    _assert_clean(cluster)


def test_a_drain_takes_no_more_pods_than_the_budget_allows(cluster: Cluster) -> None:
    cluster.scale("progression", 3)
    nodes = sorted({cluster.get("pod", pod)["spec"]["nodeName"] for pod in PODS})
    with _load(cluster) as load:
        try:
            drained = cluster.run("drain", *nodes, "--pod-selector=app.kubernetes.io/component=progression",
                                  "--delete-emptydir-data", "--timeout=20s", check=False)  # fmt: skip
            left = [pod for pod in PODS if cluster.is_ready(pod)]
        finally:
            cluster.run("uncordon", *nodes)
        cluster.rolled_out("progression")

    assert drained.returncode != 0
    assert "would violate the pod's disruption budget" in drained.stderr
    assert len(left) == len(PODS) - 1
    _assert_all_taken(load)
    _assert_clean(cluster)


def test_a_version_that_never_gets_ready_stops_the_rollout_and_undoing_it_heals(cluster: Cluster) -> None:
    cluster.scale("progression", 2)
    first = cluster.get("pod", PODS[0])["metadata"]["uid"]
    with _load(cluster) as load:
        _break(cluster, "readinessProbe")
        wait_until(lambda: cluster.run("get", SET, "--output=jsonpath={.status.updatedReplicas}").stdout == "1", 60)
        stuck = cluster.run("rollout", "status", SET, "--timeout=20s", check=False)
        serves, now = cluster.is_ready(PODS[0]), cluster.get("pod", PODS[0])["metadata"]["uid"]
        cluster.run("rollout", "undo", SET)
        cluster.rolled_out("progression")

    assert "timed out" in stuck.stderr
    assert (serves, now) == (True, first)
    assert cluster.restarts(PODS[1]) == 0
    _assert_all_taken(load)
    _assert_clean(cluster)


def test_a_pod_that_is_not_alive_is_restarted_and_loses_nothing(cluster: Cluster) -> None:
    cluster.scale("progression", 1)
    with _load(cluster) as load:
        _break(cluster, "livenessProbe")
        wait_until(lambda: cluster.restarts(PODS[0]) > 0, 120)
        cluster.run("rollout", "undo", SET)
        cluster.rolled_out("progression")

    _assert_all_taken(load)
    _assert_clean(cluster)


def test_twice_the_shards_by_the_job_of_the_example(cluster: Cluster) -> None:
    before = cluster.attain("verify")
    for service in SERVICES:
        cluster.scale(service, 0)
    said = cluster.reshard(16)
    cluster.release(shards=16)
    after = cluster.attain("verify")
    found = cluster.attain("doctor")

    print(said)
    assert "there are 16 shards, and all logs go on in generation 2" in said
    assert after["ok"], msgspec.json.encode(after)
    assert [after[name] for name in ("evidence", "state_digest")] == [
        before[name] for name in ("evidence", "state_digest")
    ]
    assert found["ok"], [check for check in found["checks"] if not check["ok"]]


@contextlib.contextmanager
def _load(cluster: Cluster) -> Iterator[Load]:
    with cluster.forwarded("evidence") as url:
        token = issue(cluster.secrets / "token_key", tenant=TENANT)
        load = Load(url, token, rate=RATE, name=f"load-{secrets.token_hex(4)}")
        load.start()
        try:
            yield load
        finally:
            load.stop()


def _assert_all_taken(load: Load) -> None:
    print(f"{load.sent:,} pieces sent meanwhile")
    assert load.refused == []
    assert load.statuses == {"accepted": load.sent}
    assert load.sent >= 5 * RATE


def _assert_clean(cluster: Cluster) -> None:
    audited = cluster.attain("verify")
    print({name: value for name, value in audited.items() if value})
    assert audited["ok"], msgspec.json.encode(audited)


def _break(cluster: Cluster, probe: str) -> None:
    """Let a probe of progression fail at its first try, for it asks for what is not there."""
    place = f"/spec/template/spec/containers/0/{probe}"
    wrong = {f"{place}/httpGet/path": "/no-such-path", f"{place}/periodSeconds": 2, f"{place}/failureThreshold": 1}
    steps = [{"op": "replace", "path": path, "value": value} for path, value in wrong.items()]
    cluster.run("patch", SET, "--type=json", "--patch", json.dumps(steps))


def _let_connect(cluster: Cluster, sessions: int) -> None:
    """Let the role of reporting have so many sessions, -1 for any number, and end those that it has."""
    statements = (
        f"alter role attain_reporting connection limit {sessions};"
        " select pg_terminate_backend(pid) from pg_stat_activity where usename = 'attain_reporting'"
    )
    cluster.run("exec", "deployment/postgres", "--", "psql", "--username", "postgres", "--command", statements)
