"""
The tables that no log gives back: signed records, tokens that are spent, who looked at what, what is told of a day, and what
families ask to have looked at again, with what they state where that was refused.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

_TEXT = sa.Text(collation="C")


def define_tables(target: sa.MetaData) -> None:
    """Add the tables to the metadata."""
    sa.Table(
        "credential",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("issuer", _TEXT, primary_key=True),
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("list", sa.Integer, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("learner", _TEXT, nullable=False),
        # The events that it tells of; it is revoked with any of them.
        sa.Column("events", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Index("ix_credential_place", "tenant", "issuer", "list", "index", unique=True),
        sa.Index("ix_credential_learner", "tenant", "learner"),
    )
    sa.Table(
        "spent",
        target,
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Index("ix_spent_until", "until"),
    )
    sa.Table(
        "told_daily",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("question", _TEXT, primary_key=True),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        # The last day on which somebody asked; an answer that is computed ahead takes it over from the one before.
        sa.Column("asked_on", sa.Date, nullable=False, server_default=sa.text("current_date")),
    )
    sa.Table(
        "access_log",
        target,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("target", _TEXT, nullable=False),
        sa.Column("learners", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Index("ix_access_log_tenant", "tenant", "id"),
        sa.Index("ix_access_log_learners", "learners", postgresql_using="gin"),
    )
    _define_review_requests(target)


def _define_review_requests(target: sa.MetaData) -> None:
    asked = sa.Table(
        "review_request",
        target,
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("learner", _TEXT, primary_key=True),
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("competency", _TEXT, nullable=False),
        sa.Column("asked_at", _TEXT, nullable=False),
        sa.Column("asked_by", _TEXT, nullable=False),
        sa.Column("asked_as", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        # Null together while it is open.
        sa.Column("done_at", sa.Text),
        sa.Column("done_by", sa.Text),
        sa.Column("done_as", sa.Text),
        sa.Column("done", sa.Text),
        # That the school will not change what was asked about, which closes it too.
        sa.Column("refused", sa.Boolean, nullable=False, server_default=sa.text("false")),
        # Null together until somebody states something about a request that was refused. Where only the statement is null, it
        # was taken back then, by that person.
        sa.Column("statement", sa.Text),
        sa.Column("stated_at", sa.Text),
        sa.Column("stated_by", sa.Text),
        sa.Column("stated_as", sa.Text),
        # Ids of the requests that stated something, the latest last; see `domain.review_requests.changes`.
        sa.Column("stated_under", postgresql.ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
    )
    # One that is open for each competency of a learner.
    sa.Index(
        "ix_review_request_open", asked.c.tenant, asked.c.learner, asked.c.competency, unique=True,
        postgresql_where=asked.c.done_at.is_(None),
    )  # fmt: skip
