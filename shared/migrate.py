"""Bring a service's database to the schema of this version: `python -m shared.migrate evidence|progression|reporting`."""

import argparse
import importlib
from pathlib import Path

from alembic import command
from alembic.config import Config

from shared.settings import settings

SERVICES = ("evidence", "progression", "reporting")


def migrate(service: str, url: str) -> None:
    """Run the service's Alembic history to its end; does nothing where it is there already."""
    package = importlib.import_module(f"services.{service}")
    config = Config()
    config.set_main_option("script_location", str(Path(package.__path__[0]) / "migrations"))
    config.attributes["url"] = url.replace("postgresql://", "postgresql+asyncpg://", 1)
    config.attributes["metadata"] = importlib.import_module(f"services.{service}.tables").metadata
    command.upgrade(config, "head")


def main() -> None:
    """Migrate the database that `ATTAIN_<SERVICE>_DATABASE` names."""
    parser = argparse.ArgumentParser(description="Migrate a service's database.")
    parser.add_argument("service", choices=SERVICES)
    service = parser.parse_args().service
    migrate(service, getattr(settings(), f"{service}_database"))
    print(f"{service}: schema is current")


if __name__ == "__main__":
    main()
