"""Closing a term: journalled once a shard, told behind what came before it and before what came after."""

import msgspec

from services.progression.decisions import COMPETENCY_DECIDED, CompetencyDecided
from services.progression.journal import in_order
from services.progression.tables import journals
from services.progression.terms import TERM_CLOSED, TermClosed, closing
from shared.contracts import CHECKPOINT, MASTERY_UPDATED, Status
from shared.events import Draft, encode_json, envelope, now
from shared.public_events import SNAPSHOT_CLOSED
from tests.support.disposable import eventually
from tests.support.hand_fed import hand_fed
from tests.support.journal import TENANT
from tests.support.public_events import check_contract
from tests.support.servers import Servers

SPRING = msgspec.Raw(msgspec.json.encode(TermClosed("spring", "2026-06-12T10:00:00.000000Z", "office")))


def test_the_event_keeps_the_contract_and_a_replay_gives_the_same_ids() -> None:
    told = [closing(TENANT, "input", SPRING, shard, 4) for shard in range(4)]
    autumn = msgspec.Raw(bytes(SPRING).replace(b"spring", b"autumn"))

    check_contract(told[0].type, told[0].data)
    assert [closing(TENANT, "another", SPRING, shard, 4).id for shard in range(4)] == [event.id for event in told]
    assert len({event.id for event in told} | {closing(TENANT, "input", autumn, 0, 4).id}) == 5


def overridden(status: Status) -> CompetencyDecided:
    return CompetencyDecided("ada", "math:add", "override", "teacher", "t-1", "override", "seen in class", status)


async def test_a_closing_is_told_once_between_what_one_batch_decides_before_and_after_it(server_addresses: Servers):
    async with hand_fed(server_addresses) as progression:
        closed = {"term": "spring", "closed_at": "2026-06-12T10:00:00.000000Z", "closed_by": "office"}
        inbox: list[tuple[str, object]] = [
            (COMPETENCY_DECIDED, overridden("mastered")), (TERM_CLOSED, closed), (COMPETENCY_DECIDED, overridden("not_yet"))
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

    assert [event["type"] for event in told] == [MASTERY_UPDATED, SNAPSHOT_CLOSED, MASTERY_UPDATED, CHECKPOINT]
    assert states == [True, False]
    assert len({row["batch"] for row in journal}) == 1
    assert [entry.type for entry, *_ in in_order(journal)] == [type for type, _ in inbox]
    assert again == (closed, {0: places[1]})
