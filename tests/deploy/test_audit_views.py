"""The audit of read models: what it computes again, and that it sees every kind of difference."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from deploy.local.audit.findings import Findings
from deploy.local.audit.views import (
    KEYS,
    Tables,
    audit_read_models,
    fold_advancement,
    fold_curriculum,
    fold_roster,
    fold_support,
)
from shared.events import Envelope
from tests.reporting.builders import (
    Event,
    assigned_anew,
    assignment,
    class_,
    competency,
    enrolment,
    framework,
    happened,
    identified,
    school,
    snapshot_amended,
    snapshot_closed,
    staff,
    suggested,
    support_closed,
)

LOGS: dict[str, list[Event]] = {
    "roster": [
        school("s", "d"), class_("c", "s"), staff("c", "t", ends="2026-06-30"), enrolment("c", "ada"),
        enrolment("c", "ada", active=False), assignment("aunt", "guardian", "learner", "ada", active=False),
        assignment("aunt", "guardian", "learner", "ben"), assigned_anew("ada"),
        assignment("mum", "guardian", "learner", "ada"),
    ],
    "curriculum": [
        *framework("m", [competency("a", 1), competency("b", 2)], [("a", "b")], "v1", parts=2),
        *framework("m", [competency("a", 1)], [], "v2"),
    ],
    "advancement": [
        happened("ada", "level.sign_off_requested", "m#Maths/1", approver_roles=["teacher"]),
        happened("ada", "level.advanced", "m#Maths/1"), happened("ada", "level.ready", "m#Maths/2"),
        snapshot_closed("ada", "spring"), snapshot_amended("ada", "spring", "m:a"),
        identified("ada", "ben"), identified("ada", "ben", undone=True), identified("cy", "ben"),
    ],
    "support": [suggested("ada", "m:a"), suggested("ada", "m:b"), support_closed("ada", "m:a", "e1")],
}  # fmt: skip


def envelopes(log: str) -> Iterator[Envelope]:
    for position, (type_, subject, data) in enumerate(LOGS[log], start=1):
        body = msgspec.Raw(msgspec.json.encode(data))
        yield Envelope(f"e{position}", type_, "demo", subject, "", body, 1, 0, position)


class Fake:
    """Sources that give events, and rows of tables which a test may spoil."""

    evidence = progression = None

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def heads(self, _client: Any, log: str) -> dict[int, int]:
        return {0: len(LOGS[log])}

    def events(self, _client: Any, log: str, _shard: int, _head: int) -> Iterator[Envelope]:
        return envelopes(log)

    def rows(self, table: str, _tenant: str | None) -> Iterator[dict[str, Any]]:
        yield from self.tables[table].values()


@pytest.fixture
def tables() -> Tables:
    """Return the tables as the logs give them."""
    found: Tables = {table: {} for table in KEYS}
    folds = {
        "roster": fold_roster,
        "curriculum": fold_curriculum,
        "advancement": fold_advancement,
        "support": fold_support,
    }
    for log, fold in folds.items():
        for event in envelopes(log):
            fold(event, found)
    return found


def audited(tables: Tables) -> Findings:
    findings = Findings()
    audit_read_models(Fake(tables), None, findings, lambda _: None)  # type: ignore[arg-type]
    return findings


def test_tables_that_are_as_their_logs_say_are_in_order(tables: Tables) -> None:
    assert all(tables.values())
    assert tables["enrolment"]["demo", "c", "ada"]["active"] is False
    assert {row["active"] for row in tables["enrolment_change"].values()} >= {False}
    assert tables["framework"]["demo", "m"]["version"] == "v2"
    assert tables["waiting"]["demo", "ada", "m#Maths/1", "sign_off"]["closed_at"] is not None
    assert {key[1]: row["kept"] for key, row in tables["merged"].items()} == {"ada": None, "cy": "ben"}
    assert [row["outcome"] for row in tables["suggestion"].values()] == ["done", None]
    assert audited(tables).ok


@pytest.mark.parametrize("table", list(KEYS))
def test_a_missing_a_changed_and_an_extra_row_are_seen_in_every_table(tables: Tables, table: str) -> None:
    row = next(iter(tables[table].values()))
    name = next((name for name in row if name not in KEYS[table]), None)
    missing = {other: dict(rows) for other, rows in tables.items()}
    missing[table] = dict(list(tables[table].items())[1:])
    extra = tables | {table: tables[table] | {("ghost",): dict.fromkeys(row, "ghost")}}

    assert audited(missing).mismatched_read_models == 1
    assert audited(extra).mismatched_read_models == 1
    if name is not None:
        key = tuple(row[part] for part in KEYS[table])
        changed = tables | {table: tables[table] | {key: row | {name: "changed"}}}
        assert audited(changed).mismatched_read_models == 1
