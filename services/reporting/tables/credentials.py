"""SQL of signed records: what a learner has achieved, which credentials were issued, and which of them are revoked."""

import secrets
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from services.reporting.domain.achieved import GIVES_BACK, KINDS, TAKES
from services.reporting.domain.status_list import ENTRIES, FULL
from services.reporting.tables.reads import Rows, Snapshot
from shared.database import Connection, columns

_EVENT = "a.learner, a.scope, a.id, a.kind, a.effective_at"
_BACK = f"case when a.kind in ({', '.join(repr(kind) for kind in GIVES_BACK)}) then a.data else ''::bytea end as data"
"""The data of what names in it the achievement that it gives back."""
REVOKED = "revoked"
"""What is left of the events of an erased learner's credential that was revoked before."""
Places = dict[str, tuple[int, int]]
"""List and index by credential id."""


class Issued(NamedTuple):
    """A credential to be issued: its id, and the events that it tells of."""

    id: str
    events: list[str]


async def achievement_events(view: Snapshot, tenant: str, learner: str) -> Rows:
    """Return the events that say what a learner has achieved, in their order: members of `achieved.Event`."""
    return await view.rows(
        f"select {_EVENT}, a.data from {{advancement}} a where a.tenant = $1 and a.learner = $2"
        "   and a.kind = any($3::text[]) order by a.position",
        tenant,
        learner,
        list(KINDS),
    )


async def withdrawn_events(view: Snapshot, tenant: str, learners: Collection[str]) -> Rows:
    """Return the same, most without data, of all scopes in which anything was ever withdrawn from these learners."""
    return await view.rows(
        f"select {_EVENT}, {_BACK} from {{advancement}} a where a.tenant = $1 and a.kind = any($3::text[])"
        "   and (a.learner, a.scope) in (select t.learner, t.scope from {advancement} t where t.tenant = $1"
        f"     and t.kind in ({', '.join(repr(kind) for kind in TAKES)}) and t.learner = any($2::text[]))"
        " order by a.learner, a.position",
        tenant,
        list(learners),
        list(KINDS),
    )


async def framework_items(view: Snapshot, tenant: str, competencies: Collection[str]) -> Rows:
    """Return (competency, title of its framework, identifier) of competencies by full id, as last published."""
    return await view.rows(
        "select distinct on (k.id) k.id, f.title, c.identifier from unnest($2::text[]) k (id)"
        " join {framework} f on f.tenant = $1 and f.framework = split_part(replace(k.id, '#', ':'), ':', 1)"
        " left join {competency} c on c.tenant = $1 and c.framework = f.framework"
        "   and c.code = substr(k.id, strpos(k.id, ':') + 1) and strpos(k.id, '#') = 0"
        " order by k.id, c.position desc nulls last",
        tenant,
        list(competencies),
    )


async def take_places(
    connection: Connection, tenant: str, issuer: str, learner: str, wanted: Sequence[Issued]
) -> Places:
    """
    Return where the bits of credentials of one issuer are, in the caller's transaction; what was issued keeps its place.

    An index is drawn at random, so that it does not tell when it was given; a list is given away by half.
    """
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"credential {tenant} {issuer}")
    rows = await connection.fetch(
        "select id, list, index from credential where tenant = $1 and issuer = $2 and id = any($3::text[])",
        tenant,
        issuer,
        [one.id for one in wanted],
    )
    places = {row["id"]: (row["list"], row["index"]) for row in rows}
    new = [one for one in wanted if one.id not in places]
    if new:
        number = await connection.fetchval(
            "select coalesce(max(list), 0) from credential where tenant = $1 and issuer = $2", tenant, issuer
        )
        taken = {
            row["index"]
            for row in await connection.fetch(
                "select index from credential where tenant = $1 and issuer = $2 and list = $3", tenant, issuer, number
            )
        }
        drawn = _draw(number, taken)
        places |= {one.id: next(drawn) for one in new}
        await connection.executemany(
            "insert into credential (tenant, issuer, id, list, index, learner, events)"
            " values ($1, $2, $3, $4, $5, $6, $7)",
            [(tenant, issuer, one.id, *places[one.id], learner, one.events) for one in new],
        )
    return places


def _draw(number: int, taken: set[int]) -> Iterator[tuple[int, int]]:
    while True:
        if len(taken) >= FULL:
            number, taken = number + 1, set()
        index = secrets.randbelow(ENTRIES)
        if index not in taken:
            taken.add(index)
            yield number, index


async def issued_in(connection: Connection, tenant: str, issuer: str, number: int) -> Rows:
    """Return (index, learner, events) of the credentials of a list."""
    return await connection.fetch(
        "select index, learner, events from credential where tenant = $1 and issuer = $2 and list = $3",
        tenant,
        issuer,
        number,
    )


async def issued_of(connection: Connection, tenant: str, learners: Collection[str]) -> Rows:
    """Return (id, learner, events, issued at) of the credentials of learners, each once, whoever signed it."""
    return await connection.fetch(
        "select id, learner, events, min(issued_at) as issued_at from credential"
        " where tenant = $1 and learner = any($2::text[]) group by id, learner, events order by learner, id",
        tenant,
        list(learners),
    )


async def standing_events(view: Snapshot, tenant: str, scopes: Sequence[tuple[str, str]]) -> Rows:
    """Return the events that say what is achieved of (learner, scope) pairs, most without data, in their order."""
    return await view.rows(
        f"select {_EVENT}, {_BACK} from {{advancement}} a"
        " join unnest($2::text[], $3::text[]) k (learner, scope) using (learner, scope)"
        " where a.tenant = $1 and a.kind = any($4::text[]) order by a.learner, a.position",
        tenant,
        *columns(scopes, 2),
        list(KINDS),
    )


async def forget_holders(
    connection: Connection, learners: Collection[tuple[str, str]], fallen: Collection[str]
) -> None:
    """
    Forget whose credentials are those of (tenant, learner), and of which events; `fallen` are events that do not stand.

    What a learner holds stays signed, what was revoked stays revoked, and its place in a list is given to nobody else.
    """
    await connection.execute(
        "update credential c set learner = '', events = case when c.events && $3::text[] then $4::text[] else '{}' end"
        " from unnest($1::text[], $2::text[]) k (tenant, learner) where c.tenant = k.tenant and c.learner = k.learner",
        *columns(learners, 2),
        list(fallen),
        [REVOKED],
    )
