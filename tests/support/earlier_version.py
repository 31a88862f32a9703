"""An earlier version of this repository as a tree of its own, from the history; run by the environment of this one."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.engine import TREE


def commit_of(revision: str) -> str | None:
    """Return the full id of a revision; None where the history lacks it, as a shallow clone's and a package's does."""
    command = ["git", "-C", str(TREE), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


class EarlierVersion:
    """The tree of a commit in a folder, and its programs."""

    def __init__(self, commit: str, folder: Path) -> None:
        self.commit = commit
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["git", "-C", str(TREE), "archive", commit], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)

    def python(self, *arguments: str) -> list[str]:
        """Return the command that runs Python; with `environment`, modules are those of this tree."""
        return [sys.executable, "-P", *arguments]

    def environment(self, **settings: str) -> dict[str, str]:
        """Return an environment without settings of ours but those given, with this tree first on the import path."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTAIN_")}
        return clean | {"PYTHONPATH": str(self.folder)} | settings

    def attain(self, *arguments: str) -> str:
        """Run the command `attain` of this version and return what it prints."""
        done = subprocess.run(
            self.python("-m", "deploy.local", *arguments), capture_output=True, text=True, check=False, timeout=300,
            env=self.environment(), cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments[0]} of {self.commit}: {done.stderr[-2000:]}"
        return done.stdout
