"""Backups of a laptop's PostgreSQL, copied while it runs or kept by an archive, and how they are put back."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg

from deploy.local import stack
from deploy.local.home import Home
from deploy.local.postgres import SUPERUSER
from deploy.local.postgres_files import locate
from deploy.local.stack import Stack
from tests.support.engine import TREE
from tests.support.waiting import wait_until

SCRIPTS = TREE / "deploy" / "compose" / "archive"


async def back_up(running: Stack, target: Path) -> None:
    """Copy the running server's files between the two calls that make the copy whole (PostgreSQL manual, 25.3.4)."""
    home = Home(running.home)
    data = _data(home)
    url = f"postgresql://{SUPERUSER}:{home.password(SUPERUSER)}@{running.postgres}/postgres"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("select pg_backup_start('test', true)")
        await asyncio.to_thread(_copy, data, target)
        label = await connection.fetchval("select labelfile from pg_backup_stop(wait_for_archive => false)")
        await asyncio.to_thread((target / "backup_label").write_text, label)
        # The log up to the stop makes the copy whole; an archive has it where the server keeps one.
        await asyncio.to_thread(_copy, data / "pg_wal", target / "pg_wal")
    finally:
        await connection.close()


def _copy(source: Path, target: Path) -> None:
    skipped = shutil.ignore_patterns("postmaster.pid", "postmaster.opts", "pg_wal" if source.name != "pg_wal" else "")
    shutil.copytree(source, target, ignore=skipped, dirs_exist_ok=True)


def _data(home: Home) -> Path:
    state = home.state()
    assert state is not None
    return locate(home, state, lambda text: None).data


def put_back(home: Path, backup: Path) -> None:
    """Put a copy in the place of a stopped server's files."""
    data = _data(Home(home))
    owner = data.stat()
    shutil.rmtree(data)
    shutil.copytree(backup, data)
    for place in (data, *data.rglob("*")):
        os.chown(place, owner.st_uid, owner.st_gid)
    data.chmod(0o700)


def raise_generation(home: Path, above: int = 1) -> None:
    """Raise the logs of a stopped stack above a generation, as after every restore."""
    running = stack.start(home, services=False, owner=os.getpid())
    done = subprocess.run(
        [sys.executable, "-m", "shared.restored", "--above", str(above)],
        env=os.environ | running.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    stack.stop(home)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"all logs go on in generation {above + 1}; start the services\n"


class Archive:
    """The archive of a laptop's PostgreSQL, which is kept and restored from by the scripts of the compose installation."""

    def __init__(self, home: Path) -> None:
        self._home = Home(home)
        state = self._home.state()
        assert state is not None
        self._port = state.ports["postgres"]
        self._files = locate(self._home, state, lambda text: None)
        self._folder = home.parent / "archive"
        self._environment = os.environ | {"ARCHIVE": str(self._folder), "PGPASSWORD": self._home.password(SUPERUSER)}

    def keep(self) -> None:
        """Keep the log, from the next start on."""
        self._folder.mkdir()
        # Where the server's user may read it.
        keep = shutil.copy(SCRIPTS / "keep-wal.sh", self._folder)
        for name in ("wal", "base"):
            (self._folder / name).mkdir()
        self._files.own(self._folder / "wal")
        self.sql("alter system set archive_mode = on")
        self.sql(f"alter system set archive_command = 'ARCHIVE={self._folder} {keep} %p %f'")

    def back_up(self, name: str) -> None:
        """Make a base backup, as the runbook says."""
        target = str(self._folder / "base" / name)
        self._run("pg_basebackup", "-d", self._url(), "-D", target, "-Ft", "-z", "-X", "fetch", "-c", "fast")

    def restored(self, base: str, *to: str, above: int = 1) -> Stack:
        """Stop the stack, restore a backup to a moment or to the end, and start it in a new generation."""
        file = self.sql("select pg_walfile_name(pg_switch_wal())")
        archived = "select coalesce(max(last_archived_wal), '') from pg_stat_archiver"
        wait_until(lambda: self.sql(archived) >= file)
        stack.stop(self._home.folder)
        self._restore(base, *to)
        raise_generation(self._home.folder, above)
        return stack.start(self._home.folder, owner=os.getpid())

    def _restore(self, base: str, *to: str) -> None:
        """Return once the server has followed the log and is stopped again."""
        data, account = self._files.data, self._files.account
        owner = pwd.getpwuid(os.getuid() if account is None else account.uid).pw_name
        environment = self._environment | {"PGDATA": str(data), "OWNER": owner}
        subprocess.run([SCRIPTS / "restore-to.sh", base, *to], env=environment, check=True)
        as_whom: dict[str, Any] = (
            {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
        )
        with self._home.log("postgres").open("ab") as log:
            server = subprocess.Popen(
                [self._files.programs / "postgres", "-D", data, "-p", str(self._port),
                 "-c", "unix_socket_directories="],
                stdout=log, stderr=log, cwd="/", **as_whom,
            )  # fmt: skip
        wait_until(self._has_recovered, 60)
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0

    def sql(self, statement: str) -> str:
        """Return what PostgreSQL's administrator is answered."""
        return self._run("psql", "-d", self._url(), "-Atc", statement).strip()

    def _has_recovered(self) -> bool:
        try:
            return self.sql("select pg_is_in_recovery()") == "f"
        except subprocess.CalledProcessError:
            return False

    def _url(self) -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self._port}/postgres"

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._files.programs / program), *arguments]
        return subprocess.run(command, env=self._environment, check=True, stdout=subprocess.PIPE, text=True).stdout
