"""The first schema: the read models in their first version, their positions, and what could not be folded."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Create the tables, and name version 1 of every read model the live one."""
    _mastery()
    _curriculum()
    _roster()
    _positions()
    read_model = op.create_table(
        "read_model",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("live", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="live"),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("detail", sa.Text, nullable=False, server_default=""),
    )
    op.bulk_insert(read_model, [{"name": name, "live": 1} for name in ("mastery", "curriculum", "roster")])


def downgrade() -> None:
    """There is nothing before the first schema."""
    raise NotImplementedError("drop the database instead: read models are rebuilt from the logs")


def _mastery() -> None:
    op.create_table(
        "mastery_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("learner", TEXT, primary_key=True),
        sa.Column("competency", TEXT, primary_key=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("evidence_count", sa.Integer, nullable=False),
        sa.Column("last_evidence_at", sa.Text),
        sa.Column("mastered_at", sa.Text),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("data", BYTEA, nullable=False),
        postgresql_with={"fillfactor": "70"},
    )


def _curriculum() -> None:
    op.create_table(
        "framework_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("framework", TEXT, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("version", TEXT, nullable=False),
    )
    op.create_table(
        "competency_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("framework", TEXT, primary_key=True),
        sa.Column("version", TEXT, primary_key=True),
        sa.Column("code", TEXT, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("level", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("parent", sa.Text),
        sa.Column("dok", sa.Integer),
        sa.Column("power", sa.Boolean, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "association_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("framework", TEXT, primary_key=True),
        sa.Column("version", TEXT, primary_key=True),
        sa.Column("origin", TEXT, primary_key=True),
        sa.Column("destination", TEXT, primary_key=True),
        sa.Column("type", TEXT, primary_key=True),
    )


def _roster() -> None:
    op.create_table(
        "school_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("school", TEXT, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("district", TEXT),
    )
    op.create_table(
        "class_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("class", TEXT, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("school", TEXT),
        sa.Column("subject", sa.Text),
    )
    op.create_table(
        "staff_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("class", TEXT, primary_key=True),
        sa.Column("staff", TEXT, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    op.create_table(
        "enrolment_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("class", TEXT, primary_key=True),
        sa.Column("learner", TEXT, primary_key=True),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    op.create_index("ix_class_v1_school", "class_v1", ["tenant", "school"])
    op.create_index("ix_staff_v1_staff", "staff_v1", ["tenant", "staff"])
    op.create_index("ix_enrolment_v1_learner", "enrolment_v1", ["tenant", "learner"])


def _positions() -> None:
    op.create_table(
        "consumer_shard",
        sa.Column("consumer", TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("log", TEXT, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False, server_default="1"),
        sa.Column("pos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("inbox_pos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("next_offset", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(
        "checkpoint",
        sa.Column("consumer", TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("evidence", sa.BigInteger, nullable=False),
        sa.Column("decisions", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "unfolded",
        sa.Column("consumer", TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("pos", sa.BigInteger, primary_key=True),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("data", BYTEA, nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )
