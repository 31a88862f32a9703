"""What Prometheus and Grafana are given: the rules, and every query that somebody reads."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.engine import TREE

OBSERVABILITY = TREE / "deploy" / "observability"


def rules() -> list[dict[str, Any]]:
    """Return the rules of all groups, alerts and others."""
    return [
        rule
        for group in yaml.safe_load((OBSERVABILITY / "alerts.yaml").read_text())["groups"]
        for rule in group["rules"]
    ]


def dashboard() -> Iterator[tuple[str, str]]:
    """Yield every query of the dashboard, with the title of its panel."""
    board = json.loads((OBSERVABILITY / "grafana" / "dashboards" / "attain.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every query that somebody reads, with where it is."""
    for rule in rules():
        yield str(rule.get("alert", rule.get("record"))), rule["expr"]
    yield from dashboard()
    for document in yaml.safe_load_all((TREE / "deploy" / "kubernetes" / "examples" / "keda.yaml").read_text()):
        for trigger in document["spec"]["triggers"]:
            yield "keda.yaml", trigger["metadata"]["query"]
