"""Closing a term: journalled once a shard, told behind what came before it and before what came after."""

import msgspec

from services.progression.decisions import COMPETENCY_DECIDED, CompetencyDecided
from services.progression.journal import in_order
from services.progression.tables import journals
from services.progression.terms import CLOSE_TERM
from shared.contracts import CHECKPOINT, MASTERY_UPDATED, TERM_CLOSED, Status
from shared.events import Draft, encode_json, envelope, now
from tests.support.disposable import eventually
from tests.support.hand_fed import hand_fed
from tests.support.journal import TENANT
from tests.support.servers import Servers


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
