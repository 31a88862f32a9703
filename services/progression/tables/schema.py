"""The tables of progression; state columns hold MessagePack of the domain's structs."""

import sqlalchemy as sa

from shared.schema import define_common, define_logs, keep_rows_apart

metadata = sa.MetaData()
define_logs(metadata)
define_common(metadata)
_text = sa.Text(collation="C")
mastery = sa.Table(
    "mastery",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("learner", _text, primary_key=True),
    sa.Column("competency", _text, primary_key=True),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("rules_no", sa.Integer, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("deadline", _text),
    sa.Index("mastery_deadline", "shard", "deadline", postgresql_where=sa.text("deadline is not null")),
    postgresql_with={"fillfactor": 70},
)
learner_standing = sa.Table(
    "learner_standing",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("learner", _text, primary_key=True),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("deadline", _text),
    sa.Index("learner_standing_deadline", "shard", "deadline", postgresql_where=sa.text("deadline is not null")),
    postgresql_with={"fillfactor": 70},
)
journal = sa.Table(
    "journal",
    metadata,
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("batch", sa.BigInteger, primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True),
    sa.Column("tenant", _text, nullable=False),
    sa.Column("learner", _text, nullable=False),
    sa.Column("competency", _text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Index("journal_key", "learner", "competency"),
    postgresql_partition_by="RANGE (shard)",
)
keep_rows_apart(journal)
policy = sa.Table(
    "policy",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("hash", _text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
framework = sa.Table(
    "framework",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("id", _text, primary_key=True),
    sa.Column("version", _text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
activation = sa.Table(
    "activation",
    metadata,
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True),
    sa.Column("input_id", _text, nullable=False),
    sa.Column("pos", sa.BigInteger, nullable=False),
    sa.Column("time", _text, nullable=False),
    sa.Column("framework", _text, nullable=False),
    sa.Column("policy", _text, nullable=False),
    sa.Column("version", _text, nullable=False),
    sa.Column("time_zone", _text, nullable=False, server_default=""),
    sa.Column("breaks", _text, nullable=False, server_default=""),
    sa.Column("mode", _text, nullable=False, server_default="grandfathered"),
    sa.Column("batch", _text, nullable=False, server_default=""),
    sa.Column("swept", sa.Boolean, nullable=False, server_default=sa.false()),
)
policy_proposal = sa.Table(
    "policy_proposal",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("id", _text, primary_key=True),
    sa.Column("policy", _text, nullable=False),
    sa.Column("replaced", _text, nullable=False),
    sa.Column("framework", _text, nullable=False),
    sa.Column("mode", _text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("expected", sa.LargeBinary, nullable=False),
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("approved_by", sa.Text),
    sa.Column("approved_at", sa.DateTime(timezone=True)),
    sa.Column("comparison", sa.LargeBinary),
)
blocked_learner = sa.Table(
    "blocked_learner",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("learner", _text, primary_key=True),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("pos", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
webhook = sa.Table(
    "webhook",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("tenant", _text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("types", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("frameworks", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("key", _text, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("state", _text, nullable=False, server_default="active"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("retry_at", sa.DateTime(timezone=True)),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Index("webhook_tenant", "tenant"),
)
webhook_cursor = sa.Table(
    "webhook_cursor",
    metadata,
    sa.Column("webhook", _text, sa.ForeignKey("webhook.id", ondelete="cascade"), primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("pos", sa.BigInteger, nullable=False),
)
webhook_held = sa.Table(
    "webhook_held",
    metadata,
    sa.Column("webhook", _text, sa.ForeignKey("webhook.id", ondelete="cascade"), primary_key=True),
    sa.Column("learner", _text, primary_key=True),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("pos", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("parked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("reason", sa.Text, nullable=False),
)
webhook_delivery = sa.Table(
    "webhook_delivery",
    metadata,
    sa.Column("no", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("webhook", _text, sa.ForeignKey("webhook.id", ondelete="cascade"), nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("event", _text, nullable=False),
    sa.Column("type", _text, nullable=False),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("pos", sa.BigInteger, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("ms", sa.Integer, nullable=False),
    sa.Index("webhook_delivery_of", "webhook", "no"),
)
shadow_policy = sa.Table(
    "shadow_policy",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("policy", _text, primary_key=True),
    sa.Column("framework", _text, nullable=False),
    sa.Column("started_by", sa.Text, nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
_OF_SHADOW = ["shadow_policy.tenant", "shadow_policy.policy"]
shadow_cursor = sa.Table(
    "shadow_cursor",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("policy", _text, primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("pos", sa.BigInteger, nullable=False, server_default="0"),
    sa.ForeignKeyConstraint(["tenant", "policy"], _OF_SHADOW, ondelete="cascade"),
)
shadow_difference = sa.Table(
    "shadow_difference",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("policy", _text, primary_key=True),
    sa.Column("learner", _text, primary_key=True),
    sa.Column("competency", _text, primary_key=True),
    sa.Column("live", _text, nullable=False),
    sa.Column("shadow", _text, nullable=False),
    sa.Column("live_shown_at", _text),
    sa.Column("shadow_shown_at", _text),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.ForeignKeyConstraint(["tenant", "policy"], _OF_SHADOW, ondelete="cascade"),
)
subscriber = sa.Table(
    "subscriber",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("tenant", _text, nullable=False),
    sa.Column("via", _text, nullable=False),
    sa.Column("reader", _text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("types", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("frameworks", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("declared_by", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("until", sa.DateTime(timezone=True)),
    sa.Index("subscriber_tenant", "tenant"),
)
disclosure = sa.Table(
    "disclosure",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("via", _text, primary_key=True),
    sa.Column("reader", _text, primary_key=True),
    sa.Column("source", _text, primary_key=True),
    sa.Column("learner", _text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("first", sa.BigInteger, primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("sent", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("until", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
standing_disclosure = sa.Table(
    "standing_disclosure",
    metadata,
    sa.Column("no", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("tenant", _text, nullable=False),
    sa.Column("reader", _text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("behind", _text, nullable=False),
    sa.Column("last", _text, nullable=False),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("until", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Index("standing_disclosure_day", "tenant", "day", "reader"),
)
