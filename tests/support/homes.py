"""Homes of stacks that a test has for itself."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.local import stack


@contextlib.contextmanager
def fresh_folder() -> Iterator[Path]:
    """Lend a folder that servers may enter under users of their own; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="attain-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def fresh_home() -> Iterator[Path]:
    """Lend a home on which nothing has run; what was started on it is ended afterwards, and removed."""
    with fresh_folder() as folder:
        try:
            yield folder / "home"
        finally:
            stack.reset(folder / "home")
