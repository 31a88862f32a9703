"""The audit's plain fold of a shard's journal: one fold tells several times where terms were closed in between."""

import json

import msgspec

from deploy.local.audit.journal import Documents, fold_journal
from deploy.local.audit.sources import Journalled
from services.progression.domain.curriculum import Framework
from services.progression.domain.terms import CLOSE_TERM
from shared.contracts.internal_events import EVIDENCE_RECORDED, Association, Competency
from shared.events import Envelope
from tests.support.journal import STREAK_3, TENANT, piece

FRAMEWORK = Framework(
    "f", "F", tuple(Competency(code, code, no, identifier=f"id-{code}") for no, code in enumerate("ab")),
    (Association("a", "b", "exactMatchOf"),),
)  # fmt: skip


class Known(Documents):
    """Documents that need not be fetched."""

    def __init__(self) -> None:
        self.policies = {STREAK_3.hash: STREAK_3}
        self.frameworks = {(TENANT, "f", FRAMEWORK.version): FRAMEWORK}

    def fetch(self, tenant: str) -> None:
        pass


def test_what_followed_before_a_term_was_closed_does_not_follow_again_after_it():
    decided: list[tuple[str, dict[str, str]]] = [
        ("framework", {"framework": "f", "version": FRAMEWORK.version}), ("policy", {"policy": STREAK_3.hash}),
    ]  # fmt: skip
    closing = {"term": "spring", "closed_at": "2026-06-12T10:00:00.000000Z", "closed_by": "office"}
    shown = [piece(n, competency="f:a") for n in range(3)]
    events = {
        pos: Envelope(
            f"e{pos}", EVIDENCE_RECORDED, TENANT, "ada", "", msgspec.Raw(msgspec.json.encode(each)), 1, 0, pos
        )
        for pos, each in enumerate(shown, start=1)
    }
    rows: list[tuple[str, str, str, int, str | None]] = [
        ("", kind, f"d-{kind}", 0, json.dumps(body)) for kind, body in decided
    ]
    rows += [("ada", EVIDENCE_RECORDED, f"e{pos}", pos, None) for pos in events]
    rows += [("", CLOSE_TERM, "d-term", 0, json.dumps(closing))]
    journal = [
        Journalled(pos, TENANT, learner, [], kind, id, input_pos, "2026-06-12T10:00:00.000000Z", body)
        for pos, (learner, kind, id, input_pos, body) in enumerate(rows, start=1)
    ]

    folded = fold_journal(journal, events, None, Known())

    assert sorted(event.type for event in folded.told.values()) == [
        "attain.competency.mastered.v1", "attain.snapshot.closed.v1"
    ]  # fmt: skip
    assert folded.fold.decided == []
