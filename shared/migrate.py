"""Bring databases to the schema of this version: `python -m shared.migrate [evidence] [progression] [reporting]`."""

import argparse
import asyncio
import importlib
import time
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

from shared.database import MISCONFIGURED
from shared.revisions import Schema, newer_schema, schema_of
from shared.settings import SERVICES, Settings, settings_or_exit, variable

WAIT_S, RETRY_S = 60.0, 1.0
DEADLOCK = asyncpg.DeadlockDetectedError.sqlstate


def configuration(service: str) -> Config:
    """Return the Alembic configuration of a service's history."""
    package = importlib.import_module(f"services.{service}")
    config = Config()
    config.set_main_option("script_location", str(Path(package.__path__[0]) / "migrations"))
    return config


def migrate(service: str, url: str) -> str:
    """
    Run the service's Alembic history to its end; return what the schema is then.

    That of a newer version stays as it is: this one has been rolled back to, and whether it may serve is asked at its start.
    """
    newer = newer_schema(service, asyncio.run(_schema(url)))
    if newer:
        return f"{newer}, stays as it is"
    config = configuration(service)
    config.attributes["url"] = url
    config.attributes["metadata"] = importlib.import_module(f"services.{service}.tables.schema").metadata
    command.upgrade(config, "head")
    return "schema is current"


async def _schema(url: str) -> Schema:
    connection = await asyncpg.connect(url)
    try:
        return await schema_of(connection)
    finally:
        await connection.close()


def migrate_when_there(service: str, url: str, wait_s: float = WAIT_S) -> str:
    """
    Migrate once the server can be reached; return what the schema is then.

    Services of the version before go on meanwhile: where they and this wait for each other's tables, and the server gives up on
    this, nothing of it has happened, and it begins anew.

    Raises:
        SystemExit: it cannot be reached for so long, or does not let in who migrates.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return migrate(service, url)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", "") != DEADLOCK or time.monotonic() >= deadline:
                raise
        except (*MISCONFIGURED, OSError, asyncpg.PostgresError) as error:
            starting = isinstance(error, OSError | asyncpg.CannotConnectNowError) and not isinstance(
                error, MISCONFIGURED
            )
            if not starting:
                raise SystemExit(f"{service}: the database of {variable(f'{service}_database')}: {error}") from None
            if time.monotonic() >= deadline:
                raise SystemExit(
                    f"{service}: the server of {variable(f'{service}_database')} cannot be reached: {error}"
                ) from None
            time.sleep(min(RETRY_S, wait_s))


def databases(config: Settings, services: list[str]) -> dict[str, str]:
    """
    Return the databases to migrate by service, with their owner where it is set: of those named, else of all that are.

    Raises:
        SystemExit: a named one is not set, or none is.
    """
    found = {
        service: getattr(config, f"{service}_owner_database") or getattr(config, f"{service}_database")
        for service in services or SERVICES
    }
    missing = [variable(f"{service}_database") for service, url in found.items() if not url]
    if missing and (services or len(missing) == len(SERVICES)):
        raise SystemExit(f"{' and '.join(missing)} not set: say which database to migrate")
    return {service: url for service, url in found.items() if url}


def main() -> None:
    """Migrate the databases that `ATTAIN_<SERVICE>_DATABASE` name."""
    parser = argparse.ArgumentParser(
        description="Migrate the databases of the services, by default of all that are set."
    )
    parser.add_argument("service", nargs="*", help=" ".join(SERVICES))
    services: list[str] = parser.parse_args().service
    unknown = sorted(set(services) - set(SERVICES))
    if unknown:
        parser.error(f"no service {unknown[0]!r}; there are {', '.join(SERVICES)}")
    for service, url in databases(settings_or_exit("migrate"), services).items():
        print(f"{service}: {migrate_when_there(service, url)}")


if __name__ == "__main__":
    main()
