"""The rules of Prometheus against what the services of a stack export."""

import re

import httpx
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from deploy.local.stack import Stack
from shared.observability import metrics
from tests.support.observed import rules

BY_PROMETHEUS = {"job", "service", "instance"}
"""Labels that a scrape adds: prometheus.yaml, and the ServiceMonitor of the examples."""
OF_REQUESTS = {"method", "route", "status"}
"""Labels whose values come with what is asked; tests/deploy/test_observability.py holds them against the routes."""


def test_every_rule_reads_series_that_the_services_have(stack: Stack) -> None:
    """
    Of what has labels and was never counted there may be no series yet; then the labels are those of the registry. What a rule
    asks the increase of is there at zero: a counter that begins with its first burst shows none.
    """
    texts = [httpx.get(f"{url}/metrics").text for url in stack.urls.values()]
    series = [sample for text in texts for family in text_string_to_metric_families(text) for sample in family.samples]
    series += [Sample("up", {"job": "attain", "service": "evidence"}, 1.0)]
    for rule in rules():
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        for name, selected in re.findall(r"\b(attain_\w+|up)\b(?:{([^}]*)})?", rule["expr"]):
            wanted = re.findall(r'(\w+)=~?"([^"]*)"', selected)
            found = [sample.labels for sample in series if sample.name == name]
            assert found or "increase(" not in rule["expr"], rule
            labels = set(found[0]) if found else _labels(name)

            assert {label for label, _ in wanted} | grouped <= labels | BY_PROMETHEUS, rule
            chosen = [(label, value) for label, value in wanted if label not in BY_PROMETHEUS | OF_REQUESTS]
            assert not found or any(all(re.fullmatch(v, one[label]) for label, v in chosen) for one in found), rule


def _labels(name: str) -> set[str]:
    """Return the labels of a metric that has no series before it is first counted; one without labels has its series at once."""
    (found,) = [metric for metric in vars(metrics).values()
                if isinstance(metric, MetricWrapperBase) and name.startswith(metric._name)]  # fmt: skip
    assert found._labelnames, name
    return set(found._labelnames)
