"""What a policy was foreseen to do, as leaders read it: totals, then schools and groups; small numbers are not told."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.reporting.domain.small_numbers import N_MIN, is_few

_COUNTED = ("learners", "gained", "lost")
_TOTALS = ("gained", "lost", "redated")


def compared(report: Mapping[str, Any], titles: Mapping[str, str], n_min: int = N_MIN) -> dict[str, Any]:
    """
    Return a comparison for a page; `titles` are those of schools.

    `splits` are (heading, rows): schools first, with an empty heading, then one for each grouping. Their small numbers are
    None already; of the totals those below `n_min` are, and all where fewer learners were compared.
    """
    few = report["learners"] is None or report["learners"] < n_min
    totals = {
        what: None if few or report[what] is None or is_few(report[what], n_min) else report[what] for what in _TOTALS
    }
    schools = [_row(row, titles.get(row["school"], row["school"])) for row in report["schools"]]
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in report["groups"]:
        groups.setdefault(row["group"], []).append(_row(row, row["value"]))
    return {
        **totals, "learners": None if few else report["learners"], "pairs": None if few else report["pairs"],
        "splits": [("", schools), *groups.items()],
    }  # fmt: skip


def schools_in(reports: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the schools that comparisons name."""
    return sorted({row["school"] for report in reports for row in report["schools"]})


def _row(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"name": name} | {what: row[what] for what in _COUNTED}
