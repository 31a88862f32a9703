"""For how long tenants keep what is beside the record, and the query for what is older."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias

from shared.database import Connection


class Days(NamedTuple):
    """For how many days tenants keep something; of those that are not named, `others`. 0 is without an end."""

    tenants: Sequence[str]
    days: Sequence[int]
    others: int


Expire: TypeAlias = Callable[[Connection, Days, int], Awaitable[int]]
"""Removes up to so many rows that are older, and returns how many there were."""


def older(table: str, key: str, instant: str, condition: str) -> str:
    """
    Return a query for the keys of rows that are older than their tenant keeps them.

    Its arguments are tenants, their days, the days of the others, and how many keys at most.
    """
    return (
        f"select t.{key} from {table} t left join unnest($1::text[], $2::int[]) k (tenant, days) using (tenant)"
        f" where {condition} and coalesce(k.days, $3) > 0"
        f" and t.{instant} < now() - make_interval(days => coalesce(k.days, $3)) limit $4"
    )
