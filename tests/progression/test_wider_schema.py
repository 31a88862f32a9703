"""A newer version migrates beside this one, and this one folds on."""

from shared.database import ARRAY_ROWS_MAX
from tests.progression.test_sweeping import streak
from tests.support.disposable import eventually
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import piece
from tests.support.servers import Servers

TABLES = (
    "select relname from pg_class where relkind in ('r', 'p') and not relispartition"
    " and relnamespace = 'public'::regnamespace and relname <> 'alembic_version'"
)


async def widen(progression: HandFed) -> None:
    """Add a column to every table, as a migration does."""
    async with progression.database.connection() as connection:
        for row in await connection.fetch(TABLES):
            await connection.execute(f"alter table {row['relname']} add column added_later int not null default 7")


async def test_few_and_many_are_folded_on_where_a_newer_version_has_added_columns(server_addresses: Servers):
    pieces = [piece(0, learner=f"l{number}") for number in range(2 * ARRAY_ROWS_MAX + 1)]
    async with hand_fed(server_addresses) as progression:

        async def has_told(count: int) -> bool:
            return await progression.told() == ["mastered"] * count

        await progression.decide(streak(1))
        await progression.send(pieces[0])
        await eventually(lambda: has_told(1))
        await widen(progression)
        await progression.send(pieces[1])
        await eventually(lambda: has_told(2))
        await progression.send(*pieces[2:])
        await eventually(lambda: has_told(len(pieces)))
