"""Closing a term: journalled once a shard, told behind what came before it and before what came after."""

import msgspec

from services.progression.domain.decisions import COMPETENCY_DECIDED, CompetencyDecided
from services.progression.domain.journal import in_order
from services.progression.domain.learner import LearnerState
from services.progression.domain.terms import CLOSE_TERM
from services.progression.handlers.memory import KEYS_MIN, Shard
from services.progression.tables import journals
from shared.contracts.internal_events import CHECKPOINT, MASTERY_UPDATED, Status
from shared.contracts.snapshots import TERM_CLOSED, Ended, digest_after, digest_of
from shared.events import Draft, encode_json, envelope, now
from tests.support.disposable import eventually
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import TENANT, piece
from tests.support.servers import Servers

STREAK_3, STREAK_5 = (
    {"id": f"streak-{n}", "method": {"type": "streak", "n": n}, "decision": {"latch": "first_crossing"}} for n in (3, 5)
)


def overridden(status: Status) -> CompetencyDecided:
    return CompetencyDecided("ada", "math:add", "override", "teacher", "t-1", "override", "seen in class", status)


async def test_a_closing_is_told_once_between_what_one_batch_decides_before_and_after_it(server_addresses: Servers):
    async with hand_fed(server_addresses) as progression:
        closed = {"term": "spring", "closed_at": "2026-06-12T10:00:00.000000Z", "closed_by": "office"}
        inbox: list[tuple[str, object]] = [
            (COMPETENCY_DECIDED, overridden("mastered")), (CLOSE_TERM, closed), (COMPETENCY_DECIDED, overridden("not_yet"))
        ]  # fmt: skip
        drafts = [
            Draft(0, TENANT, "decision", envelope(id=f"d{no}", source="progression", type=type, tenant=TENANT,
                                                  subject="decision", time=now(), data=encode_json(data)))
            for no, (type, data) in enumerate(inbox)
        ]  # fmt: skip
        async with progression.database.transaction() as connection:
            places = await progression.logs.decisions.append(connection, drafts)
        await eventually(lambda: progression.decisions.folded({0: places[-1]}))
        again = await progression.decisions.close_term(TENANT, "spring", "somebody else")
        async with progression.database.connection() as connection:
            rows = await connection.fetch("select body from event_log where log = 'progression' order by pos")
            journal = await journals.read_journal(connection, 0, 0, 100)
        told = [msgspec.json.decode(row[0]) for row in rows]
        states = [event["data"]["mastered_at"] is not None for event in told if event["type"] == MASTERY_UPDATED]

    assert [event["type"] for event in told] == [MASTERY_UPDATED, TERM_CLOSED, MASTERY_UPDATED, CHECKPOINT]
    assert states == [True, False]
    assert len({row["batch"] for row in journal}) == 1
    assert [entry.type for entry, *_ in in_order(journal)] == [type for type, _ in inbox]
    assert again == (closed, {0: places[1]})


async def test_a_term_that_was_closed_is_amended_whoever_owns_the_shard_later(server_addresses: Servers) -> None:
    """The closing comes before a sweep has reached anybody: what the new policy shows is of the term."""
    pieces = [piece(n) for n in range(3)]
    async with hand_fed(server_addresses) as progression:
        await progression.decide(STREAK_5)
        await progression.send(*pieces)
        _, _, policy = await progression.decisions.set_policy(TENANT, msgspec.json.encode(STREAK_3), "")
        decided, closing = await progression.decisions.close_term(TENANT, "spring", "office")
        await eventually(lambda: progression.decisions.folded(closing))
        progression.fold.forget([0])
        await progression.fold.claimed([0])
        late = piece(9, correct=0.0, occurred_at="2026-03-01T10:00:01.500000Z")
        await progression.send(late)
        await eventually(lambda: _told(progression, "snapshot.amended"))
        async with progression.database.connection() as connection:
            rows = await connection.fetch("select body from event_log where log = 'advancement' order by pos")
        told = [msgspec.json.decode(row[0]) for row in rows]

    kinds = [event["type"].removeprefix("attain.").removesuffix(".v1") for event in told]
    assert kinds[0] == "recalculation.started"
    told = [event for event, kind in zip(told, kinds, strict=True) if not kind.startswith("recalculation.")]
    of_learners = [kind for kind in kinds if not kind.startswith("recalculation.")]
    assert of_learners == ["competency.mastered", "snapshot.closed", "competency.withdrawn", "snapshot.amended"]
    assert list(policy) == list(closing) == [0]
    closed, amended = told[1]["data"], told[3]["data"]
    shown = Ended("competency", "math:add", "mastered", pieces[2].occurred_at)
    assert closed["digest"] == digest_of([shown])
    assert (closed["effective_at"], closed["standings"]) == (decided["closed_at"], 1)
    assert amended["digest"] == digest_after(closed["digest"], Ended("competency", "math:add", "not_yet", ""))
    assert amended["cause"] == {"kind": "evidence", "id": late.evidence_id}


async def _told(progression: HandFed, kind: str) -> bool:
    return any(kind in told for told in await progression.told())


def test_a_standing_in_flight_stays_in_a_full_cache() -> None:
    shard = Shard(0, 1)
    shard.learners = {(TENANT, f"l{no}"): LearnerState() for no in range(KEYS_MIN)}
    shard.folded = {(TENANT, "l1", "math:add"), (TENANT, "l2", "")}
    shard.trim(0, 1000)

    assert shard.learners.keys() == {(TENANT, "l1"), (TENANT, "l2")}
