"""Where the tests' Kafka and PostgreSQL come from."""

import asyncio
import contextlib
import dataclasses
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from deploy.local import kafka as local_kafka
from deploy.local import postgres as local_postgres
from deploy.local.home import Home
from deploy.local.postgres import SUPERUSER
from deploy.local.stack import Stack
from shared.migrate import migrate
from tests.support.producer import free_port

CONTAINERS_S_MAX = 120
SERVICES = ("evidence", "progression", "reporting")
_MIGRATED: dict[tuple[str, str], str] = {}
"""By server and service, the database whose copies have its schema."""


def administrator_url(running: Stack, service: str) -> str:
    """Return the URL by which a service's database may be changed in every way: the service's own role may not."""
    url = urlsplit(running.databases[service])
    if url.username != f"attain_{service}":
        return running.databases[service]
    address = url.netloc.rpartition("@")[2]
    return urlunsplit(url._replace(netloc=f"{SUPERUSER}:{Home(running.home).password(SUPERUSER)}@{address}"))


@dataclasses.dataclass(frozen=True)
class Servers:
    """Addresses of a session: `postgres` is an administrator's URL; `stack` has the services' addresses."""

    kafka: str
    postgres: str
    databases: dict[str, str] = dataclasses.field(default_factory=dict)
    stack: Stack | None = None

    @classmethod
    def of_home(cls, running: Stack) -> "Servers":
        """Return the servers that a laptop stack runs itself."""
        address = running.databases["evidence"].rpartition("@")[2].partition("/")[0]
        password = Home(running.home).password(SUPERUSER)
        return cls(running.kafka, f"postgresql://{SUPERUSER}:{password}@{address}/postgres", {}, running)

    def environment(self) -> dict[str, str]:
        """Return the settings that make a stack use these servers instead of its own."""
        return {"ATTAIN_KAFKA": self.kafka} | {
            f"ATTAIN_{service.upper()}_DATABASE": url for service, url in self.databases.items()
        }

    def with_stack(self, running: Stack) -> "Servers":
        """Return the same with the services that run on them."""
        return dataclasses.replace(self, stack=running)

    async def create_database(self, prefix: str) -> str:
        """Create an empty database and return its URL."""
        name = f"{prefix}_{secrets.token_hex(4)}"
        await _run(self.postgres, f'create database "{name}"')
        base, _, query = self.postgres.partition("?")
        return f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


@contextlib.asynccontextmanager
async def new_database(server: str, name: str, template: str = "template1") -> AsyncIterator[str]:
    """Create a database on the server, as a copy of a template, and drop it afterwards."""
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {name} template {template}")
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        await connection.execute(f"drop database {name} with (force)")
        await connection.close()


async def columns_of(url: str) -> set[tuple[str, str]]:
    """Return (table, column) of all that a migrated database has, without partitions and the table of its history."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select table_name, column_name from information_schema.columns where table_schema = 'public'"
            " and table_name <> 'alembic_version'"
            " and table_name not in (select relname from pg_class where relispartition)"
        )
    finally:
        await connection.close()
    return {(row["table_name"], row["column_name"]) for row in rows}


@contextlib.asynccontextmanager
async def migrated_database(server: str, name: str, service: str) -> AsyncIterator[str]:
    """Create a database with the schema of a service, and drop it afterwards; migrations run once a server and session."""
    if (server, service) not in _MIGRATED:
        template = f"migrated_{service}_{secrets.token_hex(4)}"
        await _run(server, f"create database {template}")
        await asyncio.to_thread(migrate, service, urlunsplit(urlsplit(server)._replace(path=f"/{template}")))
        _MIGRATED[server, service] = template
    async with new_database(server, name, _MIGRATED[server, service]) as url:
        yield url


async def drop_migrated() -> None:
    """Drop the databases that `migrated_database` has copied; those of a server that is gone are gone with it."""
    while _MIGRATED:
        (server, _), template = _MIGRATED.popitem()
        with contextlib.suppress(OSError):
            await _run(server, f"drop database if exists {template} with (force)")


async def _run(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _with_databases(kafka: str, postgres: str) -> Servers:
    bare = Servers(kafka, postgres)

    async def create() -> dict[str, str]:
        return {service: await bare.create_database(service) for service in SERVICES}

    return dataclasses.replace(bare, databases=asyncio.run(create()))


def use_given() -> Servers:
    """Return the servers that the environment names."""
    kafka, postgres = os.environ.get("ATTAIN_TEST_KAFKA"), os.environ.get("ATTAIN_TEST_POSTGRES")
    if not kafka or not postgres:
        pytest.exit("ATTAIN_TEST_STACK=given needs ATTAIN_TEST_KAFKA and ATTAIN_TEST_POSTGRES", returncode=2)
    return _with_databases(kafka, postgres)


@contextlib.contextmanager
def start_containers() -> Iterator[Servers]:
    """Run Kafka and PostgreSQL in containers for the session."""
    from testcontainers.core.container import DockerContainer

    port, postgres_port, password = free_port(), free_port(), secrets.token_hex(8)
    kafka = (
        DockerContainer("apache/kafka:4.1.1")
        .with_env("KAFKA_NODE_ID", "1")
        .with_env("KAFKA_PROCESS_ROLES", "broker,controller")
        .with_env("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093")
        .with_env("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
        .with_env("KAFKA_LISTENERS", f"PLAINTEXT://:{port},CONTROLLER://:9093")
        .with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://127.0.0.1:{port}")
        .with_env("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT")
        .with_env("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
        .with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
        .with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    )
    postgres = DockerContainer("postgres:18").with_env("POSTGRES_PASSWORD", password)
    # The engine takes an address too, which the method of this library for ports does not.
    kafka.ports[str(port)] = ("127.0.0.1", port)  # type: ignore[assignment]
    postgres.ports["5432"] = ("127.0.0.1", postgres_port)  # type: ignore[assignment]
    url = f"postgresql://postgres:{password}@127.0.0.1:{postgres_port}/postgres"
    with kafka, postgres:
        asyncio.run(_until_answering(f"127.0.0.1:{port}", url))
        yield _with_databases(f"127.0.0.1:{port}", url)


async def _until_answering(kafka: str, postgres: str) -> None:
    """Wait until both serve; while PostgreSQL makes its data it listens on no port yet."""
    async with asyncio.timeout(CONTAINERS_S_MAX):
        while not (await local_kafka.answers(kafka) and await local_postgres.answers(postgres)):
            await asyncio.sleep(0.3)
