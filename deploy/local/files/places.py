"""Places of people in classes, as other systems' files give them."""

from collections.abc import Iterable

Row = dict[str, str]


def goes_on(places: Iterable[Row]) -> list[Row]:
    """
    Return places in classes without those that have ended where the same person has another in the class that goes on.

    Who leaves a class and comes back has a row for each time, in any order, and the roster keeps one.
    """
    rows = list(places)
    active = {_place(row) for row in rows if row["status"] == "active"}
    return [row for row in rows if row["status"] == "active" or _place(row) not in active]


def _place(row: Row) -> tuple[str, str]:
    return row["class"], row.get("learner") or row["staff"]
