"""
The ledger of erasures: which learners, names of staff and tenants are forgotten, in a file that no backup holds.

A restore brings back who was erased since the backup. The ledger does not come back with it, so what it names is erased
again before anything is served.
"""

import asyncio
import errno
import fcntl
import os
from pathlib import Path

import msgspec

from shared.crash_points import reach

NOBODY = "00000000-0000-0000-0000-000000000000"
"""The learner of a line on staff or a tenant: a version that knows of learners only looks for this one and finds nobody."""
LINE_BEGINS = b'{"tenant":'
LINE_BYTES_MAX = 64 << 10
"""Far more than ids and subjects, which are bounded, make of a line."""
OF_MAX = 1000
"""Ids of what was kept that stand in one line; further ones are in lines behind it."""


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One line: an opaque id, and what certifies that it is forgotten; `by` is the subject of the token.

    With `person`, who is no learner, it is the name of that subject that is forgotten; `ended` is the whole tenant.
    """

    tenant: str
    learner: str
    certificate: str
    erased_at: str
    by: str
    person: str = ""
    of: tuple[str, ...] = ()
    """Ids of what waited or could not be used: a backup may have that of a time when it was nobody's yet."""
    ended: bool = False
    left: int = 0
    """For the audit, and in no line: how much of an ended tenant is there again."""

    @classmethod
    def of_staff(cls, tenant: str, person: str, certificate: str, erased_at: str, by: str) -> "Erasure":
        """Return the line that the name of a person of the staff is forgotten."""
        return cls(tenant, NOBODY, certificate, erased_at, by, person)

    @classmethod
    def of_tenant(cls, tenant: str, certificate: str, erased_at: str, by: str) -> "Erasure":
        """Return the line that a tenant is ended."""
        return cls(tenant, NOBODY, certificate, erased_at, by, ended=True)


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
        """
        Add an erasure and wait until it is on the disk; several processes may.

        Raises:
            OSError: it is not on the disk, which is full; nothing is to be erased.
        """
        for start in range(0, max(1, len(erasure.of)), OF_MAX):
            line = msgspec.structs.replace(erasure, of=erasure.of[start : start + OF_MAX])
            if self._path is not None:
                await asyncio.to_thread(_append, self._path, _encode(line) + b"\n")
        reach("erasure.in_ledger")

    async def entries(self) -> list[Erasure]:
        """
        Return who is erased, the first line of each with what all say; one that was cut off names nothing that was erased.

        Raises:
            msgspec.MsgspecError: a line before the last cannot be read.
        """
        found: dict[tuple[str, str], list[Erasure]] = {}
        for one in await self._lines():
            if not one.person and not one.ended:
                found.setdefault((one.tenant, one.learner), []).append(one)
        return [
            msgspec.structs.replace(lines[0], of=tuple(dict.fromkeys(id for line in lines for id in line.of)))
            for lines in found.values()
        ]

    async def of_staff(self) -> list[Erasure]:
        """Return the lines on staff, the last of each person; raises as `entries`."""
        return list({(one.tenant, one.person): one for one in await self._lines() if one.person}.values())

    async def of_tenants(self) -> list[Erasure]:
        """Return the lines on tenants, the last of each; raises as `entries`."""
        return list({one.tenant: one for one in await self._lines() if one.ended}.values())

    async def _lines(self) -> list[Erasure]:
        if self._path is None or not self._path.exists():
            return []
        lines = (await asyncio.to_thread(self._path.read_bytes)).split(b"\n")
        return [_decode(line) for line in lines[:-1] if line]


def _append(path: Path, line: bytes) -> None:
    """Write a line behind the last whole one; what was cut off in writing makes way."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        whole = _whole_bytes(file)
        os.ftruncate(file, whole)
        if os.write(file, line) != len(line):
            os.ftruncate(file, whole)
            raise OSError(errno.ENOSPC, "the line is cut off", str(path))
        os.fsync(file)
    finally:
        os.close(file)


def _whole_bytes(file: int) -> int:
    """
    Return how long a ledger is up to the end of its last whole line.

    Raises:
        OSError: what is behind that is no line of a ledger, and not to be dropped.
    """
    start = max(0, os.fstat(file).st_size - LINE_BYTES_MAX)
    last = os.pread(file, LINE_BYTES_MAX, start)
    whole = last.rfind(b"\n") + 1
    if not LINE_BEGINS.startswith(last[whole:][: len(LINE_BEGINS)]):
        raise OSError(errno.EINVAL, "the file ends in what is no line of a ledger of erasures")
    return start + whole
