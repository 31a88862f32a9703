"""Closing a term: journalled once a shard, told behind what came before it and before what came after."""

import msgspec

from services.progression.journal import in_order
from services.progression.tables import journals
from services.progression.terms import TERM_CLOSED, TermClosed, closing
from shared.contracts import MASTERY_UPDATED
from shared.public_events import SNAPSHOT_CLOSED
from tests.support.disposable import eventually
from tests.support.hand_fed import hand_fed
from tests.support.journal import TENANT, piece
from tests.support.public_events import check_contract
from tests.support.servers import Servers

STREAK_1 = {"id": "one", "method": {"type": "streak", "n": 1}, "rationale": "one is enough"}
SPRING = msgspec.Raw(msgspec.json.encode(TermClosed("spring", "2026-06-12T10:00:00.000000Z", "office")))


def test_the_event_keeps_the_contract_and_a_replay_gives_the_same_ids() -> None:
    told = [closing(TENANT, "input", SPRING, shard, 4) for shard in range(4)]
    autumn = msgspec.Raw(bytes(SPRING).replace(b"spring", b"autumn"))

    check_contract(told[0].type, told[0].data)
    assert [closing(TENANT, "another", SPRING, shard, 4).id for shard in range(4)] == [event.id for event in told]
    assert len({event.id for event in told} | {closing(TENANT, "input", autumn, 0, 4).id}) == 5


async def test_a_closing_is_folded_once_between_what_came_before_and_after(server_addresses: Servers):
    """A policy, a closing and two pieces of one key that may all be in one batch: each is told in its place."""
    async with hand_fed(server_addresses) as progression:
        await progression.decide(STREAK_1)
        await progression.send(piece(1))
        first, positions = await progression.decisions.close_term(TENANT, "spring", "office")
        again, same = await progression.decisions.close_term(TENANT, "spring", "somebody else")
        await eventually(lambda: progression.decisions.folded(positions))
        await progression.send(piece(2))

        async def told() -> list[str]:
            async with progression.database.connection() as connection:
                rows = await connection.fetch(
                    "select convert_from(body, 'utf8')::json->>'type' from event_log where log = 'progression' order by pos"
                )
            return [row[0] for row in rows if row[0] in (MASTERY_UPDATED, SNAPSHOT_CLOSED)]

        async def both_told() -> bool:
            return len(await told()) == 3

        await eventually(both_told)
        async with progression.database.connection() as connection:
            rows = await journals.read_journal(connection, 0, 0, 100)
        journalled = [entry.type for entry, *_ in in_order(rows)]

        assert (again, same) == (first, positions)
        assert journalled.count(TERM_CLOSED) == 1
        assert await told() == [MASTERY_UPDATED, SNAPSHOT_CLOSED, MASTERY_UPDATED]
        assert (await progression.told()).count(SNAPSHOT_CLOSED.removesuffix(".v1")) == 1
