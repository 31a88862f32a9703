"""The tables on who learners are: identities, merges, who was erased; and on the roster, its groups and its years."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

_TEXT = sa.Text(collation="C")
_INSTANT = sa.DateTime(timezone=True)


def define_tables(target: sa.MetaData) -> None:
    """Add the tables to the metadata."""
    _define_identities(target)
    _define_roster(target)


def _define_identities(target: sa.MetaData) -> None:
    learner_identity = sa.Table(
        "learner_identity",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("source", _TEXT, primary_key=True),
        sa.Column("source_id", _TEXT, primary_key=True),
        sa.Column("learner", UUID, nullable=False),
        sa.Column("name", _TEXT),
        # The learner that it was of before a merge that is in force.
        sa.Column("home", UUID),
    )
    sa.Index("learner_identity_learner", learner_identity.c.tenant, learner_identity.c.learner)
    sa.Index("learner_identity_source_id", learner_identity.c.tenant, learner_identity.c.source_id)
    sa.Index(
        "learner_identity_name",
        learner_identity.c.tenant,
        sa.text('lower(name) collate "C"'),
        postgresql_where=learner_identity.c.name.isnot(None),
    )
    sa.Table(
        "erased_learner",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("learner", UUID, primary_key=True),
        sa.Column("erased_at", _INSTANT, nullable=False),
    )
    learner_merge = sa.Table(
        "learner_merge",
        target,
        sa.Column("merge_id", UUID, primary_key=True),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("merged", UUID, nullable=False),
        sa.Column("kept", UUID, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("merged_by", _TEXT, nullable=False),
        sa.Column("merged_at", _INSTANT, nullable=False),
        sa.Column("undone_by", _TEXT),
        sa.Column("undone_at", _INSTANT),
        # Which places it moved: classes, and (person, role, kind) of those who are assigned to the learner.
        sa.Column("left_classes", sa.ARRAY(_TEXT), nullable=False, server_default="{}"),
        sa.Column("joined_classes", sa.ARRAY(_TEXT), nullable=False, server_default="{}"),
    )
    in_force = learner_merge.c.undone_at.is_(None)
    sa.Index(
        "learner_merge_merged", learner_merge.c.tenant, learner_merge.c.merged, unique=True, postgresql_where=in_force
    )
    sa.Index("learner_merge_kept", learner_merge.c.tenant, learner_merge.c.kept, postgresql_where=in_force)
    sa.Table(
        "identity_move",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        # How often identities of the tenant went from one learner to another: what is cached of them is of one number.
        sa.Column("moves", sa.BigInteger, nullable=False),
    )


def _define_roster(target: sa.MetaData) -> None:
    sa.Table(
        "roster_fact",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("kind", _TEXT, primary_key=True),
        sa.Column("key", _TEXT, primary_key=True),
        sa.Column("subject", _TEXT, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    sa.Table(
        "staff_name",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        # The subject of the person's tokens, by which the facts of the roster and decisions name the person.
        sa.Column("person", _TEXT, primary_key=True),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("told_at", _INSTANT, nullable=False, server_default=sa.text("now()")),
    )
    sa.Table(
        "roster_group",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("group_id", _TEXT, primary_key=True),
        sa.Column("learner", UUID, primary_key=True),
        sa.Column("value", _TEXT, nullable=False),
    )
    sa.Table(
        "rollover",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("session", _TEXT, primary_key=True),
        # JSON: the (kind, digest of the key) of each fact of the roster that it ended; the key would name a learner.
        sa.Column("ended", sa.LargeBinary, nullable=False),
        sa.Column("done_by", _TEXT, nullable=False),
        sa.Column("done_at", _INSTANT, nullable=False, server_default=sa.text("now()")),
        sa.Column("undone_at", _INSTANT),
    )
