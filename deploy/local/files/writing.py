"""Files that are written whole or not at all."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(file: Path) -> Iterator[Path]:
    """
    Give a path to write to, whose file takes the place of `file` in the end, for its owner alone: it tells of people.

    Where that is refused or interrupted, what was there stays as it was, and nothing that looks like the whole is left.
    """
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    try:
        part.touch(mode=0o600, exist_ok=False)
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
