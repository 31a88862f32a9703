"""What the routes read: every query inside one snapshot, of the live versions, and of one tenant."""

import contextlib
import functools
from collections.abc import AsyncIterator, Collection, Sequence

import asyncpg

from services.reporting.tables.read_models import MODELS, consumer_name, table_name
from shared.database import Connection, Database
from shared.event_log import Head

Rows = Sequence[asyncpg.Record]
Version = tuple[str, str]
"""A framework and a version of it."""
MEMBERS = (
    "with member as (select distinct c.school, e.learner from {class} c"
    " join {enrolment} e on e.tenant = c.tenant and e.class = c.class and e.active"
    " where c.tenant = $1 and c.school = any($2::text[]))"
)
"""The learners who are actively enrolled in the schools $2 of the tenant $1, with their schools: how a query begins."""
ON_RECORD = (
    "({0}.status in ('mastered', 'credited', 'reverify_due')"
    " or ({0}.status = 'overridden' and {0}.mastered_at is not null))"
)
"""Whether a state is on the record, as `domain.standing.on_record` says it; to be formatted with the state's name."""


class Snapshot:
    """The read models as they are at one instant; lends itself for one request."""

    def __init__(self, connection: Connection, live: dict[str, int]) -> None:
        self._connection = connection
        self.live = live

    async def rows(self, query: str, *arguments: object) -> Rows:
        """Run a query in which `{table}` names a read-model table."""
        return await self._connection.fetch(named(query, self.live), *arguments)

    async def position(self, model: str, shard: int) -> Head:
        """Return how far a read model's log is folded."""
        return (await self.positions(model))[shard]

    async def positions(self, model: str) -> dict[int, Head]:
        """Return how far a read model's log is folded, by shard."""
        rows = await self._connection.fetch(
            "select shard, generation, pos from consumer_shard where consumer = $1 order by shard",
            consumer_name(model, self.live[model]),
        )
        return {row["shard"]: Head(row["generation"], row["pos"]) for row in rows}

    async def evidence_position(self, shard: int) -> Head:
        """Return up to which position of the evidence log the states that follow from it are folded."""
        # A checkpoint bears the generation in which it was told; a restore or re-shard raises that of all logs together.
        row = await self._connection.fetchrow(
            "select greatest(p.generation, c.generation) as generation, c.evidence from checkpoint c"
            " join consumer_shard p using (consumer, shard) where consumer = $1 and shard = $2",
            consumer_name("mastery", self.live["mastery"]),
            shard,
        )
        return Head(0, 0) if row is None else Head(row["generation"], row["evidence"])

    async def folded_counts(self) -> list[tuple[int, str, int]]:
        """Return (shard, tenant, events folded) of the states; without a tenant: see the schema."""
        rows = await self._connection.fetch(
            "select shard, tenant, events from folded_count where consumer = $1",
            consumer_name("mastery", self.live["mastery"]),
        )
        return [(row["shard"], row["tenant"], row["events"]) for row in rows]

    async def learner_exists(self, tenant: str, learner: str) -> bool:
        """Return whether the tenant has any record or enrolment of the learner."""
        found = await self.rows(
            "select 1 from {mastery} where tenant = $1 and learner = $2"
            " union all select 1 from {enrolment} where tenant = $1 and learner = $2 limit 1",
            tenant,
            learner,
        )
        return bool(found)

    async def has_state(self, tenant: str, learner: str, competency: str) -> bool:
        """Return whether anything is recorded of a learner's competency."""
        rows = await self.rows(
            "select from {mastery} where tenant = $1 and learner = $2 and competency = $3", tenant, learner, competency
        )
        return bool(rows)

    async def statuses(self, tenant: str, learners: Collection[str]) -> Rows:
        """Return (learner, competency, status, mastered at) of the learners."""
        return await self.rows(
            "select learner, competency, status, mastered_at from {mastery} where tenant = $1 and learner = any($2::text[])",
            tenant,
            list(learners),
        )

    async def freshness(self, shard: int, tenant: str, learner: str) -> tuple[Head, bool]:
        """Return how far the log `advancement` is folded in a shard, and whether an event of the learner could not be."""
        row = await self._connection.fetchrow(
            "select generation, pos, exists (select 1 from unfolded u where u.consumer = c.consumer and u.tenant = $3"
            "   and u.subject = $4) from consumer_shard c where consumer = $1 and shard = $2",
            consumer_name("advancement", self.live["advancement"]),
            shard,
            tenant,
            learner,
        )
        assert row is not None
        return Head(row[0], row[1]), row[2]

    async def count_unfolded(self, tenant: str) -> int:
        """Return of how many learners of a tenant, without a name of all, a live read model has events that it could not fold."""
        consumers = [consumer_name(model, version) for model, version in self.live.items()]
        counted: int = await self._connection.fetchval(
            "select count(distinct (tenant, subject)) from unfolded"
            " where consumer = any($1::text[]) and $2::text in ('', tenant)",
            consumers,
            tenant,
        )
        return counted

    async def framework_versions(self, tenant: str, frameworks: Collection[str] | None) -> list[Version]:
        """Return the current versions, in order; of all frameworks with None."""
        rows = await self.rows(
            "select framework, version from {framework}"
            " where tenant = $1 and ($2::text[] is null or framework = any($2)) order by framework",
            tenant,
            None if frameworks is None else list(frameworks),
        )
        return [(row["framework"], row["version"]) for row in rows]

    async def competencies(self, tenant: str, frameworks: Collection[str] | None) -> Rows:
        """
        Return the competencies of the current version of the frameworks, and of each whether it groups others.

        With None, those of all frameworks that the tenant has.
        """
        return await self.rows(
            "select c.framework, c.code, c.title, c.ordinal, c.level, c.subject,"
            " (c.framework, c.version, c.code) in (select framework, version, parent from {competency}"
            "   where tenant = $1 and parent is not null union all select framework, version, destination"
            "   from {association} where tenant = $1 and type = 'isChildOf') from {framework} f"
            " join {competency} c using (tenant, framework, version)"
            " where f.tenant = $1 and ($2::text[] is null or f.framework = any($2)) order by c.framework, c.ordinal",
            tenant,
            None if frameworks is None else list(frameworks),
        )

    async def prerequisites(self, tenant: str, frameworks: Collection[str]) -> Rows:
        """Return the prerequisite edges of the current version of the frameworks."""
        return await self.rows(
            "select a.framework, a.origin, a.destination from {framework} f"
            " join {association} a using (tenant, framework, version)"
            " where f.tenant = $1 and f.framework = any($2::text[]) and a.type = 'prerequisite'",
            tenant,
            list(frameworks),
        )

    async def titles(self, tenant: str, competencies: Collection[str]) -> dict[str, str]:
        """Return the titles of competencies by full id; a retired one keeps the title it had last."""
        rows = await self.rows(
            "select distinct on (k.id) k.id, c.title from unnest($2::text[]) k (id)"
            " join {competency} c on c.tenant = $1 and c.framework = split_part(k.id, ':', 1)"
            "   and c.code = substr(k.id, strpos(k.id, ':') + 1)"
            " left join {framework} f using (tenant, framework, version)"
            " order by k.id, f.version is null, c.position desc",
            tenant,
            list(competencies),
        )
        return {row["id"]: row["title"] for row in rows}

    async def title_of_class(self, tenant: str, class_id: str) -> str | None:
        """Return the title of a class, None where the tenant has no such class."""
        rows = await self.rows("select title from {class} where tenant = $1 and class = $2", tenant, class_id)
        return rows[0]["title"] if rows else None

    async def classes_with(self, tenant: str, learner: str) -> list[str]:
        """Return the classes in which a learner is actively enrolled."""
        rows = await self.rows(
            "select class from {enrolment} where tenant = $1 and learner = $2 and active order by class",
            tenant,
            learner,
        )
        return [row["class"] for row in rows]

    async def merged_into(self, tenant: str, learner: str) -> list[str]:
        """Return who is merged into a learner: what is kept of them stays under their own ids."""
        rows = await self.rows(
            "select learner from {merged} where tenant = $1 and kept = $2 order by learner", tenant, learner
        )
        return [row["learner"] for row in rows]

    async def class_learners(self, tenant: str, class_id: str, *, ever: bool = False) -> list[str]:
        """Return the learners actively enrolled in a class; with `ever` those as well who were in it."""
        rows = await self.rows(
            "select learner from {enrolment} where tenant = $1 and class = $2 and (active or $3) order by learner",
            tenant,
            class_id,
            ever,
        )
        return [row["learner"] for row in rows]

    async def districts(self, tenant: str) -> Rows:
        """Return what schools name as their district, and what belongs to none and so stands for itself."""
        return await self.rows(
            "select d.district, coalesce(t.title, d.district) as title, count(*) filter (where d.is_school) as schools"
            " from (select coalesce(district, school) as district, district is not null as is_school from {school}"
            "   where tenant = $1) d left join {school} t on t.tenant = $1 and t.school = d.district"
            " group by 1, 2 order by 2, 1",
            tenant,
        )

    async def school_of(self, tenant: str, school: str) -> asyncpg.Record | None:
        """Return (title, district or None) of a school of the tenant."""
        rows = await self.rows("select title, district from {school} where tenant = $1 and school = $2", tenant, school)
        return rows[0] if rows else None

    async def title_of_place(self, tenant: str, place: str) -> str:
        """Return what the roster calls a school or district, its id where it has no title there."""
        found = await self.school_of(tenant, place)
        return str(found["title"]) if found is not None else place

    async def district_schools(self, tenant: str, district: str) -> Rows:
        """Return the schools of a district, itself among them where it has classes, or is its only school."""
        return await self.rows(
            "select school, title from {school} s where tenant = $1 and (district = $2 or school = $2 and ("
            "   exists (select from {class} c where c.tenant = $1 and c.school = $2)"
            "   or not exists (select from {school} o where o.tenant = $1 and o.district = $2 and o.school <> $2)))"
            " order by 2, 1",
            tenant,
            district,
        )

    async def school_sizes(self, tenant: str, schools: Collection[str]) -> Rows:
        """Return the number of learners by school, and with school null in all of them, each learner once."""
        return await self.rows(
            f"{MEMBERS} select school, count(distinct learner) as learners from member"
            " group by grouping sets ((school), ())",
            tenant,
            list(schools),
        )

    async def school_counts(self, tenant: str, schools: Collection[str]) -> Rows:
        """Return learners by competency and status, by school and with school null in all, each learner once."""
        return await self.rows(
            f"{MEMBERS} select m.competency, m.status, member.school, count(distinct member.learner) as learners"
            " from member join {mastery} m on m.tenant = $1 and m.learner = member.learner"
            " group by grouping sets ((m.competency, m.status, member.school), (m.competency, m.status))",
            tenant,
            list(schools),
        )

    async def all_states(self, tenant: str | None, after: Sequence[str], limit: int) -> Rows:
        """Return the rows of all tenants, or of one, behind a key in key order."""
        return await self.rows(
            "select tenant, learner, competency, status, score, evidence_count, last_evidence_at, mastered_at, seq"
            " from {mastery} where (tenant, learner, competency) > ($1, $2, $3) and ($4::text is null or tenant = $4)"
            " order by tenant, learner, competency limit $5",
            *after,
            tenant,
            limit,
        )

    async def all_rows(
        self, table: str, key: Sequence[str], tenant: str | None, after: Sequence[object] | None, limit: int
    ) -> Rows:
        """Return the rows of a read-model table of all tenants, or of one, behind a key in key order, without `data`."""
        names = ", ".join(f'"{name}"' for name in key)
        where = "" if after is None else f" and ({names}) > ({', '.join(f'${n + 3}' for n in range(len(key)))})"
        return await self.rows(
            f"select to_jsonb(t) - 'data' as row from {{{table}}} t"
            f" where ($1::text is null or tenant = $1){where} order by {names} limit $2",
            tenant,
            limit,
            *(after or ()),
        )


@contextlib.asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Snapshot]:
    """Lend one consistent view of the live read models: what a request answers is true at one position."""
    async with database.instant() as connection:
        yield Snapshot(connection, await live_versions(connection))


async def live_versions(connection: Connection) -> dict[str, int]:
    """Return the live version of every read model."""
    return {
        row["name"]: row["live"] for row in await connection.fetch("select name, live from read_model order by name")
    }


def named(query: str, live: dict[str, int]) -> str:
    """Return a query with the tables of the versions in place of `{table}`."""
    return _named(query, tuple(live.items()))


@functools.lru_cache(maxsize=256)
def _named(query: str, live: tuple[tuple[str, int], ...]) -> str:
    names = {table: table_name(table, version) for model, version in live for table in MODELS[model]}
    return query.format_map(names)
