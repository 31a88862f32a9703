"""What migrations do for row-level security: roles are made, and whatever table is not guarded yet is."""

from typing import Any

import sqlalchemy as sa

from shared.row_security import MAKE_ROLES, SERVICE_ROLE, TENANT_ROLE, Guarded, rows_of, statements

_HAS_TENANT = (
    "exists(select from pg_attribute a where a.attrelid = {}.oid and a.attname = 'tenant' and not a.attisdropped)"
)
_TABLES = (
    "select c.relname, c.relrowsecurity, has_table_privilege(:service, c.oid, 'insert'),"
    f" {_HAS_TENANT.format('c')}, c.relispartition, f.mine, f.parent, f.key"
    " from pg_class c left join lateral (select a.attname as mine, p.relname as parent, b.attname as key"
    "   from pg_constraint k join pg_class p on p.oid = k.confrelid"
    "   join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]"
    "   join pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]"
    f"   where k.conrelid = c.oid and k.contype = 'f' and cardinality(k.conkey) = 1 and {_HAS_TENANT.format('p')}"
    "   limit 1) f on true"
    " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by c.relname"
)


def partition(connection: sa.Connection, table: str, by: str) -> None:
    """Make a table the parent of one partition that is the table as it was; nothing is copied. `by` is part of its key."""
    key = sa.inspect(connection).get_pk_constraint(table)
    columns = ", ".join(key["constrained_columns"])
    for statement in (
        f"alter table {table} rename to {rows_of(table)}",
        f"alter index {key['name']} rename to {rows_of(table)}_pkey",
        f"create table {table} (like {rows_of(table)} including defaults, primary key ({columns})) partition by range ({by})",
        f"alter table {table} attach partition {rows_of(table)} default",
    ):
        connection.exec_driver_sql(statement)


def protect(connection: sa.Connection) -> None:
    """
    Guard every table that is not guarded yet; runs after the migrations, as the owner of the database.

    Raises:
        SystemExit: the roles are missing and this user may not create them.
    """
    make_roles(connection)
    unguarded = _unguarded(connection)
    if unguarded:
        database = connection.dialect.identifier_preparer.quote(
            str(connection.scalar(sa.text("select current_database()")))
        )
        for role in (SERVICE_ROLE, TENANT_ROLE):
            connection.exec_driver_sql(f"grant temporary on database {database} to {role}")
            connection.exec_driver_sql(f"grant usage on schema public to {role}")
    for statement in statements(unguarded):
        connection.exec_driver_sql(statement)


def make_roles(connection: sa.Connection) -> None:
    """Create the roles that are missing; raises `SystemExit` where this user may not."""
    present = set(connection.scalars(sa.text("select rolname from pg_roles")))
    for role in (SERVICE_ROLE, TENANT_ROLE):
        if role in present:
            continue
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"create role {role} nologin")
        except sa.exc.ProgrammingError as error:
            if _is(error, "42501"):
                raise SystemExit(
                    f"roles {SERVICE_ROLE} and {TENANT_ROLE} are missing and this user may not create roles; have an"
                    f" administrator run: {MAKE_ROLES}; grant {SERVICE_ROLE}, {TENANT_ROLE} to the user of the service"
                ) from None
            if not _is(error, "42710"):
                raise
        except sa.exc.IntegrityError:
            # The migration of another database was quicker.
            continue


def _is(error: sa.exc.DBAPIError, state: str) -> bool:
    found: Any = error.orig
    return getattr(found, "sqlstate", None) == state


def _unguarded(connection: sa.Connection) -> list[Guarded]:
    """Return the tables of the schema that are not guarded yet; which tenant a row is of may be a matter of its parent."""
    found = []
    for name, is_guarded, is_granted, has_tenant, is_partition, *parent in connection.execute(
        sa.text(_TABLES), {"service": SERVICE_ROLE}
    ):
        of_tenant = not is_partition and (has_tenant or parent[0] is not None)
        if not (is_guarded if of_tenant else is_granted):
            by_parent = None if has_tenant or parent[0] is None else (parent[0], parent[1], parent[2])
            found.append(Guarded(name, has_tenant, by_parent, is_partition))
    return found
