"""What a stack holds on disk."""

import asyncpg

from deploy.local.home import Home
from deploy.local.stack import Stack


async def stored(stack: Stack) -> dict[str, int]:
    """Return the bytes of the three databases together (without the write-ahead log) and of Kafka's files."""
    postgres = 0
    for url in stack.databases.values():
        connection = await asyncpg.connect(url)
        try:
            postgres += await connection.fetchval("select pg_database_size(current_database())")
        finally:
            await connection.close()
    # Blocks, because Kafka's index files are longer than what is written in them.
    kafka = sum(file.stat().st_blocks * 512 for file in Home(stack.home).kafka.rglob("*") if file.is_file())
    return {"postgres": postgres, "kafka": kafka}
