"""
The ledger of erasures: which learners are forgotten, in a file that no backup holds.

A restore brings back who was erased since the backup. The ledger does not come back with it, so what it names is erased
again before anything is served.
"""

import asyncio
import os
from pathlib import Path

import msgspec


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: an opaque id, and what certifies that it is forgotten; `by` is the subject of the token."""

    tenant: str
    learner: str
    certificate: str
    erased_at: str
    by: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Erasure).decode


class Ledger:
    """The file; without a path nothing is kept, and nothing can be erased again after a restore."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @property
    def is_kept(self) -> bool:
        """Whether there is a file."""
        return self._path is not None

    async def add(self, erasure: Erasure) -> None:
        """Add a line and wait until it is on the disk; several processes may, since a line is one write."""
        if self._path is not None:
            await asyncio.to_thread(_append, self._path, _encode(erasure) + b"\n")

    async def entries(self) -> list[Erasure]:
        """
        Return all lines, the first of each learner; one that was cut off in writing names nothing that was erased.

        Raises:
            msgspec.MsgspecError: a line before the last cannot be read.
        """
        if self._path is None or not self._path.exists():
            return []
        lines = (await asyncio.to_thread(self._path.read_bytes)).split(b"\n")
        found = [_decode(line) for line in lines[:-1] if line]
        return list({(one.tenant, one.learner): one for one in reversed(found)}.values())[::-1]


def _append(path: Path, line: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)
