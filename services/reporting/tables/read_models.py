"""
The read models: which tables each has, and those tables in a version.

A read model is never refilled in place: a rebuild makes the tables of the next version beside the live ones, and
`read_model` says which version readers and consumers use.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

FIRST_VERSION = 1
MODELS: dict[str, tuple[str, ...]] = {
    "mastery": ("mastery", "term", "term_record"),
    "curriculum": ("framework", "competency", "association"),
    "roster": ("school", "class", "class_change", "staff", "enrolment", "enrolment_change", "assignment"),
    "advancement": ("advancement", "waiting", "term_snapshot", "term_amendment", "merged"),
    "support": ("suggestion",),
}
"""The tables of every read model; each model folds one input log."""

OF_LEARNERS = (
    ("mastery", "learner"), ("term_record", "learner"), ("advancement", "learner"), ("waiting", "learner"),
    ("term_snapshot", "learner"), ("term_amendment", "learner"), ("enrolment", "learner"), ("enrolment_change", "learner"),
    ("assignment", "target"), ("suggestion", "learner"), ("merged", "learner"),
)  # fmt: skip
"""The tables that hold rows of learners, and the column that names them."""

INPUT_LOGS = {
    "mastery": "progression", "curriculum": "curriculum", "roster": "roster", "advancement": "advancement",
    "support": "support",
}  # fmt: skip
_TEXT = sa.Text(collation="C")


def consumer_name(model: str, version: int) -> str:
    """Return the consumer that fills a version of a read model; so every version has its own positions."""
    return f"reporting-{model}-v{version}"


def table_name(table: str, version: int) -> str:
    """Return the name of a read-model table in a version."""
    return f"{table}_v{version}"


def define_models(target: sa.MetaData, version: int) -> dict[str, sa.Table]:
    """Add the tables of all read models in a version, by their names without it."""
    return {
        **_mastery(target, version),
        **_curriculum(target, version),
        **_roster(target, version),
        **_advancement(target, version),
        **_support(target, version),
    }


def _mastery(target: sa.MetaData, version: int) -> dict[str, sa.Table]:
    return {
        "mastery": _table(
            target, "mastery", version, ("tenant", "learner", "competency"),
            *_state_columns(nullable=False),
            # When the state was told, of whichever kind the change was; null of one that an earlier release has written.
            sa.Column("changed_at", _TEXT),
            # States change often and no changing column is indexed: the new row finds room on its page (HOT).
            postgresql_with={"fillfactor": "70"},
        ),
        # A term that is closed in a shard: at which position of the log, which is what orders the terms there.
        "term": _table(
            target, "term", version, ("tenant", "term"),
            sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("of_shards", sa.Integer, nullable=False),
            sa.Column("position", sa.BigInteger, nullable=False),
            sa.Column("closed_at", _TEXT, nullable=False),
            sa.Column("closed_by", sa.Text, nullable=False),
        ),
        # A state as it was when the term was closed; written before its first change behind that, null where there was none.
        "term_record": _table(
            target, "term_record", version, ("tenant", "learner", "competency", "term"),
            *_state_columns(nullable=True),
        ),
    }  # fmt: skip


def _curriculum(target: sa.MetaData, version: int) -> dict[str, sa.Table]:
    return {
        "framework": _table(
            target, "framework", version, ("tenant", "framework"),
            sa.Column("title", sa.Text, nullable=False),
            sa.Column("version", _TEXT, nullable=False),
        ),
        "competency": _table(
            target, "competency", version, ("tenant", "framework", "version", "code"),
            sa.Column("title", sa.Text, nullable=False),
            sa.Column("ordinal", sa.Integer, nullable=False),
            sa.Column("level", sa.Text),
            sa.Column("subject", sa.Text),
            sa.Column("parent", sa.Text),
            sa.Column("dok", sa.Integer),
            sa.Column("power", sa.Boolean, nullable=False),
            sa.Column("position", sa.BigInteger, nullable=False),
            sa.Column("identifier", sa.Text),
        ),
        "association": _table(
            target, "association", version, ("tenant", "framework", "version", "origin", "destination", "type")
        ),
    }  # fmt: skip


def _roster(target: sa.MetaData, version: int) -> dict[str, sa.Table]:
    tables = {
        "school": _table(
            target, "school", version, ("tenant", "school"),
            sa.Column("title", sa.Text, nullable=False),
            sa.Column("district", _TEXT),
        ),
        "class": _table(
            target, "class", version, ("tenant", "class"),
            sa.Column("title", sa.Text, nullable=False),
            sa.Column("school", _TEXT),
            sa.Column("subject", sa.Text),
        ),
        # Of which school a class was since an instant: whose it was when a term was closed.
        "class_change": _table(
            target, "class_change", version, ("tenant", "class", "at"),
            sa.Column("school", _TEXT),
        ),
        "staff": _table(
            target, "staff", version, ("tenant", "class", "staff"),
            sa.Column("role", sa.Text, nullable=False),
            sa.Column("active", sa.Boolean, nullable=False),
            sa.Column("starts", sa.Text),
            sa.Column("ends", sa.Text),
        ),
        "assignment": _table(
            target, "assignment", version, ("tenant", "person", "role", "kind", "target"),
            sa.Column("active", sa.Boolean, nullable=False),
            sa.Column("starts", sa.Text),
            sa.Column("ends", sa.Text),
        ),
        "enrolment": _table(
            target, "enrolment", version, ("tenant", "class", "learner"),
            sa.Column("active", sa.Boolean, nullable=False),
        ),
        # Whether a learner was in a class since an instant: who was where when a term was closed.
        "enrolment_change": _table(
            target, "enrolment_change", version, ("tenant", "class", "learner", "at"),
            sa.Column("active", sa.Boolean, nullable=False),
        ),
    }  # fmt: skip
    for name, column in (("class", "school"), ("staff", "staff"), ("enrolment", "learner")):
        table = tables[name]
        sa.Index(f"ix_{table.name}_{column}", table.c.tenant, table.c[column])
    return tables


def _advancement(target: sa.MetaData, version: int) -> dict[str, sa.Table]:
    tables = {
        "advancement": _table(
            target, "advancement", version, ("tenant", "learner"),
            # A learner is in one shard, so positions order what happened to the learner.
            sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("id", sa.Text, nullable=False),
            sa.Column("kind", _TEXT, nullable=False),
            sa.Column("scope_kind", sa.Text, nullable=False),
            sa.Column("scope", _TEXT, nullable=False),
            sa.Column("framework", sa.Text, nullable=False),
            sa.Column("seq", sa.BigInteger, nullable=False),
            sa.Column("effective_at", sa.Text, nullable=False),
            sa.Column("decided_at", _TEXT, nullable=False),
            sa.Column("data", BYTEA, nullable=False),
        ),
        "waiting": _table(
            target, "waiting", version, ("tenant", "learner", "scope", "queue"),
            sa.Column("opened_at", _TEXT, nullable=False),
            sa.Column("closed_at", sa.Text),
            sa.Column("due_by", sa.Text),
            sa.Column("owner", sa.Text, nullable=False),
            sa.Column("detail", sa.Text, nullable=False),
        ),
        "term_snapshot": _table(
            target, "term_snapshot", version, ("tenant", "learner", "term"),
            # What was told of levels before it is what the term ended with.
            sa.Column("position", sa.BigInteger, nullable=False),
            sa.Column("id", sa.Text, nullable=False),
            sa.Column("digest", sa.Text, nullable=False),
            sa.Column("standings", sa.Integer, nullable=False),
        ),
        "term_amendment": _table(
            target, "term_amendment", version, ("tenant", "learner", "term"),
            sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("id", sa.Text, nullable=False),
            sa.Column("scope_kind", sa.Text, nullable=False),
            sa.Column("scope", _TEXT, nullable=False),
            sa.Column("title", sa.Text),
            sa.Column("before", sa.Text, nullable=False),
            sa.Column("after", sa.Text, nullable=False),
            sa.Column("effective_at", sa.Text, nullable=False),
            sa.Column("decided_at", sa.Text, nullable=False),
            sa.Column("cause_kind", sa.Text, nullable=False),
            sa.Column("cause", sa.Text, nullable=False),
            sa.Column("reason", sa.Text, nullable=False),
            sa.Column("digest", sa.Text, nullable=False),
        ),
        # Into whom a learner is merged; null once that is undone.
        "merged": _table(target, "merged", version, ("tenant", "learner"), sa.Column("kept", _TEXT)),
    }  # fmt: skip
    waiting, happened = tables["waiting"], tables["advancement"]
    sa.Index(
        f"ix_{waiting.name}_open", waiting.c.tenant, waiting.c.queue, waiting.c.opened_at,
        postgresql_where=waiting.c.closed_at.is_(None),
    )  # fmt: skip
    sa.Index(
        f"ix_{happened.name}_at", happened.c.tenant, happened.c.decided_at, happened.c.learner, happened.c.position
    )
    sa.Index(
        f"ix_{happened.name}_taken", happened.c.tenant, happened.c.learner, happened.c.scope,
        postgresql_where=happened.c.kind.in_(("competency.withdrawn", "level.withdrawn")),
    )  # fmt: skip
    return tables


def _support(target: sa.MetaData, version: int) -> dict[str, sa.Table]:
    suggestion = _table(
        target, "suggestion", version, ("tenant", "learner", "id"),
        sa.Column("opened_at", _TEXT, nullable=False),
        sa.Column("due_by", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        # Null while it is open; the days are school days.
        sa.Column("closed_at", _TEXT),
        sa.Column("outcome", sa.Text),
        sa.Column("days", sa.Integer),
        # Null once it is closed: how long an answer took is kept, what was asked is not.
        sa.Column("scope", _TEXT),
        sa.Column("side", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("waiting_since", sa.Text),
        sa.Column("weakest", sa.Text),
        sa.Column("detail", sa.Text),
    )  # fmt: skip
    sa.Index(
        f"ix_{suggestion.name}_open", suggestion.c.tenant, suggestion.c.opened_at,
        postgresql_where=suggestion.c.closed_at.is_(None),
    )  # fmt: skip
    sa.Index(f"ix_{suggestion.name}_closed", suggestion.c.tenant, suggestion.c.closed_at)
    return {"suggestion": suggestion}


def _state_columns(*, nullable: bool) -> list[sa.Column[Any]]:
    """Return the columns of a state; of one that may not have been they are all null together."""
    return [
        sa.Column("status", sa.Text, nullable=nullable),
        sa.Column("score", sa.Double),
        sa.Column("evidence_count", sa.Integer, nullable=nullable),
        sa.Column("last_evidence_at", sa.Text),
        sa.Column("mastered_at", sa.Text),
        sa.Column("seq", sa.BigInteger, nullable=nullable),
        sa.Column("data", BYTEA, nullable=nullable),
    ]


def _table(target: sa.MetaData, name: str, version: int, key: tuple[str, ...], *rest: Any, **options: Any) -> sa.Table:
    keys = [sa.Column(column, _TEXT, primary_key=True) for column in key]
    return sa.Table(table_name(name, version), target, *keys, *rest, **options)
