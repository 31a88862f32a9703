"""The one error of the laptop stack, and how it quotes a log."""

from pathlib import Path

TAIL_LINES = 15
TAIL_BYTES = 16 << 10
# The exit code of a supervisor that found its home in use.
EXIT_IN_USE = 75


INSTALL = "this version needs packages that are not installed; in a checkout `make setup` installs them"
"""What to do where a module is missing, as after `git pull` alone."""


class StackError(Exception):
    """
    The stack cannot do what was asked; the first line says why, in words for its user.

    `detail` is empty or the end of the log of the program that failed.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class HomeInUse(StackError):
    """Another supervisor holds this home."""


def tail(log: Path, since: int = 0) -> str:
    """Return the last lines that were written to a log after the byte `since`; empty when there are none."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(since, end - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-TAIL_LINES:])
