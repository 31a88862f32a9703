"""What a closed term ended with in a district: counted over the states that are kept of each learner."""

import asyncio

from services.reporting.domain.counting import Count, district_mastery
from services.reporting.domain.levels import LevelCount, level_rows
from services.reporting.domain.term_places import AmendedCount, TermDistrict, amended_rows
from services.reporting.handlers.terms import being_closed, closed_at
from services.reporting.tables import term_places as tables
from services.reporting.tables.reads import Snapshot
from shared.shards import shard_of


async def term_in_district(
    view: Snapshot, tenant: str, term: str, district: str, schools: list[tuple[str, str]], *, shards: int, small: int,
    day: str,
) -> TermDistrict:  # fmt: skip
    """
    Return what a term ended with in the schools (id, title) of a district.

    Raises:
        NotFound: the tenant has closed no such term.
        Unavailable: its closing is not told yet in every part of the log that these learners are in.
    """
    closed = await closed_at(view, tenant, term)
    ids, at = [school for school, _ in schools], next(iter(closed.values()))
    members = [(row["school"], row["learner"]) for row in await tables.members_of(view, tenant, ids, at)]
    by_shard = await asyncio.to_thread(
        lambda: [(one, shard_of(tenant, one, shards)) for one in sorted({learner for _, learner in members})]
    )
    if not closed.keys() >= {shard for _, shard in by_shard}:
        raise being_closed()
    of = tables.Ended(tenant, ids, at, term, by_shard)
    counts = [Count(*row) for row in await tables.counts_of(view, of)]
    levels = [LevelCount(*row) for row in await tables.levels_of(view, of)]
    amended = [AmendedCount(*row) for row in await tables.amended_of(view, of)]
    titles = await view.titles(tenant, {each.competency for each in counts} | {each.competency for each in amended})
    title = await view.title_of_place(tenant, district)
    sizes: dict[str | None, int] = dict.fromkeys(ids, 0)
    for school, _ in members:
        sizes[school] += 1
    sizes[None] = len(by_shard)

    def protect() -> TermDistrict:
        mastery, _ = district_mastery(
            district, title, schools, day=day, sizes=sizes, counts=counts, titles=titles, small=small,
        )  # fmt: skip
        rows = level_rows(levels, sizes, small, mastery.competencies)
        return TermDistrict(term, at, mastery, rows, amended_rows(amended, sizes, titles, small))

    # A large district takes a while to protect; other requests go on meanwhile.
    return await asyncio.to_thread(protect)
