"""`make setup`: what a newcomer meets before there is an `attain` to ask."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
PYTHON = """#!/bin/sh
echo "$*" >> calls
case "$1 $2" in
  "-m venv") mkdir -p .venv/bin && printf '#!/bin/sh\\n' > .venv/bin/python && chmod +x .venv/bin/python ;;
  -c*) exec python3 -c "import sys; sys.version_info = {version}; exec(sys.argv[1])" "$2" ;;
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")


def _setup(folder: Path, version: tuple[int, int]) -> subprocess.CompletedProcess[str]:
    """Run `make setup` in a folder, with a Python of this version that only notes what it is asked for."""
    shutil.copy(MAKEFILE, folder)
    for name in ("requirements.lock", "pyproject.toml"):
        (folder / name).touch()
    python = folder / "python"
    python.write_text(PYTHON.format(version=version))
    python.chmod(0o755)
    command = ["make", "setup", "PYTHON=./python"]
    environment = {**os.environ, "MAKEFLAGS": ""}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


def test_python_that_is_too_old_is_named_with_what_to_do(tmp_path: Path) -> None:
    found = _setup(tmp_path, (3, 9))

    assert found.returncode == 2
    assert (
        "Attain needs Python 3.11 or newer, and ./python is 3.9: give another, such as make setup PYTHON=python3.12"
        in found.stderr
    )
    assert not (tmp_path / ".venv").exists()


def test_environment_without_pip_is_made_anew(tmp_path: Path) -> None:
    """So `python -m venv` leaves it when it is interrupted, or when its system lacks ensurepip."""
    half_made = tmp_path / ".venv" / "bin" / "python"
    half_made.parent.mkdir(parents=True)
    half_made.write_text("#!/bin/sh\nexit 1\n")
    half_made.chmod(0o755)

    assert _setup(tmp_path, (3, 11)).returncode == 0
    assert "-m venv --clear .venv" in (tmp_path / "calls").read_text()
