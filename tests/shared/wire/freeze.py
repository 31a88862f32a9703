"""
Freeze the wire of a version that is released: `python -m tests.shared.wire.freeze REVISION [NAME]`.

Its contracts, and the bytes that its own code wrote of the facts, become `earlier/NAME.json`, and every version after it is
held against them. The code comes from the history and runs on a laptop stack of its own, which is removed.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.shared.wire.facts import SCOPES, Written, tell
from tests.support.earlier_version import EarlierVersion, commit_of

EARLIER = Path(__file__).parent / "earlier"
TENANT = "school"
CONTRACTS = "import json; from tests.shared.wire.compatibility import current; print(json.dumps(current()))"


def main() -> None:
    """Write the file of one version."""
    parser = argparse.ArgumentParser(description="Freeze the wire of a released version.")
    parser.add_argument("revision", help="its tag or commit")
    parser.add_argument("name", nargs="?", help="what its file is called; the revision where left out")
    arguments = parser.parse_args()
    commit = commit_of(arguments.revision)
    if commit is None:
        raise SystemExit(f"no revision {arguments.revision} in this history")
    with tempfile.TemporaryDirectory(prefix="attain-earlier-") as folder:
        Path(folder).chmod(0o711)
        frozen = freeze(EarlierVersion(commit, Path(folder) / "tree"), Path(folder) / "home")
    EARLIER.mkdir(exist_ok=True)
    path = EARLIER / f"{arguments.name or arguments.revision}.json"
    path.write_text(json.dumps(frozen, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"{path}\n")


def freeze(version: EarlierVersion, home: Path) -> dict[str, Any]:
    """Return the commit, its contracts, and what its code wrote of the facts, as text."""
    asked = subprocess.run(
        version.python("-c", CONTRACTS), env=version.environment(), cwd=version.folder,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    version.attain("up", "--detach", "--home", str(home))
    try:
        written = asyncio.run(_written(version, home))
    finally:
        version.attain("reset", "--yes", "--home", str(home))
    logs = {log: [line.decode() for line in lines] for log, lines in written.logs.items()}
    return {"commit": version.commit, "contracts": json.loads(asked.stdout), "learners": written.learners, "logs": logs}


async def _written(version: EarlierVersion, home: Path) -> Written:
    token = version.attain("token", "--home", str(home), "--tenant", TENANT, "--scope", SCOPES).split()[-1]
    shown = version.attain("up", "--detach", "--home", str(home))
    lines = [line.split() for line in shown.splitlines()]
    urls = {
        parts[0]: parts[1]
        for parts in lines
        if len(parts) == 2 and parts[0] in {"evidence", "progression", "reporting"}
    }
    return await tell(urls, token, TENANT)


if __name__ == "__main__":
    main()
