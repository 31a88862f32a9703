"""Rules of the code map that import-linter cannot see."""

import ast
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "services"
SENDS = {"fetch", "fetchrow", "fetchval", "execute", "executemany", "copy_records_to_table"}


@pytest.mark.parametrize("service", ["evidence", "progression", "reporting"])
def test_statements_are_in_tables_alone(service: str) -> None:
    elsewhere = [
        f"{path.relative_to(SERVICES)}:{node.lineno}"
        for path in sorted((SERVICES / service).rglob("*.py"))
        if not {"tables", "migrations"} & set(path.relative_to(SERVICES).parts)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SENDS
    ]

    assert elsewhere == []
