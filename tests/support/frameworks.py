"""Frameworks as they are imported."""

from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.importing import read_import
from shared.events import encode_json


def read_csv(framework: str, title: str, nodes: str, edges: str) -> tuple[Framework, list[str]]:
    """Return the framework of two CSV files, and the problems that were passed over."""
    body = {"id": framework, "title": title, "nodes": nodes, "edges": edges}
    return read_import(encode_json(body), "2026-01-01")
