"""The jars of Kafka are whole, however an earlier fetch of them ended."""

from pathlib import Path

import pytest

from deploy.local.jars import fetched

SMALL = "org.slf4j:slf4j-simple:1.7.36"
"""One of Kafka's, and what it needs: two jars of 57 kB in all."""


@pytest.fixture
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Fetch them into caches of their own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    try:
        return fetched(SMALL)
    except OSError as error:
        pytest.skip(f"no repository of jars can be reached from here: {error}")


def test_a_fetch_that_was_cut_off_is_taken_up_again(jars: list[Path], tmp_path: Path) -> None:
    whole = {jar.name: jar.read_bytes() for jar in jars}
    kept, lacking = jars
    # As a kill leaves it: one jar was read to its half, the other not yet put with it, and nothing says that all are there.
    [stored] = (tmp_path / ".m2").rglob(kept.name)
    for torn in {stored, kept}:
        torn.write_bytes(whole[kept.name][: len(whole[kept.name]) // 2])
    lacking.unlink()
    [lock] = tmp_path.rglob("jgo.lock.toml")
    lock.unlink()

    again = fetched(SMALL)

    assert {jar.name: jar.read_bytes() for jar in again} == whole


def test_a_jar_that_is_gone_is_put_back(jars: list[Path]) -> None:
    for jar in jars:
        jar.unlink()

        assert fetched(SMALL) == jars
        assert jar.exists()
