"""Builders of test data: native items, commands, tokens."""

import copy
import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.evidence.domain.decisions import Decision, decide
from services.evidence.domain.evidence import Evidence, Park, Relation, Submission, command
from services.evidence.domain.telling import recorded
from services.evidence.domain.validity import Piece, Place
from shared.auth import issue_token, signing_key
from shared.contracts.internal_events import EVIDENCE_RECORDED, EvidenceRecorded, EvidenceRetracted, Score
from shared.events import Draft
from shared.settings import Settings
from shared.shards import shard_of

SOURCE = "https://lms.example.edu"
TIME = "2026-03-04T10:15:00.000000Z"
LATEST = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
SHARDS = 4


def item(id: str = "a1", /, **changes: Any) -> dict[str, Any]:
    """Return a native object; a change to None takes the member out."""
    made: dict[str, Any] = {
        "id": id, "source": SOURCE, "learner": "ada", "competencies": ["math:1"],
        "score": {"raw": 3, "max": 4}, "occurred_at": "2026-03-04T10:15:00Z",
    }  # fmt: skip
    return {name: value for name, value in (made | changes).items() if value is not None}


def encoded(*items: dict[str, Any]) -> bytes:
    """Return items as NDJSON."""
    return b"\n".join(json.dumps(one).encode() for one in items)


def submission(
    id: str, /, learner: str = "L1", *, park: Park | None = None, tenant: str = "demo", **changes: Any
) -> Submission:
    """Return a submission as intake would hand it over; `learner` is the opaque id."""
    retracts = changes.get("retracts")
    score = None if retracts is not None else Score(raw=3, max=4)
    content = Evidence(**({"source": SOURCE, "id": id, "occurred_at": TIME, "learner": f"sid-{learner}",
                           "competencies": ("math:1",), "score": score} | changes))  # fmt: skip
    made = command(tenant, content, b"{}")
    if retracts is not None or park is not None:
        return Submission(made, None, 0, None, LATEST, park)
    shard = shard_of(tenant, learner, SHARDS)
    return Submission(made, learner, shard, recorded(made, learner, shard, TIME), LATEST)


class Store:
    """What the tables would hold after a run of decisions, and what a reader of the log would believe."""

    def __init__(self) -> None:
        self.pieces: dict[str, Piece] = {}
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.believed: dict[str, bool] = {}

    def take(self, *submissions: Submission) -> Decision:
        """Decide a batch on all that is stored, and store the outcome."""
        decision = decide(submissions, copy.deepcopy(list(self.pieces.values())), TIME)
        start = len(self.log)
        for draft in decision.drafts:
            self._append(draft)
        for evidence_id, valid in decision.flipped.items():
            self.pieces[evidence_id].valid = valid
        for rows in (decision.inserts, decision.updates):
            for evidence_id, row in rows.items():
                piece = copy.copy(row.piece)
                if piece.draft is not None:
                    piece.place, piece.draft = Place(0, start + piece.draft), None
                self.pieces[evidence_id] = piece
        return decision

    def valid(self) -> set[str]:
        """Return the evidence that is stored as valid."""
        return {
            piece.evidence_id
            for piece in self.pieces.values()
            if piece.state == 2 and piece.relation != "retracts" and piece.valid
        }

    def _append(self, draft: Draft) -> None:
        event = json.loads(draft.body)
        self.log.append((event["type"], event["data"]))
        if event["type"] == EVIDENCE_RECORDED:
            told: EvidenceRecorded | EvidenceRetracted = msgspec.convert(event["data"], EvidenceRecorded)
            assert isinstance(told, EvidenceRecorded)
            self.believed[told.evidence_id] = told.valid
        else:
            told = msgspec.convert(event["data"], EvidenceRetracted)
        for touched in told.invalidates:
            assert self.believed[touched.evidence_id] is True
            self.believed[touched.evidence_id] = False
        for touched in told.revalidates:
            assert self.believed[touched.evidence_id] is False
            self.believed[touched.evidence_id] = True


def statuses(decision: Decision) -> list[str]:
    """Return the status, or the reason of a rejection, of each item."""
    return [outcome.reason or outcome.status for outcome in decision.outcomes]


def token(settings: Settings, scope: str, tenant: str = "demo", source: str | None = None) -> dict[str, str]:
    """Return the header of a caller."""
    made = issue_token(
        signing_key(settings), subject="tester", tenant=tenant, scope=scope, expires_s=600, source=source
    )
    return {"Authorization": f"Bearer {made}"}


def picked(items: Sequence[dict[str, Any]], *names: str) -> list[Any]:
    """Return the named members of each item."""
    return [one[names[0]] if len(names) == 1 else tuple(one[name] for name in names) for one in items]


def valid_ids(items: Mapping[str, tuple[Relation | None, str | None]]) -> set[str]:
    """
    Return the valid ones among accepted items, given as id → (relation, target): the rule itself.

    Retractions are not evidence; they are never in the answer and nothing voids them.
    """
    voiders: dict[str, list[str]] = {}
    for evidence_id, (_, target) in items.items():
        if target is not None:
            voiders.setdefault(target, []).append(evidence_id)

    def retracted(evidence_id: str) -> bool:
        return any(items[other][0] == "retracts" for other in voiders.get(evidence_id, ()))

    def superseded(evidence_id: str) -> bool:
        replacing = (other for other in voiders.get(evidence_id, ()) if items[other][0] == "supersedes")
        return any(not retracted(other) for other in replacing)

    pieces = (evidence_id for evidence_id, (relation, _) in items.items() if relation != "retracts")
    return {evidence_id for evidence_id in pieces if not retracted(evidence_id) and not superseded(evidence_id)}
