"""Answers with parts of parts as tables: a column for each part, and what is not told is an empty cell."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_type_hints

import msgspec

from shared.contracts.internal_events import STATUSES
from shared.csv_answers import Table


def flat_table(of: type[msgspec.Struct], rows: Iterable[msgspec.Struct]) -> Table:
    """
    Return rows of a type as a table: `time_low` is the `low` of `time`, `statuses_mastered` the share of that status.

    `as_of`, which moves while all else stays, is left out.
    """
    paths = [path for path in _paths(of) if path != ("as_of",)]
    return ["_".join(path[:2]) for path in paths], ([_at(row, path) for path in paths] for row in rows)


def _paths(of: type[msgspec.Struct]) -> Iterator[tuple[str, ...]]:
    for name, hint in get_type_hints(of).items():
        parts = next((each for each in get_args(hint) if hasattr(each, "__struct_fields__")), None)
        if parts is not None:
            yield from ((name, part) for part in parts.__struct_fields__)
        elif any(getattr(each, "__origin__", None) is dict for each in get_args(hint)):
            yield from ((name, status, "share") for status in STATUSES)
        else:
            yield (name,)


def _at(value: Any, path: Iterable[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value
