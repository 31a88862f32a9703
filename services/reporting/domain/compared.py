"""What a policy was foreseen to do, as leaders read it: totals, then schools and groups; small numbers are not told."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.reporting.domain.small_numbers import is_few

_COUNTED = ("learners", "gained", "lost")
_TOTALS = ("gained", "lost", "redated")


def compared(report: Mapping[str, Any], titles: Mapping[str, str], small: int) -> dict[str, Any]:
    """
    Return a comparison for a page; `titles` are those of schools.

    `splits` are (heading, rows): schools first, with an empty heading, then one for each grouping. `levels` are learners, by
    the same splits; None of a comparison from before levels were compared. Their small numbers are
    None already; of the totals those below `small` are, and all where fewer learners were compared.
    """
    few = report["learners"] is None or report["learners"] < small

    def told(of: Mapping[str, Any], what: str) -> int | None:
        return None if few or of[what] is None or is_few(of[what], small) else of[what]

    levels = report.get("levels")
    return {
        **{what: told(report, what) for what in _TOTALS},
        "learners": None if few else report["learners"], "pairs": None if few else report["pairs"],
        "splits": _splits(report, titles),
        "levels": None if levels is None else {
            "gained": told(levels, "learners_gaining"), "lost": told(levels, "learners_losing"),
            "splits": _splits(levels, titles),
        },
    }  # fmt: skip


def _splits(report: Mapping[str, Any], titles: Mapping[str, str]) -> list[tuple[str, list[dict[str, Any]]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in report["groups"]:
        groups.setdefault(row["group"], []).append(_row(row, row["value"]))
    return [("", [_row(row, titles.get(row["school"], row["school"])) for row in report["schools"]]), *groups.items()]


def schools_in(reports: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the schools that comparisons name."""
    return sorted({row["school"] for report in reports for row in report["schools"]})


def _row(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"name": name} | {what: row[what] for what in _COUNTED}
