"""The jars of Kafka are whole, however an earlier fetch of them ended."""

import zipfile
from pathlib import Path

import pytest

from deploy.local.jars import fetched

SMALL = "org.slf4j:slf4j-simple:1.7.36"
"""One of Kafka's, and what it needs: two jars of 57 kB in all."""


def test_a_fetch_that_was_cut_off_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    whole = {jar.name: jar.read_bytes() for jar in fetched(SMALL)}
    kept, lacking = fetched(SMALL)
    # As a kill leaves it: one jar was read to its half, the other not yet put with it, and nothing says that all are there.
    [stored] = (tmp_path / ".m2").rglob(kept.name)
    for torn in {stored, kept}:
        torn.write_bytes(whole[kept.name][: len(whole[kept.name]) // 2])
    lacking.unlink()
    [lock] = tmp_path.rglob("jgo.lock.toml")
    lock.unlink()

    again = fetched(SMALL)

    assert {jar.name: jar.read_bytes() for jar in again} == whole
    assert all(zipfile.is_zipfile(jar) for jar in again)


def test_a_jar_that_is_gone_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    jars = fetched(SMALL)
    for jar in jars:
        jar.unlink()

        assert fetched(SMALL) == jars
        assert jar.exists()
