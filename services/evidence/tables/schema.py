"""The schema of the evidence database."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from services.evidence.tables import people_schema
from shared.schema import define_common, define_logs, keep_rows_apart

metadata = sa.MetaData()
define_logs(metadata)
define_common(metadata)
people_schema.define_tables(metadata)

_TEXT = sa.Text(collation="C")
_INSTANT = sa.DateTime(timezone=True)

evidence = sa.Table(
    "evidence",
    metadata,
    # A hash of (tenant, source, id): this index is what makes an id unique, in every shard and replica.
    sa.Column("evidence_id", UUID, primary_key=True),
    sa.Column("tenant", _TEXT, nullable=False),
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("id", _TEXT),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary),
    sa.Column("learner", UUID),
    sa.Column("shard", sa.Integer),
    sa.Column("pos", sa.BigInteger),
    sa.Column("valid", sa.Boolean, nullable=False),
    sa.Column("relation", _TEXT),
    sa.Column("target", UUID),
    sa.Column("received_at", _INSTANT),
    sa.Column("private", sa.LargeBinary),
    sa.Column("align_by", _TEXT),
    sa.Column("told", UUID),
    sa.Column("home", UUID),
    postgresql_partition_by="RANGE (evidence_id)",
)
keep_rows_apart(evidence)
sa.Index(
    "evidence_align_by",
    evidence.c.tenant,
    evidence.c.align_by,
    evidence.c.evidence_id,
    postgresql_where=evidence.c.align_by.isnot(None),
)
sa.Index(
    "evidence_target", evidence.c.target, postgresql_where=evidence.c.target.isnot(None)
)  # few pieces have one, so plain evidence pays for two indexes only
sa.Index("evidence_learner", evidence.c.learner, postgresql_using="hash")
sa.Index("evidence_told", evidence.c.told, postgresql_where=evidence.c.told.isnot(None))

competency = sa.Table(
    "competency",
    metadata,
    sa.Column("tenant", _TEXT, primary_key=True),
    sa.Column("competency", _TEXT, primary_key=True),
    sa.Column("version", _TEXT, nullable=False, server_default=""),
    sa.Column("retired", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("identifier", _TEXT),
)
sa.Index(
    "competency_identifier",
    competency.c.tenant,
    competency.c.identifier,
    postgresql_where=competency.c.identifier.isnot(None),
)

alignment = sa.Table(
    "alignment",
    metadata,
    sa.Column("tenant", _TEXT, primary_key=True),
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("source", _TEXT, primary_key=True),
    sa.Column("effective_from", _TEXT, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("kind", _TEXT, nullable=False),
    sa.Column("targets", sa.LargeBinary, nullable=False),
    sa.Column("origin", _TEXT, nullable=False),
    sa.Column("published_by", _TEXT, nullable=False),
    sa.Column("published_at", _INSTANT, nullable=False),
    sa.Column("applied", sa.Boolean, nullable=False),
)
sa.Index("alignment_unapplied", alignment.c.tenant, alignment.c.version, postgresql_where=sa.not_(alignment.c.applied))

alignment_head = sa.Table(
    "alignment_head",
    metadata,
    sa.Column("tenant", _TEXT, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("quarantine_id", UUID, primary_key=True),
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("tenant", _TEXT, nullable=False),
    sa.Column("status", _TEXT, nullable=False),
    sa.Column("source", _TEXT),
    sa.Column("item_id", _TEXT),
    sa.Column("learner_source_id", _TEXT),
    sa.Column("reason", _TEXT, nullable=False),
    sa.Column("pointer", _TEXT, nullable=False),
    sa.Column("detail", _TEXT, nullable=False),
    sa.Column("awaits", _TEXT),
    sa.Column("way", _TEXT, nullable=False),
    sa.Column("original", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("evidence_id", UUID),
    sa.Column("form", _TEXT, nullable=False, server_default="native"),
    sa.Column("awaits_entry", _TEXT),
    sa.Column("seen", sa.BigInteger, nullable=False, server_default="0"),
)
sa.Index(
    "quarantine_awaits_entry",
    quarantine.c.tenant,
    quarantine.c.awaits_entry,
    quarantine.c.seq,
    postgresql_where=sa.and_(quarantine.c.status == sa.text("'parked'"), quarantine.c.awaits_entry.isnot(None)),
)
sa.Index("quarantine_list", quarantine.c.tenant, quarantine.c.status, quarantine.c.seq)
sa.Index(
    "quarantine_awaits",
    quarantine.c.tenant,
    quarantine.c.awaits,
    quarantine.c.seq,
    postgresql_where=sa.and_(quarantine.c.status == sa.text("'parked'"), quarantine.c.awaits.isnot(None)),
)

intake_count = sa.Table(
    "intake_count",
    metadata,
    sa.Column("tenant", _TEXT, primary_key=True),
    sa.Column("slot", sa.Integer, primary_key=True),
    *(
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in ("received", "accepted", "duplicate", "corrected", "parked", "rejected", "events")
    ),
)

source_day = sa.Table(
    "source_day",
    metadata,
    sa.Column("tenant", _TEXT, primary_key=True),
    # Empty for what was refused before its source could be read.
    sa.Column("source", _TEXT, primary_key=True),
    # Of arrival, in the time zone of the tenant.
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("slot", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("accepted", "duplicate", "parked", "rejected")),
)

xapi_statement = sa.Table(
    "xapi_statement",
    metadata,
    # A hash of (tenant, source, statement id).
    sa.Column("statement_key", UUID, primary_key=True),
    sa.Column("tenant", _TEXT, nullable=False),
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("outcome", _TEXT, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("voids", UUID),
    # Who and what is said: only of statements that are kept.
    sa.Column("learner_source_id", _TEXT),
    sa.Column("body", sa.LargeBinary),
    # Source ids of all whom the body names, a line each: with any of them it is forgotten.
    sa.Column("people", sa.Text),
)
sa.Index(
    "xapi_statement_people",
    sa.text("string_to_array(people, e'\\n')"),
    postgresql_using="gin",
    postgresql_where=xapi_statement.c.people.isnot(None),
)
sa.Index("xapi_statement_voids", xapi_statement.c.voids, postgresql_where=xapi_statement.c.voids.isnot(None))
sa.Index(
    "xapi_statement_learner",
    xapi_statement.c.tenant,
    xapi_statement.c.source,
    xapi_statement.c.learner_source_id,
    postgresql_where=xapi_statement.c.learner_source_id.isnot(None),
)

kept_event = sa.Table(
    "kept_event",
    metadata,
    # A hash of (tenant, source, id of the event, form).
    sa.Column("event_key", UUID, primary_key=True),
    sa.Column("tenant", _TEXT, nullable=False),
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("form", _TEXT, nullable=False),
    # Why it is no evidence.
    sa.Column("reason", _TEXT, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    # Source ids of all whom it names, and what it says; nothing once one of them is erased.
    sa.Column("people", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("body", sa.LargeBinary),
    sa.Index("kept_event_people", "people", postgresql_using="gin"),
)

handed_in = sa.Table(
    "handed_in",
    metadata,
    sa.Column("tenant", _TEXT, primary_key=True),
    sa.Column("source", _TEXT, primary_key=True),
    sa.Column("source_id", _TEXT, primary_key=True),
    sa.Column("activity", _TEXT, primary_key=True),
    # Of the newest that was said of the work.
    sa.Column("stamp", _TEXT, nullable=False),
    sa.Column("waits", sa.Boolean, nullable=False),
    # The data of the last event of the work, and how many it has.
    sa.Column("told", sa.LargeBinary),
    sa.Column("tellings", sa.Integer, nullable=False, server_default="0"),
)
sa.Index("handed_in_waits", handed_in.c.tenant, handed_in.c.activity, postgresql_where=handed_in.c.waits)

revision_group = sa.Table(
    "revision_group",
    metadata,
    sa.Column("tenant", _TEXT, primary_key=True),
    sa.Column("source", _TEXT, primary_key=True),
    # A digest: the name of a group may hold a learner's source id, which must be forgettable.
    sa.Column("group_key", sa.LargeBinary, primary_key=True),
    sa.Column("state", sa.LargeBinary, nullable=False),
)

api_key = sa.Table(
    "api_key",
    metadata,
    sa.Column("key_id", _TEXT, primary_key=True),
    sa.Column("tenant", _TEXT, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
    # SHA-256 of the secret; the secret itself is shown once and kept nowhere.
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT),
    sa.Column("revoked_at", _INSTANT),
)
sa.Index("api_key_tenant", api_key.c.tenant)

access_log = sa.Table(
    "access_log",
    metadata,
    sa.Column("no", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("tenant", _TEXT, nullable=False),
    sa.Column("at", _INSTANT, nullable=False, server_default=sa.text("now()")),
    sa.Column("person", _TEXT, nullable=False),
    sa.Column("act", _TEXT, nullable=False),
    # The way and source of intake, the learner of an export until that is erased, the certificate of an erasure.
    sa.Column("target", _TEXT, nullable=False),
)
sa.Index("access_log_tenant", access_log.c.tenant, access_log.c.no)

own_activity = sa.Table(
    "own_activity",
    metadata,
    sa.Column("tenant", _TEXT, primary_key=True),
    # As evidence would name it: the address of a line item, `assignment:<id>`, the id of a line item of OneRoster.
    sa.Column("activity", _TEXT, primary_key=True),
    sa.Column("noted_by", _TEXT, nullable=False),
    sa.Column("noted_at", _INSTANT, nullable=False, server_default=sa.text("now()")),
)
