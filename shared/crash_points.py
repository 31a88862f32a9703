"""
Named points between two durable steps, at which a fault test can end this process as `kill -9` does.

`ATTAIN_CRASH_AT` names a folder; a file in it with the name of a point arms that point. The process that reaches it deletes
the file and kills itself, so it happens once and whoever is started next goes on. Without the variable nothing is looked at.
"""

import os
import signal
from pathlib import Path

VARIABLE = "ATTAIN_CRASH_AT"
_folder = os.environ.get(VARIABLE)


def reach(point: str) -> None:
    """Die here if the point is armed."""
    if _folder is None:
        return
    try:
        Path(_folder, point).unlink()
    except OSError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
