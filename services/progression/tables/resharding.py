"""
Splitting the shards of the progression database: logs, inbox, journal, states and what follows the logs.

Every shard has the decisions for whole tenants, the checkpoints and the closings of terms; what a learner brought is in one.
"""

from collections.abc import Callable, Mapping

from services.progression.domain.journal import JournalEntry, JournalRow, origin_of, pack_entries, unpack_entries
from shared.contracts.snapshots import TERM_CLOSED
from shared.database import Connection
from shared.events import EMPTY, resharded_type
from shared.resharding import Split, copy_rows, go_on, move_rows, place_names, split_logs

COPIED = ("activation", "webhook_cursor", "shadow_cursor", "disclosure")
MOVED = ("mastery", "learner_standing", "blocked_learner")
HANDLED = ("journal", "webhook_held", "webhook_delivery", *COPIED, *MOVED)
"""The tables with shards that are of progression alone; `webhook_delivery` tells what was, and stays as it is."""
PAGE_ROWS = 2000
_EVERYWHERE = (
    "t.log = 'decisions' and t.subject = 'decision'"
    " or t.log = 'progression' and t.tenant = 'attain' and t.subject = 'checkpoint'"
    f" or t.log = 'progression' and position(convert_to('\"type\":\"{TERM_CLOSED}\"', 'UTF8') in t.body) > 0"
)
_HERE = (
    "case when j.learner <> '' then coalesce(n.shard, j.shard) = c.shard"
    "   when j.tenant = '' or position(convert_to('.redacted.v1\",\"\"', 'UTF8') in substring(j.body, 1, 100)) > 0"
    "   then c.shard = j.shard else true end"
)
"""Whether shard `c` has a row `j` of the journal: of a learner one has it, what was emptied the first, a decision all."""


async def split(connection: Connection, how: Split, say: Callable[[str], None]) -> None:
    """Split everything in the caller's transaction, telling what is at work; see `shared.resharding`."""
    await place_names(
        connection, how, "select tenant, subject from event_log union select tenant, learner from journal"
    )
    say("logs")
    await split_logs(connection, how, _EVERYWHERE)
    say("journal")
    await _split_journal(connection, how)
    say("states")
    for table in COPIED:
        await copy_rows(connection, how, table)
    for table in MOVED:
        await move_rows(connection, how, table)
    await connection.execute(
        "update webhook_held h set shard = n.shard from webhook w, place n"
        " where w.id = h.webhook and n.tenant = w.tenant and n.name = h.learner"
    )
    await go_on(connection, how)


async def _split_journal(connection: Connection, how: Split) -> None:
    """
    Give each shard the rows of its learners, and one row a batch that holds the positions of the others.

    What is held counts as no event of anybody; its entries say only where they stood in the evidence log or the inbox.
    """
    placed = (
        "from journal j join child c on c.old = j.shard"
        f" left join place n on n.tenant = j.tenant and n.name = j.learner where j.shard < {how.old}"
    )
    await connection.execute(
        "create temporary table away (shard int, old int, batch bigint, no int) on commit drop;"
        "create temporary table held_journal (like journal) on commit drop;"
        f"insert into away select c.shard, j.shard, j.batch, j.no {placed} and not {_HERE}; analyze away"
    )
    await _hold_positions(connection)
    await connection.execute(
        "insert into journal (shard, batch, no, tenant, learner, competency, body, events)"
        "   select c.shard, j.batch, j.no, j.tenant, j.learner, j.competency, j.body, j.events"
        f"   {placed} and c.shard >= {how.old} and {_HERE};"
        f"delete from journal j using away a where j.shard < {how.old} and a.shard = j.shard and a.batch = j.batch"
        "   and a.no = j.no;"
        "insert into journal select * from held_journal"
    )


async def _hold_positions(connection: Connection) -> None:
    """Fill `held_journal` with a row a shard and batch, for the entries of the rows that are `away`, each position once."""
    rows = await connection.cursor(
        "select a.shard, a.batch, a.no, j.body from away a join journal j on j.shard = a.old and j.batch = a.batch"
        " and j.no = a.no order by a.shard, a.batch, a.no"
    )
    held: dict[tuple[int, int], tuple[int, dict[int, JournalEntry]]] = {}
    while page := await rows.fetch(PAGE_ROWS):
        for shard, batch, no, body in page:
            entries = held.setdefault((shard, batch), (no, {}))[1]
            entries.update((entry.pos, _held(entry)) for entry in unpack_entries(body))
        # The last batch may go on in the next page.
        last = held.popitem()
        await _store(connection, held)
        held = dict([last])
    await _store(connection, held)


def _held(entry: JournalEntry) -> JournalEntry:
    """Return the entry that holds the place of one that another shard has."""
    return JournalEntry(entry.pos, resharded_type(origin_of(entry.type)), "", entry.input_pos, "", EMPTY)


async def _store(connection: Connection, held: Mapping[tuple[int, int], tuple[int, dict[int, JournalEntry]]]) -> None:
    await connection.copy_records_to_table(
        "held_journal",
        records=[
            JournalRow(*place, no, "", "", "", pack_entries([entries[pos] for pos in sorted(entries)]), 0)
            for place, (no, entries) in held.items()
        ],
    )
