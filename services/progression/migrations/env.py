"""Alembic's entry to the migrations of progression."""

from shared.migration_environment import run

run()
