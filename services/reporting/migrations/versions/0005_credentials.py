"""Signed records: what was issued, and what CASE calls a competency (null until the read model is rebuilt)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0005"
down_revision = "0004"

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Create the table, and widen every version of the read models."""
    op.create_table(
        "credential",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("issuer", TEXT, primary_key=True),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("list", sa.Integer, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("learner", TEXT, nullable=False),
        sa.Column("events", ARRAY(sa.Text), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )
    op.create_index("ix_credential_place", "credential", ["tenant", "issuer", "list", "index"], unique=True)
    op.create_index("ix_credential_learner", "credential", ["tenant", "learner"])
    for table in _versions("competency"):
        op.add_column(table, sa.Column("identifier", sa.Text))
    for table in _versions("advancement"):
        op.create_index(
            f"ix_{table}_taken",
            table,
            ["tenant", "learner", "scope"],
            postgresql_where=sa.text("kind in ('competency.withdrawn', 'level.withdrawn')"),
        )


def downgrade() -> None:
    """Forget what was issued: no list says any more what is revoked."""
    for table in _versions("advancement"):
        op.drop_index(f"ix_{table}_taken", table)
    for table in _versions("competency"):
        op.drop_column(table, "identifier")
    op.drop_table("credential")


def _versions(table: str) -> list[str]:
    rows = op.get_bind().execute(
        sa.text("select tablename from pg_tables where tablename ~ :name order by 1"), {"name": f"^{table}_v[0-9]+$"}
    )
    return [name for (name,) in rows]
