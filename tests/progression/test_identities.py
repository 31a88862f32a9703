"""What is told of who learners are keeps the contract, and its id does not depend on when it is told."""

import msgspec
import pytest

from services.progression.domain.entry import Entry
from services.progression.domain.identities import told_of
from services.progression.domain.journal import JournalEntry
from services.progression.domain.learner import LearnerState
from services.progression.domain.mastery import KeyState
from services.progression.domain.telling import Told
from services.progression.handlers.memory import Shard
from services.progression.handlers.outcome import Outcome
from shared.contracts import (
    EVIDENCE_RETRACTED,
    IDENTITY_ERASED,
    IDENTITY_MERGED,
    IDENTITY_UNMERGED,
    IdentityErased,
    IdentityMerged,
)
from shared.events import encode_json
from tests.support.public_events import check_contract

MERGED = encode_json(IdentityMerged("l1", "l2", "m1"))
ERASED = encode_json(IdentityErased("l1", "c1"))
AT = "2026-03-02T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("type", "data", "public", "says"),
    [
        (IDENTITY_MERGED, MERGED, "attain.learner.merged.v1", {"from": "l1", "into": "l2"}),
        (IDENTITY_UNMERGED, MERGED, "attain.learner.unmerged.v1", {"from": "l1", "into": "l2"}),
        (IDENTITY_ERASED, ERASED, "attain.learner.erased.v1", {"certificate": "c1"}),
    ],
)
def test_an_identity_that_is_decided_is_told(type: str, data: bytes, public: str, says: dict[str, str]) -> None:
    told = told_of(type, "school", "l1", "i1", "2026-03-02T10:00:00.000000Z", data)
    later = told_of(type, "school", "l1", "i1", "2027-03-02T10:00:00.000000Z", data)

    assert told is not None
    assert later is not None
    assert (told.type, told.learner, told.id) == (public, "l1", later.id)
    assert told.data.items() >= says.items()
    assert (told.data["learner"], told.data["cause"]) == ({"id": "l1", "refs": []}, {"kind": "identity", "id": "i1"})
    check_contract(told.type, told.data)


def test_other_events_decide_on_no_identity() -> None:
    assert told_of(EVIDENCE_RETRACTED, "school", "l1", "i1", "2026-03-02T10:00:00.000000Z", b"{}") is None


def test_a_shard_drops_what_it_keeps_of_the_erased_before_the_next_batch() -> None:
    shard = Shard(0, 0)
    for learner in ("l1", "l2"):
        shard.entries["school", learner, "math:add"] = Entry(KeyState(), 0)
        shard.learners["school", learner] = LearnerState()
    shard.folded = set(shard.entries)
    shard.erased.add(("school", "l1"))
    shard.trim(1000, 1000)

    assert [*shard.entries] == [("school", "l2", "math:add")]
    assert [*shard.learners] == [("school", "l2")]


def test_nothing_that_a_batch_had_to_say_of_the_erased_is_told_but_that_to_every_reader() -> None:
    outcome = Outcome()
    for learner in ("l1", "l2"):
        asked = Told(f"s-{learner}", "attain.support.suggested.v1", "school", learner, AT, {"cause": {"id": "t"}})
        outcome.note_told(0, [asked])
    outcome.journal = {0: {("school", "l1", ""): [JournalEntry(1, IDENTITY_ERASED, "i1", 1, AT, msgspec.Raw(ERASED))]}}

    assert outcome._note_identities() == [(0, "school", "l1")]
    assert [(draft.subject, msgspec.json.decode(draft.body)["type"]) for draft in outcome.support] == [
        ("l2", "attain.support.suggested.v1"), ("l1", IDENTITY_ERASED),
    ]  # fmt: skip
    assert [msgspec.json.decode(draft.body)["type"] for draft in outcome.progression] == [IDENTITY_ERASED]
