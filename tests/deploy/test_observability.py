"""Dashboards and alerts speak of metrics that exist, and each alert has its test and its entry in the runbook."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from services.progression.tables.published import CONSUMER
from services.reporting.handlers.lag import STAGES
from shared.observability import metrics, registry_table
from tests.support.engine import TREE
from tests.support.observed import OBSERVABILITY, expressions, rules
from tests.system.isolation.routes import CASES

NAME = re.compile(r"\battain_[a-z0-9_]+\b")
PAGES_MAX = 10


def _registered() -> set[str]:
    """Return every name under which the registry's metrics are scraped."""
    names: set[str] = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            described = next(iter(metric.describe()))
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(described.type, ("",))
            names |= {described.name + ending for ending in endings}
    return names


def _alerts(severity: str | None = None) -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule and severity in (None, rule["labels"]["severity"])]


def test_every_metric_that_is_read_is_in_the_registry() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    unknown = [
        (where, name) for where, query in expressions() for name in NAME.findall(query) if name not in _registered()
    ]
    read = {name for _, query in expressions() for name in re.findall(r"\battain:[a-z0-9_:]+", query)}

    assert unknown == []
    assert read <= recorded


def test_the_objectives_see_every_route_that_takes_evidence_in_and_every_page() -> None:
    """What learning systems send to lies where a standard has it, or is ours; what people open is a page or its API."""
    selectors = {rule["record"]: re.findall(r'(\w+)=~"([^"]+)"', rule["expr"]) for rule in rules() if "record" in rule}
    intake, page = (dict(selectors[f"attain:{name}"]) for name in ("intake_errors:ratio5m", "page_p99:seconds"))
    evidence = [(one.method, one.path) for one in CASES.values() if one.service == "evidence"]
    shown = {one.path for one in CASES.values() if one.service == "reporting" and one.method == "GET"}
    pages = {path for path in shown if not path.startswith(("/v1/", "/live", "/sign-in"))}

    assert {one for one in evidence if all(map(re.fullmatch, (intake["method"], intake["route"]), one))} == {
        ("POST", "/v1/evidence"), ("POST", "/v1/intake/{form}"),
        *((method, path) for method, path in evidence if method in ("POST", "PUT") and not path.startswith("/v1/")),
    }  # fmt: skip
    assert pages <= (seen := {path for path in shown if re.fullmatch(page["route"], path)})
    assert {
        "/v1/learners/{learner}/record",
        "/v1/classes/{class_id}/mastery",
        "/v1/districts/{district}/mastery",
    } <= seen


def test_the_objectives_name_no_route_or_method_that_is_not_there() -> None:
    """A name that nothing has any more selects nothing, and an objective over nothing is always met."""
    served = [(one.method, one.path) for one in CASES.values()]
    for rule in rules():
        for methods, routes in re.findall(r'(?:method=~"([^"]+)",)?route=~"([^"]+)"', rule["expr"]):
            found = [(m, path) for m, path in served if re.fullmatch(methods or ".*", m) and re.fullmatch(routes, path)]
            segments = {segment for _, path in found for segment in path.split("/")}

            assert set(re.findall(r"[a-z0-9]+", routes)) <= segments, rule
            assert not methods or set(methods.split("|")) == {method for method, _ in found}, rule


def test_a_record_is_behind_by_the_two_folds_before_it() -> None:
    (rule,) = [rule for rule in rules() if rule.get("record") == "attain:record_behind:seconds"]

    assert set(re.findall(r'stage=~"([^"]+)"', rule["expr"])[0].split("|")) == {CONSUMER, STAGES["mastery"]}


def test_every_metric_is_read_by_somebody() -> None:
    read = {name for _, query in expressions() for name in NAME.findall(query)}
    unread = {name for name in _registered() if not name.endswith(("_sum", "_count", "_created"))} - read

    assert unread == set()


def test_no_label_is_finer_than_a_stage_of_all_tenants() -> None:
    labels = {
        label
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
        for label in metric._labelnames
    }

    assert not labels & {"tenant", "school", "class", "learner", "source", "subject", "path"}


def test_table_of_the_metrics_is_current() -> None:
    assert (TREE / "docs" / "metrics.md").read_text().endswith(registry_table())


def test_few_alerts_wake_somebody_and_each_says_what_to_do() -> None:
    runbook = (TREE / "deploy" / "runbook.md").read_text()
    pages = _alerts("page")

    assert 1 <= len(pages) <= PAGES_MAX
    for alert in pages:
        assert alert["annotations"]["action"]
        assert f"### {alert['alert']}\n" in runbook, alert["alert"]
    assert {alert["labels"]["severity"] for alert in _alerts()} == {"page", "ticket"}


@pytest.mark.parametrize("command", [("check", "rules", "alerts.yaml"), ("test", "rules", "alerts_test.yaml"),
                                     ("check", "config", "prometheus.yaml")])  # fmt: skip
def test_promtool_finds_nothing_wrong(command: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (of Prometheus): there is none on the path")
    done = subprocess.run([promtool, *command], cwd=OBSERVABILITY, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_faults_of_the_unit_test_set_off_every_alert() -> None:
    """promtool counts what fires by severity; this keeps the counts equal to the rules there are."""
    tests = yaml.safe_load((OBSERVABILITY / "alerts_test.yaml").read_text())["tests"]
    (faults,) = [test for test in tests if test["name"] == "faults"]
    samples = faults["promql_expr_test"][0]["exp_samples"]

    assert {re.search(r'"(\w+)"', sample["labels"])[1]: sample["value"] for sample in samples} == {  # type: ignore[index]
        severity: len(_alerts(severity)) for severity in ("page", "ticket")
    }
