"""The entry of the image: its first argument picks the service, a job that runs once, or the command line `attain`."""

import os
import sys
import urllib.request
from collections.abc import Sequence

HEALTH_TIMEOUT_S = 3
PROGRAMS: dict[str, tuple[str, ...]] = {
    "evidence": ("services.evidence.app",),
    "progression": ("services.progression.app",),
    "reporting": ("services.reporting.app",),
    "migrate": ("shared.migrate",),
    "topics": ("shared.topics", "create"),
    "restored": ("shared.restored",),
    "reshard": ("deploy.reshard",),
    "attain": ("deploy.local",),
}
USAGE = f"""usage: attain {"|".join(PROGRAMS)}|health [arguments]

  evidence, progression, reporting   serve until SIGTERM
  migrate [SERVICE...]               bring the databases that are set to the schema of this version
  topics                             create the topics that are missing
  restored                           after a restore of the databases, before the services start
  reshard --to N [--preview]         give a stopped installation more shards
  attain ...                         the command line (attain --help)
  health                             succeed if the service in this container is ready
"""


def main(arguments: Sequence[str]) -> int:
    """Become the program that the first argument names; return an exit code where that is none."""
    name = arguments[0] if arguments else ""
    if name == "health":
        return 0 if is_ready(os.environ.get("ATTAIN_PORT", "8100")) else 1
    if name in PROGRAMS:
        os.execv(sys.executable, [sys.executable, "-P", "-m", *PROGRAMS[name], *arguments[1:]])
    sys.stderr.write(USAGE if name in ("", "-h", "--help") else f"no program {name!r} in this image\n{USAGE}")
    return 2


def is_ready(port: str) -> bool:
    """Tell whether the service on this machine's port says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=HEALTH_TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
