"""SQL on what is used up: states of sign-ins and sessions that were ended. They are random ids, of no tenant."""

from shared.database import Connection


async def spend(connection: Connection, id: str, for_s: float) -> bool:
    """Use an id up for as long as it would be valid; return False where it was used up before."""
    await connection.execute("delete from spent where until < now()")
    done = await connection.execute(
        "insert into spent (id, until) values ($1, now() + make_interval(secs => $2)) on conflict do nothing", id, for_s
    )
    return bool(done == "INSERT 0 1")


async def is_spent(connection: Connection, id: str) -> bool:
    """Tell whether an id is used up."""
    return bool(await connection.fetchval("select exists (select 1 from spent where id = $1)", id))
