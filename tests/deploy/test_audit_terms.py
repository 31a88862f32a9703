"""The audit of terms: that it sees every kind of difference between what the log says and what reporting has."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from deploy.local.audit.findings import Findings
from deploy.local.audit.terms import MEMBERS, audit_terms
from shared.contracts.internal_events import IDENTITY_ERASED
from shared.contracts.snapshots import Ended, digest_after, digest_of
from shared.events import Envelope
from tests.reporting.builders import SHOWN_AT, closing, happened, mastery, snapshot_amended, snapshot_closed

LOG = [
    mastery("ada", "m:a", "not_yet", seq=1), mastery("bo", "m:a", seq=2), mastery("cy", "m:a", seq=3),
    closing("t1", "t1", 0),
    mastery("ada", "m:a", seq=4), mastery("ada", "m:b", seq=5),
    closing("t2", "t2", 0),
    mastery("ada", "m:a", "reverify_due", seq=6), (IDENTITY_ERASED, "cy", {"learner": "cy", "certificate": "c"}),
]  # fmt: skip
LEVEL = "m#Maths/1"
THEN = [
    Ended("competency", "m:a", "not_yet", ""), Ended("level", LEVEL, "advanced", "p1"),
]  # fmt: skip
FIRST = digest_of(THEN)
NOW = Ended("competency", "m:a", "mastered", SHOWN_AT)
TOLD = [
    happened("ada", "level.advanced", LEVEL), snapshot_closed("ada", "t1", FIRST, 2),
    snapshot_amended("ada", "t1", "m:a", "mastered", mark=SHOWN_AT, digest=digest_after(FIRST, NOW)),
    snapshot_amended("ada", "t1", "m:a", "mastered", mark=SHOWN_AT, digest=digest_after(digest_after(FIRST, NOW), NOW)),
]  # fmt: skip


def row(no: int, **more: Any) -> dict[str, Any]:
    state = msgspec.to_builtins(LOG[no][2])
    return {name: state[name] for name in ("learner", "competency", *MEMBERS)} | {"tenant": "demo"} | more


def term(name: str, position: int) -> dict[str, Any]:
    return {"tenant": "demo", "term": name, "shard": 0, "position": position, "of_shards": 8, "closed_at": SHOWN_AT,
            "closed_by": "office"}  # fmt: skip


class Fake:
    """Sources that give the log, and tables which a test may spoil."""

    progression = None

    def __init__(self) -> None:
        nothing = dict.fromkeys(MEMBERS)
        self.tables: dict[str, list[dict[str, Any]]] = {
            "term": [term("t1", 4), term("t2", 7)],
            "mastery": [row(1), row(5), row(7)],
            "term_record": [row(0, term="t1"), row(5, term="t1") | nothing, row(4, term="t2")],
            "term_snapshot": [{}],
        }
        self.told = list(TOLD)

    def heads(self, _client: Any, log: str) -> dict[int, int]:
        return {0: len(LOG if log == "progression" else self.told)}

    def events(self, _client: Any, log: str, *_: Any) -> Iterator[Envelope]:
        for position, (type_, subject, data) in enumerate(LOG if log == "progression" else self.told, start=1):
            yield Envelope(
                f"p{position}", type_, "demo", subject, "", msgspec.Raw(msgspec.json.encode(data)), 1, 0, position
            )

    def rows(self, table: str, _tenant: str | None) -> Iterator[dict[str, Any]]:
        yield from self.tables[table]


def mismatches(sources: Fake) -> int:
    findings = Findings()
    audit_terms(sources, None, findings, lambda _: None)  # type: ignore[arg-type]
    return findings.mismatched_read_models + findings.mismatched_states


def test_copies_and_states_together_are_what_the_terms_ended_with() -> None:
    assert mismatches(Fake()) == 0


@pytest.mark.parametrize("table", ["term", "mastery", "term_record"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_row_that_is_missing_or_changed_is_seen(table: str, number: int) -> None:
    missing, changed = Fake(), Fake()
    del missing.tables[table][number]
    member = "position" if table == "term" else "seq"
    changed.tables[table][number] |= {member: 99, "status": "mastered"}

    assert mismatches(missing) > 0
    assert mismatches(changed) > 0


def test_what_is_kept_of_an_erased_learner_is_seen() -> None:
    kept = Fake()
    kept.tables["term_record"].append(row(2, term="t1"))

    assert mismatches(kept) == 1


@pytest.mark.parametrize("number", range(len(TOLD)))
def test_a_digest_that_does_not_follow_from_what_was_told_is_seen(number: int) -> None:
    """Where something was left out all digests behind it are wrong; where one is another, that one is."""
    missing, changed = Fake(), Fake()
    del missing.told[number]
    type_, learner, data = changed.told[number]
    changed.told[number] = (type_, learner, data | {"digest": "0" * 64})  # type: ignore[operator]

    assert mismatches(missing) == len(TOLD) - 1 - number
    assert mismatches(changed) == (0 if "digest" not in data else 1)  # type: ignore[operator]
