"""The schema: the read models in their first version, what is kept of them, and what no log gives back."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from services.reporting.tables import kept
from services.reporting.tables.read_models import FIRST_VERSION, define_models
from shared.schema import define_common

metadata = sa.MetaData()
_TEXT = sa.Text(collation="C")

define_common(metadata)
define_models(metadata, FIRST_VERSION)
kept.define_tables(metadata)
sa.Table(
    "read_model",
    metadata,
    sa.Column("name", _TEXT, primary_key=True),
    sa.Column("live", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="live"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("started_at", sa.DateTime(timezone=True)),
    sa.Column("heartbeat_at", sa.DateTime(timezone=True)),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),
    sa.Column("building", sa.Integer, nullable=False, server_default="0"),
    sa.Column("edition", sa.Integer, nullable=False, server_default="1"),
)
sa.Table(
    "folded_count",
    metadata,
    sa.Column("consumer", _TEXT, primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True),
    # Without a tenant: minus the position that was folded before counting began.
    sa.Column("tenant", _TEXT, primary_key=True),
    sa.Column("events", sa.BigInteger, nullable=False),
)
sa.Table(
    "checkpoint",
    metadata,
    sa.Column("consumer", _TEXT, primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("evidence", sa.BigInteger, nullable=False),
    sa.Column("decisions", sa.BigInteger, nullable=False),
)
sa.Table(
    "unfolded",
    metadata,
    sa.Column("consumer", _TEXT, primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("pos", sa.BigInteger, primary_key=True),
    sa.Column("tenant", _TEXT, nullable=False),
    sa.Column("subject", _TEXT, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("data", BYTEA, nullable=False),
    sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
)
