"""How far the relay and the curriculum's fold are behind."""

from shared.database import Connection


async def relay(connection: Connection, logs: list[str]) -> tuple[int, str | None]:
    """Return how many events are not sent yet, and the time of the oldest of them."""
    row = await connection.fetchrow(
        "select coalesce(sum(h.pos - c.pos), 0)::bigint behind, min(o.body) oldest"
        " from log_head h join relay_cursor c using (log, shard)"
        " left join lateral (select (convert_from(body, 'UTF8')::jsonb) ->> 'time' body from event_log e"
        "   where e.log = h.log and e.shard = h.shard and e.pos = c.pos + 1) o on h.pos > c.pos"
        " where h.log = any($1::text[])",
        logs,
    )
    assert row is not None
    return row["behind"], row["oldest"] or None
