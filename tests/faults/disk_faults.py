"""Full disks: a tmpfs with no byte left under a service's log, or under all that PostgreSQL has."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg

from deploy.local.processes import postgres_in
from tests.faults.run import Run

LOG_MB = 48
ROOM_MB = 64
"""Beside what PostgreSQL holds already: enough for it to start."""
ENDS_S_MAX = 30.0


@contextlib.asynccontextmanager
async def log_full(run: Run, service: str) -> AsyncIterator[None]:
    """The disk under the service's log is full: nothing can be added to the table until there is room again."""
    folder = run.cluster.home.folder / f"disk-{service}"
    async with run.cluster.admin(service) as admin:
        data = Path(await admin.fetchval("show data_directory"))
        with _small_disk(folder, LOG_MB, owner=data):
            await admin.execute(f"create tablespace small location '{folder}'")
            await admin.execute("alter table event_log_rows set tablespace small")
            ballast = folder / "ballast"
            try:
                _fill(ballast)
                yield
            finally:
                ballast.unlink()
                await admin.execute("alter table event_log_rows set tablespace pg_default")
                await admin.execute("drop tablespace small")


@contextlib.asynccontextmanager
async def server_full(run: Run) -> AsyncIterator[None]:
    """
    The disk under the whole of PostgreSQL is full, its write-ahead log included: the server ends, and cannot start again
    until there is room.
    """
    async with run.cluster.admin() as admin:
        data = Path(await admin.fetchval("show data_directory"))
    ballast = data / "ballast"
    with contextlib.ExitStack() as disk:
        async with _stopped(run, data):
            disk.enter_context(_moved_to_small_disk(data))
        await run.cluster.ready("postgres")
        try:
            _fill(ballast)
            await _end_by_the_full_disk(run)
            yield
            ballast.unlink()
            await run.cluster.ready("postgres")
        finally:
            async with _stopped(run, data):
                ballast.unlink(missing_ok=True)
                disk.close()
    await run.cluster.ready("postgres")


def can_mount(folder: Path) -> bool:
    """Tell whether a small disk can be made here, by making one."""
    try:
        with _small_disk(folder / "trial", LOG_MB, owner=folder):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextlib.asynccontextmanager
async def _stopped(run: Run, data: Path) -> AsyncIterator[None]:
    """PostgreSQL is stopped at once, with all its processes, for the length of the block."""
    async with run.cluster.down("postgres", signal.SIGQUIT):
        async with asyncio.timeout(ENDS_S_MAX):
            while await asyncio.to_thread(postgres_in, data):
                await asyncio.sleep(0.05)
        yield


async def _end_by_the_full_disk(run: Run) -> None:
    """Let the server want more of its write-ahead log than there is room for, which it does not survive."""
    async with asyncio.timeout(ENDS_S_MAX):
        while await run.cluster.answers("postgres"):
            with contextlib.suppress(ConnectionError, asyncpg.PostgresError, asyncpg.InterfaceError):
                async with run.cluster.admin() as admin:
                    await admin.execute("select pg_logical_emit_message(true, 'faults', 'a segment that is not empty')")
                    await admin.execute("select pg_switch_wal()")


@contextlib.contextmanager
def _moved_to_small_disk(data: Path) -> Iterator[None]:
    """The folder is on a disk of its own, with little room beside what it holds; both ends want it at rest."""
    aside = data.with_name("aside")
    data.rename(aside)
    held_mb = sum(file.stat().st_size for file in aside.rglob("*") if file.is_file()) >> 20
    with _small_disk(data, held_mb + ROOM_MB, owner=aside):
        _copy(aside, data)
        yield
        shutil.rmtree(aside)
        _copy(data, aside)
    aside.rename(data)


@contextlib.contextmanager
def _small_disk(folder: Path, size_mb: int, *, owner: Path) -> Iterator[None]:
    """Mount a disk whose owner is that of another folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0700", "attain", folder], check=True)
    try:
        os.chown(folder, owner.stat().st_uid, owner.stat().st_gid)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def _copy(old: Path, new: Path) -> None:
    """Copy a folder with owners, rights and times; `new` may be there."""
    subprocess.run(["cp", "-a", "-T", old, new], check=True)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
