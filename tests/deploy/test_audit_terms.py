"""The audit of terms: that it sees every kind of difference between what the log says and what reporting has."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from deploy.local.audit import Findings
from deploy.local.audit_terms import MEMBERS, audit_terms
from shared.contracts import IDENTITY_ERASED
from shared.events import Envelope
from tests.reporting.builders import SHOWN_AT, closing, mastery

LOG = [
    mastery("ada", "m:a", "not_yet", seq=1), mastery("bo", "m:a", seq=2), mastery("cy", "m:a", seq=3),
    closing("t1", "t1", 0),
    mastery("ada", "m:a", seq=4), mastery("ada", "m:b", seq=5),
    closing("t2", "t2", 0),
    mastery("ada", "m:a", "reverify_due", seq=6), (IDENTITY_ERASED, "cy", {"learner": "cy", "certificate": "c"}),
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
            "term_told": [{}],
        }

    def heads(self, _client: Any, _log: str) -> dict[int, int]:
        return {0: len(LOG)}

    def events(self, *_: Any) -> Iterator[Envelope]:
        for position, (type_, subject, data) in enumerate(LOG, start=1):
            yield Envelope(
                f"e{position}", type_, "demo", subject, "", msgspec.Raw(msgspec.json.encode(data)), 1, 0, position
            )

    def rows(self, table: str, _tenant: str | None) -> Iterator[dict[str, Any]]:
        yield from self.tables[table]


def mismatches(sources: Fake) -> int:
    findings = Findings()
    audit_terms(sources, None, findings, lambda _: None)  # type: ignore[arg-type]
    return findings.mismatched_read_models


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
