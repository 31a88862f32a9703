"""The three services as programs, and what must have run before them: migrations and topics."""

import asyncio
import os
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from deploy.local.child import Program, finish
from deploy.local.home import Home
from deploy.local.processes import MARK

SERVICES = ("evidence", "progression", "reporting")
# The folder that holds `shared`, `services` and `deploy`: the children import the same tree as we do.
TREE = Path(__file__).parents[2]
# Set by us for each service, or meant for the command line: not to be passed on as the user set it.
OURS = frozenset(
    {"ATTAIN_HOME", "ATTAIN_TENANT", "ATTAIN_TOKEN", "ATTAIN_DEBUG", "ATTAIN_KAFKA_HEAP_MB"}
    | {f"ATTAIN_{service.upper()}_{part}" for service in SERVICES for part in ("URL", "DATABASE", "OWNER_DATABASE")}
)
# They are asked in the clear on this machine, again and again: reading all authorities would take each client 50 ms.
_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def python(module: str, *arguments: str) -> list[str]:
    """Return the command of a module of this tree; -P keeps folders named `shared` where the user stands out of it."""
    return [sys.executable, "-P", "-m", module, *arguments]


def python_environment() -> dict[str, str]:
    """Return our environment with this tree first on the import path."""
    path = os.pathsep.join(filter(None, (str(TREE), os.environ.get("PYTHONPATH"))))
    return {name: value for name, value in os.environ.items() if name != MARK} | {"PYTHONPATH": path}


def database_variable(service: str) -> str:
    """Return the name of the setting that holds a service's database."""
    return f"ATTAIN_{service.upper()}_DATABASE"


def url_variable(service: str) -> str:
    """Return the name of the setting that holds where a service is reached."""
    return f"ATTAIN_{service.upper()}_URL"


def given_databases() -> dict[str, str]:
    """Return the databases that the user gave, by service."""
    found = {service: os.environ.get(database_variable(service), "") for service in SERVICES}
    return {service: url for service, url in found.items() if url}


class Services:
    """Builds the programs of one home once the addresses are known."""

    def __init__(self, home: Home, home_id: str) -> None:
        self._home = home
        self._id = home_id
        self._ports = {service: home.port(service) for service in SERVICES}
        self.urls = {service: f"http://127.0.0.1:{port}" for service, port in self._ports.items()}

    async def migrate(self, databases: Mapping[str, str]) -> None:
        """Bring every database to the version of this tree."""
        async with asyncio.TaskGroup() as tasks:
            for service in SERVICES:
                tasks.create_task(self._migrate(service, databases[service]))

    async def create_topics(self, kafka: str) -> None:
        """Create the topics that are missing."""
        await finish(
            "creating the topics",
            python("shared.topics", "create"),
            self._environment(kafka=kafka),
            self._home.log("topics"),
        )

    def program(self, service: str, kafka: str, database: str) -> Program:
        """Return a service, ready to be started; it is told of its own database only."""
        url = self.urls[service]
        own = {
            database_variable(service): database,
            "ATTAIN_SLOT": f"{service}-0",
            "ATTAIN_HOST": "127.0.0.1",
            "ATTAIN_PORT": str(self._ports[service]),
        }
        if service == "evidence":
            own["ATTAIN_ERASURE_LEDGER"] = str(self._home.erasure_ledger)
        return Program(
            name=service,
            title=service,
            command=python(f"services.{service}.app"),
            environment=self._environment(kafka=kafka) | own,
            log=self._home.log(service),
            address=url,
            answers=lambda: answers(f"{url}/readyz"),
            grace_s=15.0,
        )

    async def _migrate(self, service: str, database: str) -> None:
        environment = self._environment() | {database_variable(service): database}
        log = self._home.log(f"migrate-{service}")
        await finish(f"migrating {service}", python("shared.migrate", service), environment, log)

    def _environment(self, kafka: str | None = None) -> dict[str, str]:
        kept = {name: value for name, value in python_environment().items() if name not in OURS}
        defaults = {
            "ATTAIN_SHARDS": str(self._home.shards()),
            "ATTAIN_TOPIC_SUFFIX": "",
            "ATTAIN_PUBLIC_URL": self.urls["reporting"],
        }
        ours = {
            "ATTAIN_TOKEN_KEY_FILE": str(self._home.token_key_file),
            "ATTAIN_CREDENTIAL_KEYS": str(self._home.credential_keys),
            MARK: self._id,
        }
        if kafka is not None:
            ours["ATTAIN_KAFKA"] = kafka
        return defaults | kept | ours | {url_variable(service): url for service, url in self.urls.items()}


async def answers(url: str) -> bool:
    """Return whether GET answers 200; a proxy that the user has set is not asked about this machine."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5, verify=_TRUSTS_NOBODY) as client:
            return (await client.get(url)).status_code == 200
    except httpx.HTTPError:
        return False
