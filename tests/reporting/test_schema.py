"""The schema: the migration makes what the tables say."""

import asyncio

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.reporting.tables.schema import metadata
from shared.migrate import migrate
from tests.reporting.running import new_schema


async def test_the_migration_makes_the_schema_of_the_tables_and_repeats_without_effect(
    postgres: str, name: str
) -> None:
    async with new_schema(postgres, name) as url:
        await asyncio.to_thread(migrate, "reporting", url)
        engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
        async with engine.connect() as connection:
            differences = await connection.run_sync(_differences)
            options = await connection.scalar(
                sa.text("select array_to_string(reloptions, ',') from pg_class where relname = 'mastery_v1'")
            )
        await engine.dispose()

    assert differences == []
    assert options == "fillfactor=70"


def _differences(connection: sa.Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))
