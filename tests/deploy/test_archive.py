"""What PostgreSQL gives to the archive of the compose installation is kept whole, once, and never replaced by something else."""

import gzip
import os
import subprocess
from pathlib import Path

from tests.support.engine import TREE

NAME = "000000010000000000000001"


def _keep(archive: Path, content: bytes) -> int:
    (archive / "given").write_bytes(content)
    command = [str(TREE / "deploy" / "compose" / "archive" / "keep-wal.sh"), str(archive / "given"), NAME]
    return subprocess.run(command, env=os.environ | {"ARCHIVE": str(archive)}, check=False).returncode


def test_a_file_of_the_log_is_kept_once_and_another_under_its_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wal").mkdir()
    # What was cut off while it was written.
    (tmp_path / "wal" / f"{NAME}.gz.part").write_bytes(b"half")

    assert _keep(tmp_path, b"log" * 1000) == 0
    assert _keep(tmp_path, b"log" * 1000) == 0
    assert _keep(tmp_path, b"of another server") != 0
    assert {file.name: gzip.decompress(file.read_bytes()) for file in (tmp_path / "wal").iterdir()} == {
        f"{NAME}.gz": b"log" * 1000
    }


def test_a_file_that_cannot_be_kept_is_not_taken_for_kept(tmp_path: Path) -> None:
    assert _keep(tmp_path, b"log") != 0
