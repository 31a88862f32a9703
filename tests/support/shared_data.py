"""Finds the real inputs that lie beside a checkout, or in `ATTAIN_TEST_SHARED`; tests skip where they are absent."""

import csv
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(os.environ.get("ATTAIN_TEST_SHARED") or Path(__file__).parents[2].parent / "shared")


def shared_file(name: str) -> Path:
    """Return a given file, or skip the test with the reason."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"needs {name} from the folder `shared` beside the checkout, which is not there")
    return path


def responses(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a real response log."""
    with gzip.open(shared_file(f"data/responses/{name}.csv.gz"), "rt") as file:
        yield from csv.DictReader(file)


def expected_counts(name: str) -> dict[str, Any]:
    """Return what a separate script counted in a response log."""
    counts: dict[str, Any] = json.loads(shared_file("data/responses/EXPECTED_COUNTS.json").read_text())[name]
    return counts
