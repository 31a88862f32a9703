"""
What is asked most, each in one statement: one round trip instead of seven, and one snapshot without a transaction.

Rights are asked together with what they are rights to; whoever calls looks at them before anything is told.
"""

import contextlib
from typing import NamedTuple

import asyncpg
import msgspec

from services.reporting.domain.record import Statement
from services.reporting.tables.reads import Version, live_versions, named
from services.reporting.tables.review_requests import statements_sql
from services.reporting.tables.rights import TOWARDS_CLASS, TOWARDS_LEARNER
from shared.database import Database
from shared.errors import Unavailable
from shared.event_log import Head

SWITCHES_MAX = 3
"""So many switches of read models are followed within one request."""
_ALWAYS = (
    "(select json_object_agg(name, live) from read_model) as live,"
    " array(select framework from {framework} where tenant = $1 order by framework) as frameworks,"
    " array(select version from {framework} where tenant = $1 order by framework) as versions"
)
_RECORD = (
    f"select {_ALWAYS}, exists (select from {{mastery}} where tenant = $1 and learner = $4)"
    "   or exists (select from {enrolment} where tenant = $1 and learner = $4) as known,"
    f" (select json_agg(r) from ({TOWARDS_LEARNER}) r) as roles,"
    " array(select data from {mastery} where tenant = $1 and learner = $4 order by competency) as states,"
    f" (select json_agg(s) from ({statements_sql('$4')}) s) as statements,"
    " c.generation, c.pos, exists (select from unfolded u where u.consumer = c.consumer and u.tenant = $1"
    "   and u.subject = $4) as stale from consumer_shard c where c.shard = $5 and c.consumer ="
    "   (select 'reporting-mastery-v' || live from read_model where name = 'mastery')"
)
_CLASS = (
    f"select {_ALWAYS}, (select title from {{class}} where tenant = $1 and class = $4) as title,"
    f" (select json_agg(r) from ({TOWARDS_CLASS}) r) as roles, coalesce(g.learners, '{{{{}}}}') as learners,"
    " coalesce(g.statuses, '{{}}') as statuses"
    " from (select array_agg(e.learner order by e.learner) as learners,"
    "   array_agg(coalesce(s.told, '{{}}') order by e.learner) as statuses from {enrolment} e left join lateral"
    "     (select json_object_agg(m.competency, m.status order by m.competency)::text as told from {mastery} m"
    "     where m.tenant = $1 and m.learner = e.learner) s on true"
    "   where e.tenant = $1 and e.class = $4 and e.active) g"
)
Held = dict[str, str]
"""A role towards what is asked: `role` as the roster names it, and `via`."""
_decode_live = msgspec.json.Decoder(dict[str, int]).decode
_decode_roles = msgspec.json.Decoder(list[Held]).decode
_decode_statements = msgspec.json.Decoder(list[Statement]).decode


class Frameworks(NamedTuple):
    """The current versions of a tenant's frameworks, in order, and the version of the read model that has them."""

    live: int
    versions: list[Version]


class RecordRow(NamedTuple):
    """A learner as one statement finds it; `known` is whether the tenant has the learner, `states` are undecoded."""

    known: bool
    roles: list[Held]
    states: list[bytes]
    frameworks: Frameworks
    head: Head
    stale: bool
    statements: list[Statement]


class ClassRow(NamedTuple):
    """A class as one statement finds it: its title, None where there is none; of each learner a JSON object of statuses."""

    title: str | None
    roles: list[Held]
    learners: list[str]
    statuses: list[str]
    frameworks: Frameworks


class AtOnce:
    """Asks of the live versions as they were known last, and once more where others are live by now."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._live: dict[str, int] = {}

    async def record(self, tenant: str, day: str, person: str | None, learner: str, shard: int) -> RecordRow:
        """Return a learner's states with what the roster says `person` is to the learner on a day, nothing for None."""
        row = await self._row(_RECORD, tenant, day, person, learner, shard)
        head = Head(row["generation"], row["pos"])
        statements = _decode_statements(row["statements"] or "[]")
        return RecordRow(row["known"], _roles(row), row["states"], _frameworks(row), head, row["stale"], statements)

    async def class_(self, tenant: str, day: str, person: str | None, class_id: str) -> ClassRow:
        """Return a class's learners and statuses with what the roster says `person` is to it on a day, nothing for None."""
        row = await self._row(_CLASS, tenant, day, person, class_id)
        return ClassRow(row["title"], _roles(row), row["learners"], row["statuses"], _frameworks(row))

    async def _row(self, query: str, *arguments: object) -> asyncpg.Record:
        async with self._database.connection() as connection:
            for _ in range(1 + SWITCHES_MAX):
                live = self._live = self._live or await live_versions(connection)
                # The tables of a version are dropped two switches later.
                with contextlib.suppress(asyncpg.UndefinedTableError):
                    row = await connection.fetchrow(named(query, live), *arguments)
                    if row is not None and _decode_live(row["live"]) == live:
                        return row
                self._live = {}
        raise Unavailable("the read models are being switched; ask again")


def _roles(row: asyncpg.Record) -> list[Held]:
    return _decode_roles(row["roles"] or "[]")


def _frameworks(row: asyncpg.Record) -> Frameworks:
    live = _decode_live(row["live"])["curriculum"]
    return Frameworks(live, list(zip(row["frameworks"], row["versions"], strict=True)))
