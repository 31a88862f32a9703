"""What a statement costs, as PostgreSQL counts it."""

from shared.database import Connection
from shared.row_security import rows_of


async def rows_read(connection: Connection, *tables: str) -> int:
    """Return how many rows of tables of the hot path this transaction has read so far, one by one or by an index."""
    read: int = await connection.fetchval(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables where relname = any($1)",
        [rows_of(table) for table in tables],
    )
    return read
