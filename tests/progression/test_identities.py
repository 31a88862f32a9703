"""What is told of who learners are keeps the contract, and of the erased nothing else is told or kept."""

import uuid
from typing import Any

import msgspec
import pytest

from services.progression.domain.decisions import COMPETENCY_DECIDED, LEVEL_DECIDED, CompetencyDecided
from services.progression.domain.entry import Entry
from services.progression.domain.identities import told_of
from services.progression.domain.journal import JournalEntry, JournalRow, pack_entries
from services.progression.domain.learner import LearnerState
from services.progression.domain.mastery import KeyState
from services.progression.domain.telling import Told
from services.progression.handlers.memory import Shard
from services.progression.handlers.outcome import Outcome
from services.progression.tables import erasing
from services.progression.tables.journals import append_journal
from shared.contracts.internal_events import (
    EVIDENCE_RETRACTED,
    IDENTITY_ERASED,
    IDENTITY_MERGED,
    IDENTITY_UNMERGED,
    IdentityErased,
    IdentityMerged,
)
from shared.database import Connection
from shared.events import Draft, encode_json, envelope
from tests.support.disposable import eventually
from tests.support.hand_fed import hand_fed
from tests.support.journal import TENANT, piece
from tests.support.public_events import check_contract
from tests.support.servers import Servers

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


def competency_decided(learner: str, reason: str) -> Draft:
    decided = CompetencyDecided(learner, "math:add", "override", "teacher", "urn:t1", "override", reason, "mastered")
    body = envelope(id=str(uuid.uuid4()), source="progression", type=COMPETENCY_DECIDED, tenant=TENANT,
                    subject=learner, time=AT, data=encode_json(decided))  # fmt: skip
    return Draft(0, TENANT, learner, body)


async def test_what_was_decided_beside_an_erasure_goes_with_the_learner(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision is committed where the erasing transaction has emptied the inbox and is not committed itself."""
    plain, erasures = erasing.erase, []

    async with hand_fed(server_addresses) as progression:

        async def erase(connection: Connection, *args: Any) -> None:
            await plain(connection, *args)
            erasures.append(args)
            if len(erasures) == 1:
                drafts = [competency_decided("ada", "a private matter"), competency_decided("ben", "seen in class")]
                async with progression.database.transaction() as beside:
                    await progression.logs.decisions.append(beside, drafts)

        async def of(table: str) -> list[str]:
            async with progression.database.connection() as connection:
                return [row[0] for row in await connection.fetch(f"select learner from {table} order by 1")]

        async def ben_is_decided() -> bool:
            return "ben" in await of("mastery")

        monkeypatch.setattr(erasing, "erase", erase)
        await progression.decide({"id": "s", "method": {"type": "streak", "n": 5}})
        await progression.send(piece(1), piece(2))
        await progression.erase("ada")
        await eventually(ben_is_decided)

        assert (await of("mastery"), await of("learner_standing")) == (["ben"], ["ben"])
        assert await progression.told() == ["attain.learner.erased", "mastered"]
        async with progression.database.connection() as connection:
            for table in ("event_log", "journal"):
                held = await connection.fetch(f"select body from {table} where position('private'::bytea in body) > 0")
                assert not held, table


async def test_a_reason_that_names_the_event_of_an_erasure_erases_nobody(server_addresses: Servers) -> None:
    async with hand_fed(server_addresses) as progression, progression.database.transaction() as connection:
        entry = JournalEntry(1, LEVEL_DECIDED, "i1", 1, AT, msgspec.Raw(encode_json({"reason": IDENTITY_ERASED})))
        await append_journal(connection, [JournalRow(0, 1, 0, TENANT, "ada", "", pack_entries([entry]), 0)])

        assert not await erasing.is_erased(connection, 0, TENANT, "ada")
