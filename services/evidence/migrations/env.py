"""The Alembic environment of the evidence database."""

from shared.migration_environment import run

run()
