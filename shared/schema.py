"""
The tables that services have in common, as migrations and tests make them; `tables/schema.py` of a service has its own.

Statements are written in SQL beside what runs them: a running service has no need of this file, nor of SQLAlchemy for it.
"""

import sqlalchemy as sa
from sqlalchemy import event

from shared.row_security import rows_of

_TEXT = sa.Text(collation="C")


def define_common(metadata: sa.MetaData) -> None:
    """Add what every service has: the positions of its consumers, the limits of tenants, the log of what was removed by age."""
    sa.Table(
        "consumer_shard",
        metadata,
        sa.Column("consumer", _TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("log", _TEXT, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False, server_default="1"),
        sa.Column("pos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("inbox_pos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("next_offset", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.Text, nullable=False, server_default=""),
    )
    sa.Table(
        "tenant_limit",
        metadata,
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    sa.Table(
        "expiry_log",
        metadata,
        sa.Column("no", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("setting", _TEXT, nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("until", sa.Date, nullable=False),
        sa.UniqueConstraint("tenant", "day", "kind", "setting", "days"),
    )


def define_logs(metadata: sa.MetaData) -> None:
    """Add what a service has that writes logs: these with their cursors, counted blocks, and the instant that was believed."""
    event_log = sa.Table(
        "event_log",
        metadata,
        sa.Column("log", _TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("pos", sa.BigInteger, primary_key=True),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("subject", _TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        # Finds what is said of one learner. A hash costs a quarter of a tree, as long as no subject has very many rows.
        sa.Index(
            "event_log_subject",
            "subject",
            postgresql_using="hash",
            postgresql_where=sa.text("subject <> '' AND subject <> 'checkpoint'"),
        ),
        postgresql_partition_by="RANGE (shard)",
    )
    keep_rows_apart(event_log)
    sa.Table(
        "log_head",
        metadata,
        sa.Column("log", _TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False, server_default="1"),
        sa.Column("pos", sa.BigInteger, nullable=False, server_default="0"),
    )
    sa.Table(
        "relay_cursor",
        metadata,
        sa.Column("log", _TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("pos", sa.BigInteger, nullable=False, server_default="0"),
    )
    sa.Table(
        "counted_block",
        metadata,
        sa.Column("log", _TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("block", sa.BigInteger, primary_key=True),
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("rows", sa.BigInteger, nullable=False),
    )
    sa.Table(
        "clock_seen",
        metadata,
        sa.Column("one", sa.Boolean, sa.CheckConstraint("one"), primary_key=True, server_default=sa.true()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def keep_rows_apart(table: sa.Table) -> None:
    """Let the creation of a table with `postgresql_partition_by` create its one partition too."""
    create = sa.DDL(f"create table {rows_of(table.name)} partition of {table.name} default")  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", create)
