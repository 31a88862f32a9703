"""The second wall alone: what PostgreSQL itself refuses to who serves a request, and to the role of a service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from deploy.local.stack import Stack
from shared.database import Database
from shared.row_security import SERVICE_ROLE, TENANT_ROLE
from shared.tenancy import bound_to
from tests.support.servers import SERVICES, Servers
from tests.system.isolation.victim import BY_PARENT, OF_TENANTS, Victim

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
EMPTY = {
    "blocked_learner": "learners whose input the fold raised at", "unfolded": "events that reporting could not fold",
    "told_daily": "numbers of a day on which somebody asked for them", "expiry_log": "what was kept for its days",
    "counted_block": "counts of positions once there are thousands", "waiting_v1": "what waits for a signature",
    "term_amendment_v1": "what changed since a term", "term_record_v1": "what changed since a term",
    "revision_group": "statements of Canvas that revise each other",
}  # fmt: skip
"""Tables in which the victim has no row: it would take a fault, a day, or a format of its own."""


@pytest.fixture(params=SERVICES)
async def raw(stack: Stack, request: pytest.FixtureRequest) -> AsyncIterator[Raw]:
    """A session of a service's own user, in each of the databases."""
    connection = await asyncpg.connect(stack.databases[request.param])
    yield connection
    await connection.close()


async def test_every_table_with_a_tenant_is_guarded(raw: Raw) -> None:
    """A table that a later migration adds is guarded with it, or this fails."""
    tables = {row[0] for row in await raw.fetch(OF_TENANTS)}
    guarded = {row[0] for row in await raw.fetch("select relname from pg_class where relrowsecurity")}
    bound = {row[0] for row in await raw.fetch(
        "select tablename from pg_policies where $1 = any(roles) and qual like '%attain.tenant%'", TENANT_ROLE)}  # fmt: skip

    assert tables
    assert tables <= guarded & bound


async def test_the_victim_has_something_in_every_table(raw: Raw, victim: Victim) -> None:
    """Where it had nothing, nothing would be proved."""
    lacking = {table for (table,) in await raw.fetch(OF_TENANTS) if not await _count(raw, table, victim.tenant)}
    for name, mine, parent, key in await raw.fetch(BY_PARENT):
        of_victim = f"{mine} in (select {key} from {parent} where tenant = $1)"
        if not await raw.fetchval(f"select count(*) from {name} where {of_victim}", victim.tenant):
            lacking.add(name)

    assert lacking - EMPTY.keys() == set()


async def test_a_session_of_another_tenant_sees_and_changes_nothing(raw: Raw, victim: Victim) -> None:
    tables = [row[0] for row in await raw.fetch(OF_TENANTS)]
    there = {table for table in tables if await _count(raw, table, victim.tenant)}
    await raw.execute(f"set role {TENANT_ROLE}")
    for tenant in ("stranger", ""):
        await raw.execute("select set_config('attain.tenant', $1, false)", tenant)
        for table in tables:
            assert await raw.fetchval(f"select count(*) from {table}") == await _count(raw, table, tenant), table
            assert await _count(raw, table, victim.tenant) == 0, table
            if await raw.fetchval("select has_table_privilege($1, 'delete')", table):
                assert await raw.execute(f"delete from {table} where tenant = $1", victim.tenant) == "DELETE 0"
            assert await raw.execute(f"update {table} set tenant = 'stranger' where tenant = $1", victim.tenant) == (
                "UPDATE 0"
            )
    await raw.execute("reset role")

    assert there
    assert {table for table in tables if await _count(raw, table, victim.tenant)} >= there


async def test_a_session_of_a_tenant_writes_no_row_of_another(raw: Raw, victim: Victim) -> None:
    """The wall stands before every other check of a row, so a row with nothing but its tenant shows it."""
    tables = [row[0] for row in await raw.fetch(OF_TENANTS)]
    await raw.execute(f"set role {TENANT_ROLE}")
    await raw.execute("select set_config('attain.tenant', 'stranger', false)")
    for table in tables:
        insert = f"insert into {table} (tenant) values ($1)"
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await raw.execute(insert, victim.tenant)
        # Its own it may write, where the row is whole.
        with contextlib.suppress(asyncpg.NotNullViolationError):
            async with raw.transaction():
                await raw.execute(insert, "stranger")
                raise asyncpg.NotNullViolationError("taken back")


async def test_a_session_of_a_tenant_copies_into_no_table(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.databases["evidence"])
    await connection.execute(f"set role {TENANT_ROLE}")
    for statement in ("copy event_log from stdin", "insert into event_log_rows select * from event_log"):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)):
            await connection.execute(statement)
    await connection.close()


async def test_what_belongs_to_a_tenant_by_its_parent_only_is_guarded_too(raw: Raw, victim: Victim) -> None:
    tables = await raw.fetch(BY_PARENT)
    of_victim = {name: f"from {name} where {mine} in (select {key} from {parent} where tenant = '{victim.tenant}')"
                 for name, mine, parent, key in tables}  # fmt: skip
    there = {name: await raw.fetchval(f"select count(*) {rows}") for name, rows in of_victim.items()}
    every = {name: await raw.fetchval(f"select count(*) from {name}") for name in of_victim}
    await raw.execute(f"set role {TENANT_ROLE}")
    for tenant, seen in ((victim.tenant, there), ("who has nothing", dict.fromkeys(there, 0))):
        await raw.execute("select set_config('attain.tenant', $1, false)", tenant)
        assert {name: await raw.fetchval(f"select count(*) from {name}") for name in of_victim} == seen
        if tenant == "who has nothing":
            for name in of_victim:
                assert await raw.execute(f"delete from {name}") == "DELETE 0"

    await raw.execute("reset role")
    assert {name: await raw.fetchval(f"select count(*) from {name}") for name in of_victim} == every


@pytest.fixture
async def own_role(stack: Stack) -> None:
    """The services have roles of their own, as where the stack makes its databases itself."""
    connection = await asyncpg.connect(stack.databases["evidence"])
    is_admin = await connection.fetchval("select rolsuper from pg_roles where rolname = current_user")
    await connection.close()
    if is_admin:
        pytest.skip("this stack was given databases of an administrator")


@pytest.mark.usefixtures("own_role")
async def test_the_role_of_a_service_owns_and_bypasses_nothing(raw: Raw) -> None:
    role = await raw.fetchrow(
        "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user"
    )
    tables = await raw.fetch(
        "select relname, pg_get_userbyid(relowner) as owner, current_user as me from pg_class"
        " where relkind in ('r', 'p') and relpersistence = 'p'"
    )

    assert not any(role or (True,))
    assert [row["relname"] for row in tables if row["owner"] == row["me"]] == []
    # Read models alone: they are made anew by a rebuild.
    owned = [row["relname"] for row in tables if row["owner"] == SERVICE_ROLE]
    assert all(name.rpartition("_v")[2].isdigit() for name in owned)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from event_log", "truncate event_log", "alter table event_log disable row level security",
        "drop table journal", "drop policy of_tenant on journal", "create table mine (n int)", "set role attain_admin",
        "select * from pg_authid",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("own_role")
async def test_the_role_of_a_service_cannot_take_the_wall_down(stack: Stack, statement: str) -> None:
    connection = await asyncpg.connect(stack.databases["progression"])
    with pytest.raises(asyncpg.PostgresError, match=r"permission denied|must be (owner|able)"):
        await connection.execute(statement)
    await connection.close()


@pytest.mark.usefixtures("own_role")
async def test_a_service_reaches_no_database_but_its_own(stack: Stack) -> None:
    other = stack.databases["evidence"].rpartition("/")[2]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(f"{stack.databases['reporting'].rpartition('/')[0]}/{other}")


async def test_a_statement_that_forgets_its_tenant_is_still_confined(stack: Stack, victim: Victim) -> None:
    """Connections are lent in turn to tenants and to the service, and none keeps what the one before could see."""
    database = await Database.connect(stack.databases["progression"], connections=2)

    async def seen(tenant: str | None) -> int:
        with bound_to(tenant):
            async with database.connection() as connection:
                count: int = await connection.fetchval("select count(*) from journal where tenant = $1", victim.tenant)
                return count

    tenants = [victim.tenant, "stranger", None, "other"] * 25
    found = await asyncio.gather(*(seen(tenant) for tenant in tenants))
    await database.close()

    inside = {count for tenant, count in zip(tenants, found, strict=True) if tenant in (victim.tenant, None)}
    outside = {count for tenant, count in zip(tenants, found, strict=True) if tenant not in (victim.tenant, None)}
    assert len(inside) == 1
    assert 0 not in inside
    assert outside == {0}


async def test_a_database_of_one_role_has_the_wall_too(servers: Servers, victim: Victim) -> None:
    """An administrator's connection becomes the tenant's role for a request just the same."""
    name = victim.stack.databases["progression"].rpartition("/")[2]
    connection = await asyncpg.connect(f"{servers.postgres.rpartition('/')[0]}/{name}")
    assert await _count(connection, "journal", victim.tenant)
    await connection.execute(f"set role {TENANT_ROLE}")
    assert await _count(connection, "journal", victim.tenant) == 0
    await connection.close()


async def _count(connection: Raw, table: str, tenant: str) -> int:
    count: int = await connection.fetchval(f"select count(*) from {table} where tenant = $1", tenant)
    return count
