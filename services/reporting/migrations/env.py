"""Alembic's environment."""

from shared.migration_environment import run

run()
