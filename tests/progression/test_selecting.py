"""Whom a correction of a piece or of an activity may concern is found without folding everybody."""

import secrets

import msgspec
import pytest

from services.progression.domain.journal import JournalEntry, JournalRow, pack_entries
from services.progression.domain.selecting import Selection
from services.progression.tables import journals
from shared.database import Database
from tests.support.journal import TENANT
from tests.support.servers import Servers, migrated_database


@pytest.mark.parametrize(
    ("activity", "item", "texts"),
    [
        ("", "", []),
        ("quiz-7", "", [b'"quiz-7"']),
        ("quiz-7", "https://x/1?a=b", [b'"quiz-7"', b'"https://x/1?a=b"']),
        # JSON may write these otherwise than they are written here, so all are looked at.
        ('a "quiz"', "a\\b", []),
        ("Prüfung", "", []),
    ],
)
def test_what_stands_in_the_event_of_a_piece_is_known_where_json_writes_it_one_way(
    activity: str, item: str, texts: list[bytes]
) -> None:
    assert Selection("urn:x", activity, item).texts == texts


async def test_learners_are_found_by_what_stands_in_their_inputs(server_addresses: Servers) -> None:
    def row(batch: int, tenant: str, learner: str, *names: str) -> JournalRow:
        data = msgspec.Raw(msgspec.json.encode(names))
        entry = JournalEntry(batch, "evidence.recorded", "x", batch, "2026-03-04T10:15:00.000000Z", data)
        return JournalRow(0, batch, 0, tenant, learner, "f:A", pack_entries([entry]), 1)

    async with migrated_database(server_addresses.postgres, f"chosen_{secrets.token_hex(4)}", "progression") as url:
        database = await Database.connect(url, connections=2)
        async with database.transaction() as connection:
            await journals.append_journal(connection, [
                row(1, TENANT, "ada", "quiz-7", "1"), row(2, TENANT, "ada", "quiz-7", "2"),
                row(3, TENANT, "bea", "quiz-70", "1"), row(4, TENANT, "cyd", "1", "quiz-7"),
                row(5, TENANT, "", "quiz-7", "1"), row(6, "another", "dan", "quiz-7", "1"),
            ])  # fmt: skip
            found = [
                await journals.learners_with(connection, TENANT, texts)
                for texts in ([b'"quiz-7"', b'"1"'], [b'"2"'], [])
            ]
        await database.close()

    assert found == [["ada", "cyd"], ["ada"], ["ada", "bea", "cyd"]]
