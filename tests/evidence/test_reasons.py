"""Every reason that the code gives has its meaning in one place, and nothing stands there that no code gives."""

import ast
from collections.abc import Iterator
from pathlib import Path

from services.evidence.domain.reasons import ACKNOWLEDGED, REFUSED, WAITING

ROOT = Path(__file__).parents[2]
FILES = [*(ROOT / "services" / "evidence").rglob("*.py"), ROOT / "shared" / "web.py"]
KNOWN = REFUSED | WAITING | ACKNOWLEDGED


def sources() -> Iterator[ast.AST]:
    for file in FILES:
        if file.name != "reasons.py":
            yield ast.parse(file.read_text())


def given(tree: ast.AST) -> Iterator[str]:
    """Yield the texts that are given as a reason: by keyword, or in the place of a function that makes an error."""
    places = {"fault": 2, "_fault": 2, "_refused": 1, "_missing": 9, "Park": 0}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        candidates = [keyword.value for keyword in node.keywords if keyword.arg in ("reason", "acknowledged")]
        candidates += node.args[places[name] : places[name] + 1] if name in places else []
        for value in candidates:
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.isidentifier():
                yield value.value


def test_every_reason_has_a_meaning() -> None:
    found = {reason for tree in sources() for reason in given(tree)}

    assert found - KNOWN.keys() == set()
    assert len(found) > 40


def test_nothing_has_a_meaning_that_no_code_gives() -> None:
    texts = {node.value for tree in sources() for node in ast.walk(tree) if isinstance(node, ast.Constant)}

    assert KNOWN.keys() - texts == set()


def test_no_code_means_two_things() -> None:
    assert len(KNOWN) == len(REFUSED) + len(WAITING) + len(ACKNOWLEDGED)
