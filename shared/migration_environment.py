"""What every service's Alembic environment runs: its history, over asyncpg, in one transaction."""

import asyncio
import functools

import asyncpg
import sqlalchemy as sa
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

from shared.guarding import protect


def run() -> None:
    """Run the migrations of the configuration that `shared.migrate` made."""
    asyncio.run(_run(context.config.attributes["url"], context.config.attributes["metadata"]))


async def _run(url: str, metadata: sa.MetaData) -> None:
    # The driver reads the URL, as it does for the services: SQLAlchemy would not know its parameters, such as sslmode.
    engine = create_async_engine("postgresql+asyncpg://", async_creator=functools.partial(asyncpg.connect, url))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate, metadata)
            await connection.commit()
    finally:
        await engine.dispose()


def _migrate(connection: sa.Connection, metadata: sa.MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    history = context.get_context()
    with context.begin_transaction():
        came_from = history.get_current_revision()
        context.run_migrations()
        if came_from not in (None, history.get_current_revision()):
            # For `shared.revisions`: whoever knows this one may go on.
            connection.execute(sa.text(f"comment on table alembic_version is '{came_from}'"))
        protect(connection)
