"""
PostgreSQL on this machine: one server on loopback, with a database and a role for each service.

The binaries of the wheel are used directly: its own start-up stops the server when the starting process exits, and as
root opens every parent folder to all users.
"""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Mapping
from urllib.parse import urlsplit

import asyncpg
import psutil

from deploy.local import processes
from deploy.local.child import Program, Say, finish, inherited
from deploy.local.home import Home, State
from deploy.local.postgres_files import Files, locate
from shared.row_security import SERVICE_ROLE, TENANT_ROLE

SUPERUSER = "attain_admin"
BUFFERS_MB_MIN, BUFFERS_MB_MAX = 128, 1024
# For a laptop, but as safe as in production: what was answered survives a power cut.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    # No socket file: paths of homes are often longer than such a name may be.
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Pages are compressed by pglz where the binaries know no other way: with it on, that took a tenth of two busy cores.
    "wal_compression": "off",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}


async def prepare(home: Home, state: State, say: Say) -> Program:
    """
    Return the server of this home, ready to be started: its data directory exists. Idempotent.

    Raises:
        StackError: the wheel is missing, or the data directory cannot be made.
    """
    files = await asyncio.to_thread(locate, home, state, say)
    password, port = home.password(SUPERUSER), home.port("postgres")
    await _initialise(home, state, files, password)
    settings = {**SETTINGS, "shared_buffers": f"{_buffers_mb(psutil.virtual_memory().total >> 20)}MB"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        title="PostgreSQL",
        command=[str(files.programs / "postgres"), "-D", str(files.data), "-p", str(port), *options],
        environment=inherited(state.id),
        log=home.log("postgres"),
        address=f"127.0.0.1:{port}",
        answers=lambda: answers(_url(SUPERUSER, password, port, "postgres")),
        prepare=lambda: _clear(files),
        account=files.account,
        stop_signal=signal.SIGINT,
        grace_s=20.0,
    )


def _buffers_mb(memory_mb: int) -> int:
    """Return a sixteenth of the memory, which is taken only as it is filled: with less, a large log pushes out the indexes."""
    return min(max(memory_mb // 16, BUFFERS_MB_MIN), BUFFERS_MB_MAX)


async def answers(url: str) -> bool:
    """Return whether the database answers and knows the user and the password; another server would refuse them."""
    try:
        connection = await asyncpg.connect(url, timeout=5, ssl=False)
        await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


async def provision(home: Home, program: Program, services: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """
    Make a database, its owner and a role for each service where they are missing; return the URLs by service.

    The first are the services' own, the second those of the owners, who migrate. Neither can connect to any other
    database. Idempotent.
    """
    port = urlsplit(f"//{program.address}").port or 0
    admin = await asyncpg.connect(_url(SUPERUSER, home.password(SUPERUSER), port, "postgres"))
    try:
        # A statement that fails is logged with its text, which here holds passwords.
        await admin.execute("SET log_min_error_statement = panic")
        await admin.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
        roles = {row["rolname"] for row in await admin.fetch("SELECT rolname FROM pg_roles")}
        found = await admin.fetch("SELECT datname, pg_get_userbyid(datdba) AS owner FROM pg_database")
        owner_of = {row["datname"]: row["owner"] for row in found}
        # The names are ours and the passwords are url-safe text: nothing here needs quoting.
        for role in {SERVICE_ROLE, TENANT_ROLE} - roles:
            await admin.execute(f"CREATE ROLE {role} NOLOGIN")
        urls: dict[str, str] = {}
        owners: dict[str, str] = {}
        for service in services:
            name = f"attain_{service}"
            for role, address_of in ((name, urls), (f"{name}_owner", owners)):
                password = home.password(role)
                await admin.execute(f"{'ALTER' if role in roles else 'CREATE'} ROLE {role} LOGIN PASSWORD '{password}'")
                await admin.execute(f"GRANT {SERVICE_ROLE}, {TENANT_ROLE} TO {role}")
                address_of[service] = _url(role, password, port, name)
            if name not in owner_of:
                await admin.execute(f"CREATE DATABASE {name} OWNER {name}_owner")
            elif owner_of[name] == name:
                await _give_to_owner(_url(SUPERUSER, home.password(SUPERUSER), port, name), name)
            await admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            await admin.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {name}")
        return urls, owners
    finally:
        await admin.close()


async def _give_to_owner(url: str, name: str) -> None:
    """Give a database that the service's own role made to its owner."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"ALTER DATABASE {name} OWNER TO {name}_owner")
        await connection.execute(f"REASSIGN OWNED BY {name} TO {name}_owner")
    finally:
        await connection.close()


async def _initialise(home: Home, state: State, files: Files, password: str) -> None:
    """Make the data directory beside its place and move it there whole: one that was cut off leaves nothing behind."""
    if files.data.exists():
        return
    new, secret = files.folder / "data.new", files.folder / "password.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    files.own(new)
    secret.touch(0o600)
    files.own(secret)
    secret.write_text(password)
    try:
        await finish(
            "making the data directory of PostgreSQL",
            [
                str(files.programs / "initdb"), "-D", str(new), "-U", SUPERUSER, "--auth=scram-sha-256",
                f"--pwfile={secret}", "--encoding=UTF8", "--locale=C",
            ],
            inherited(state.id),
            home.log("postgres"),
            files.account,
        )  # fmt: skip
    finally:
        secret.unlink()
    new.rename(files.data)


async def _clear(files: Files) -> None:
    """
    Clear what a crash left before a start.

    After kill -9 of the server its backends may live on for a moment; a second server beside them would destroy data,
    so they are waited for. Only then a pid file whose pid is now somebody else's may go; the server would believe it.
    """
    await asyncio.to_thread(lambda: processes.end(processes.postgres_in(files.data)))
    with contextlib.suppress(FileNotFoundError):
        (files.data / "postmaster.pid").unlink()


def _url(user: str, password: str, port: int, database: str) -> str:
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/{database}"
