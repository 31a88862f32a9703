"""The Helm chart: what its committed rendering says, that it is valid, and that it is what Helm makes of the chart."""

import json
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml

from shared.settings import Settings
from shared.topics import rights

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
CHART = KUBERNETES / "attain"
SETS = ("small", "production")
VERSIONS = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34")
SERVICES = ("evidence", "progression", "reporting")
Document = dict[str, Any]


def _documents(name: str) -> list[Document]:
    text = (KUBERNETES / "plain" / name / "attain.yaml").read_text()
    return [document for document in yaml.safe_load_all(text) if document]


def _of_kind(name: str, kind: str) -> dict[str, Document]:
    return {document["metadata"]["name"]: document for document in _documents(name) if document["kind"] == kind}


def _pods(name: str) -> Iterator[tuple[str, Document]]:
    """Yield the pod specifications of every workload."""
    for document in _documents(name):
        if document["kind"] in ("StatefulSet", "Job"):
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def _helm() -> str:
    found = os.environ.get("HELM") or shutil.which("helm")
    if not found:
        pytest.skip("needs helm: there is none on the path, nor in HELM")
    return found


def _values(name: str) -> Document:
    """Return the chart's values with a set of values over them, as Helm merges them."""

    def merged(below: Document, above: Document) -> Document:
        both = {key: merged(below[key], above[key]) for key in below.keys() & above.keys()
                if isinstance(below[key], dict) and isinstance(above[key], dict)}  # fmt: skip
        return below | above | both

    base = yaml.safe_load((CHART / "values.yaml").read_text())
    return merged(base, yaml.safe_load((CHART / f"values-{name}.yaml").read_text()))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SETS)
def test_rendering_is_valid_for_every_supported_kubernetes(name: str, version: str) -> None:
    documents = _documents(name)

    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)
    assert len(documents) >= 18


def test_validation_refuses_what_kubernetes_does_not_know() -> None:
    document = _of_kind("small", "StatefulSet")["attain-evidence"]
    document["spec"]["replica"] = 2

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("name", SETS)
def test_rendering_is_what_helm_makes_of_the_chart(name: str, tmp_path: Path) -> None:
    environment = os.environ | {"HELM": _helm()}
    subprocess.run([str(KUBERNETES / "render.sh"), str(tmp_path)], check=True, env=environment, capture_output=True)

    assert (tmp_path / name / "attain.yaml").read_text() == (KUBERNETES / "plain" / name / "attain.yaml").read_text()


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_nothing_wrong(name: str) -> None:
    command = [_helm(), "lint", "--strict", "--kube-version", "1.34.0", "--values", str(CHART / f"values-{name}.yaml")]
    done = subprocess.run([*command, str(CHART)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SETS)
def test_values_are_of_their_schema(name: str) -> None:
    jsonschema_rs.validate(json.loads((CHART / "values.schema.json").read_text()), _values(name))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("kafka", "security"), "SASL"),
        (("kafka", "server"), "k:9092"),
        (("kafka", "servers"), "kafka"),
        (("shards",), 0),
        (("image", "digest"), "latest"),
        (("ingress",), {"enabled": True, "host": "a.example.edu", "tlsSecret": ""}),
        (("kafka",), {"servers": "k:9093", "security": "SSL", "mutualTls": True, "tlsSecret": ""}),
        (("auth",), {"jwksUrl": "https://id.example.edu/keys", "serviceTokenSecret": ""}),
        (("auth",), {"jwksUrl": "", "keySecret": ""}),
        (("settings", "evidence_database"), "postgresql://in-the-clear"),
        (("evidence", "replicas"), "three"),
        (("erasures", "size"), "a little"),
    ],
)
def test_wrong_values_are_refused_by_the_schema(path: tuple[str, ...], value: object) -> None:
    values = _values("small")
    place = values
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value

    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(json.loads((CHART / "values.schema.json").read_text()), values)


@pytest.mark.parametrize("name", SETS)
def test_every_pod_meets_the_restricted_standard(name: str) -> None:
    """The rules are of Kubernetes' Pod Security Standards, profile restricted; and no token, no writable root."""
    for workload, pod in _pods(name):
        assert pod["automountServiceAccountToken"] is False, workload
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
        assert all(set(volume) & {"emptyDir", "projected", "secret"} for volume in pod["volumes"])
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("name", SETS)
def test_a_service_sees_its_own_secret_only_and_none_in_its_environment(name: str) -> None:
    for workload, pod in _pods(name):
        mounted = {
            source["secret"]["name"]
            for volume in pod["volumes"] if "projected" in volume for source in volume["projected"]["sources"]
        }  # fmt: skip
        services = {service for service in SERVICES if f"attain-{service}" in mounted}
        component = workload.removeprefix("attain-")
        # Where databases have owners of their own, the migration sees those and no service does.
        migrates = set(SERVICES) if name == "small" else set()
        assert services == {"migrate": migrates, "topics": {"evidence"}}.get(component, {component})
        assert ("attain-migrate" in mounted) == (name == "production" and component == "migrate")
        assert "secretKeyRef" not in json.dumps(pod)


@pytest.mark.parametrize("name", SETS)
def test_only_evidence_keeps_who_was_erased_on_a_volume_that_outlives_the_pod(name: str) -> None:
    for workload, document in _of_kind(name, "StatefulSet").items():
        claims = [claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])]
        container = document["spec"]["template"]["spec"]["containers"][0]
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        ledger = [one["value"] for one in container["env"] if one["name"] == "ATTAIN_ERASURE_LEDGER"]
        assert claims == (["erasures"] if workload == "attain-evidence" else [])
        assert [Path(file).parent for file in ledger] == [Path(mounted[claim]) for claim in claims]


def test_only_reporting_sees_the_keys_that_sign_records() -> None:
    for workload, pod in _pods("production"):
        secrets = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
        assert ("attain-credentials" in secrets) == (workload == "attain-reporting")


@pytest.mark.parametrize("name", SETS)
def test_probes_ask_for_what_they_mean(name: str) -> None:
    for service in SERVICES:
        pod = _of_kind(name, "StatefulSet")[f"attain-{service}"]["spec"]["template"]["spec"]
        container = pod["containers"][0]
        assert container["startupProbe"]["httpGet"]["path"] == "/livez"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        # The pool waits a minute for PostgreSQL at the start; a restart before that would only start the wait anew.
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] > 60
        assert container["lifecycle"]["preStop"]
        assert pod["terminationGracePeriodSeconds"] >= 45


@pytest.mark.parametrize("name", SETS)
def test_what_names_pods_finds_the_pods_of_one_service(name: str) -> None:
    sets = _of_kind(name, "StatefulSet")
    for workload, document in sets.items():
        labels = document["spec"]["template"]["metadata"]["labels"].items()
        selectors = [
            document["spec"]["selector"]["matchLabels"],
            _of_kind(name, "Service")[workload]["spec"]["selector"],
            _of_kind(name, "PodDisruptionBudget")[workload]["spec"]["selector"]["matchLabels"],
            *(rule["labelSelector"]["matchLabels"]
              for rule in document["spec"]["template"]["spec"]["topologySpreadConstraints"]),
        ]  # fmt: skip
        for selector in selectors:
            assert selector.items() <= labels
            assert not any(
                selector.items() <= other["spec"]["template"]["metadata"]["labels"].items()
                for other_name, other in sets.items() if other_name != workload
            )  # fmt: skip
        assert document["spec"]["serviceName"] in _of_kind(name, "Service")


def test_every_variable_is_a_setting() -> None:
    known = {f"ATTAIN_{field.upper()}" for field in Settings.model_fields} | {"ATTAIN_SECRETS_DIR"}
    used = set(_of_kind("production", "ConfigMap")["attain-settings"]["data"])
    for _, pod in _pods("production"):
        used |= {variable["name"] for container in pod["containers"] for variable in container.get("env", [])}

    assert used - known - {"ATTAIN_REPORTING_URL"} == set()


def test_production_scales_within_the_shards_and_keeps_replicas_through_a_drain() -> None:
    for workload, scaler in _of_kind("production", "HorizontalPodAutoscaler").items():
        assert 2 <= scaler["spec"]["minReplicas"] < scaler["spec"]["maxReplicas"] <= 64
        assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": workload}
        # A number of replicas beside an autoscaler would be set back by every upgrade.
        assert "replicas" not in _of_kind("production", "StatefulSet")[workload]["spec"]
        assert _of_kind("production", "PodDisruptionBudget")[workload]["spec"]["maxUnavailable"] == 1


def test_ingress_has_no_plain_http() -> None:
    (ingress,) = _of_kind("production", "Ingress").values()
    hosts = {rule["host"] for rule in ingress["spec"]["rules"]}

    assert hosts == {host for tls in ingress["spec"]["tls"] for host in tls["hosts"]}
    assert len(hosts) == len(SERVICES)
    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/force-ssl-redirect"] == "true"


def test_what_is_signed_names_the_host_of_the_ingress_and_no_name_of_the_cluster() -> None:
    (ingress,) = _of_kind("production", "Ingress").values()
    settings = _of_kind("production", "ConfigMap")["attain-settings"]["data"]

    assert settings["ATTAIN_PUBLIC_URL"] in {f"https://{rule['host']}" for rule in ingress["spec"]["rules"]}
    assert "ATTAIN_PUBLIC_URL" not in _of_kind("small", "ConfigMap")["attain-settings"]["data"]


def test_hooks_run_before_the_pods() -> None:
    jobs = _of_kind("small", "Job")

    assert set(jobs) == {"attain-migrate", "attain-topics"}
    for job in jobs.values():
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert job["spec"]["activeDeadlineSeconds"] > 60


def test_examples_name_what_the_chart_makes() -> None:
    made = defaultdict(set)
    for document in _documents("production"):
        made[document["kind"]].add(document["metadata"]["name"])
    examples = [document for file in sorted((KUBERNETES / "examples").glob("*.yaml"))
                for document in yaml.safe_load_all(file.read_text()) if document]  # fmt: skip
    by_kind = defaultdict(list)
    for document in examples:
        by_kind[document["kind"]].append(document)

    assert set(by_kind) >= {"ScaledObject", "ServiceMonitor", "PrometheusRule", "Kafka", "KafkaUser", "Cluster"}
    for scaled in by_kind["ScaledObject"]:
        assert scaled["spec"]["scaleTargetRef"]["name"] in made["StatefulSet"]
    assert {user["metadata"]["name"] for user in by_kind["KafkaUser"]} == {f"attain-{service}" for service in SERVICES}


def _example(file: str, kind: str) -> list[Document]:
    documents = yaml.safe_load_all((KUBERNETES / "examples" / file).read_text())
    return [document for document in documents if document and document["kind"] == kind]


def test_every_pod_is_scraped_once_and_under_the_labels_that_the_rules_know() -> None:
    (monitor,) = _example("prometheus-operator.yaml", "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    chosen = [one for one in _of_kind("production", "Service").values() if wanted <= one["metadata"]["labels"].items()]
    (endpoint,) = monitor["spec"]["endpoints"]
    given = {one["targetLabel"]: one.get("replacement", one.get("sourceLabels")) for one in endpoint["relabelings"]}
    rules = (KUBERNETES.parent / "observability" / "alerts.yaml").read_text()

    assert sorted(one["spec"]["selector"]["app.kubernetes.io/component"] for one in chosen) == sorted(SERVICES)
    assert all(one["spec"]["clusterIP"] == "None" and one["spec"]["publishNotReadyAddresses"] for one in chosen)
    assert f'up{{job="{given["job"]}"}}' in rules
    assert given["service"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_component"]


@pytest.mark.parametrize("service", SERVICES)
def test_kafka_users_of_the_example_may_do_what_their_service_must_and_no_more(service: str) -> None:
    (user,) = [one for one in _example("strimzi.yaml", "KafkaUser") if one["metadata"]["name"] == f"attain-{service}"]
    allowed, hook = set(), []
    for acl in user["spec"]["authorization"]["acls"]:
        resource = acl["resource"]
        if resource["type"] == "topic" and resource.get("patternType") == "prefix":
            hook.append(acl)
        else:
            assert (resource.get("patternType") == "prefix") == (resource["type"] == "group")
            allowed |= {(resource["type"], resource["name"], operation) for operation in acl["operations"]}

    assert allowed == set(rights(service, ""))
    assert [one["operations"] for one in hook] == ([["Create", "Describe"]] if service == "evidence" else [])


def test_where_a_provider_signs_tokens_all_services_have_the_key_of_the_pages() -> None:
    settings = _of_kind("production", "ConfigMap")["attain-settings"]["data"]

    assert settings["ATTAIN_PAGE_KEY_FILE"] == "/run/attain/page_key"
    for name in (f"attain-{service}" for service in SERVICES):
        pod = _of_kind("production", "StatefulSet")[name]["spec"]["template"]["spec"]
        sources = [
            one["secret"]["name"] for volume in pod["volumes"] for one in volume.get("projected", {}).get("sources", [])
        ]
        assert "attain-page-key" in sources, name


@pytest.mark.parametrize("name", SETS)
def test_api_server_takes_the_rendering(name: str) -> None:
    """A dry run on a server sees unknown fields, values out of range, and pods that the namespace's standard forbids."""
    config = os.environ.get("ATTAIN_TEST_KUBECONFIG")
    if not config:
        pytest.skip("needs a Kubernetes API server: ATTAIN_TEST_KUBECONFIG names no configuration")
    kubectl = [os.environ.get("KUBECTL", "kubectl"), "--kubeconfig", config]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "attain", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}  # fmt: skip
    _apply(kubectl, json.dumps(namespace))

    applied = _apply([*kubectl, "--namespace", "attain"], (KUBERNETES / "plain" / name / "attain.yaml").read_text(),
                     "--dry-run=server", "--validate=strict")  # fmt: skip

    assert applied.stdout.count("(server dry run)") == len(_documents(name))
    assert "Warning" not in applied.stderr


def _apply(kubectl: list[str], text: str, *options: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*kubectl, "apply", "--server-side", *options, "--filename", "-"],
        input=text, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done
