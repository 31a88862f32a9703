"""A comparison of policies as it is told to who may not see the learners: without numbers of few."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from services.progression.domain.analysis.small_groups import hidden_groups

_LEARNERS = {"gained": "learners_gaining", "lost": "learners_losing", "redated": "learners_redated"}
"""The totals of pairs, and the learners that are behind each."""


def told_comparison(report: Mapping[str, Any], small: int) -> dict[str, Any]:
    """
    Return a report of `Comparison` with None for what tells about fewer than `small` learners, or would give that away.

    Of fewer than so many learners in all no number is told. Moves and gates are told together or not at all: each adds up
    with the totals. Shares are hidden where they are of few pairs, those after where moves are, or where they are of few pairs
    more or fewer: the pairs that can be decided since are moves. Subjects, schools and groups have been hidden when the report
    was made; with a limit that has grown since they are not told.
    """
    levels = {"levels": told_levels(report["levels"], small)} if "levels" in report else {}
    if 0 < report["learners"] < small:
        rows = {split: [_hidden(row) for row in report[split]] for split in ("schools", "groups")}
        none: dict[str, Any] = {rows: [] for rows in ("competencies", "moves", "subjects") if rows in report}
        return _told(report, lambda _: True) | rows | none | levels
    few = {
        total for total, learners in _LEARNERS.items() if 0 < report.get(learners, report[total]) < small
    }  # fmt: skip
    told = _told(report, lambda total: total in few)
    pairs: int = report["pairs"]

    def is_few(share: float) -> bool:
        return 0 < round(share * pairs) < small or 0 < pairs - round(share * pairs) < small

    def moves_few(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
        more = (after.get(of, 0.0) - before.get(of, 0.0) for of in {*before, *after})
        return few_moves or any(0 < round(abs(each) * pairs) < small for each in more)

    few_moves = is_of_few(report["moves"], small)
    shares, gates = report["decidable"], report["undecided_by"]
    is_hidden = {when: any(map(is_few, of.values())) for when, of in gates.items()}
    is_hidden["after"] = is_hidden["after"] or moves_few(gates["before"], gates["after"])
    undecided = moves_few({"": shares["before"]}, {"": shares["after"]})
    grown = small > report.get("suppressed_below", small)
    told |= {
        "decidable": {
            when: None if is_few(value) or (when == "after" and undecided) else value for when, value in shares.items()
        },
        "undecided_by": {
            when: {gate: None if is_hidden[when] else value for gate, value in of.items()}
            for when, of in gates.items()
        },
        "moves": [dict(move) | dict.fromkeys(("pairs", "learners"), None) if few_moves else move for move in report["moves"]],
        "competencies": _competencies(report["competencies"], small, few, with_pairs="subjects" not in report),
        "schools": [_hidden(row) if grown else row for row in report["schools"]],
        "groups": [_hidden(row) if grown else row for row in report["groups"]],
    }  # fmt: skip
    if "subjects" in report:
        told["subjects"] = [] if grown else _subjects(report["subjects"], told)
    return told | levels


def told_levels(report: Mapping[str, Any], small: int) -> dict[str, Any]:
    """
    Return a report of `LevelComparison` with None for what tells about few, or would give that away.

    Schools and groups have been hidden when the report was made; with a limit that has grown since they are not told.
    """
    learners = report["learners"]
    if learners < small or small > report["suppressed_below"]:
        report = dict(report) | {split: [_hidden(row) for row in report[split]] for split in ("schools", "groups")}
    if 0 < learners < small:
        return dict(report) | dict.fromkeys(("learners", "learners_gaining", "learners_losing")) | {"items": []}
    sizes = {row["level"]: learners for row in report["items"]}
    hidden = {
        what: hidden_groups({row["level"]: row[what] for row in report["items"]}, sizes, small)
        for what in ("gained", "lost")
    }
    told = {
        total: None if 0 < report[total] < small else report[total] for total in ("learners_gaining", "learners_losing")
    }
    items = [
        dict(row) | {what: None for what, levels in hidden.items() if row["level"] in levels} for row in report["items"]
    ]
    return dict(report) | told | {"items": items}


def told_differences(differences: Iterable[Mapping[str, Any]], small: int) -> list[dict[str, Any]]:
    """
    Return how many pairs differ by the two statuses, with None for all of them where any is of fewer than `small` learners.

    They are the moves of a comparison with the same policy, and add up with its totals.
    """
    rows = list(differences)
    hidden = dict.fromkeys(("pairs", "learners")) if is_of_few(rows, small) else {}
    return [dict(row) | hidden for row in rows]


def is_of_few(differences: Iterable[Mapping[str, Any]], small: int) -> bool:
    """Tell whether any row of differences, or of moves, is of fewer than `small` learners."""
    return any(row.get("learners", row["pairs"]) < small for row in differences)


def told_shadow_levels(
    report: Mapping[str, Any], differences: Iterable[Mapping[str, Any]], small: int
) -> dict[str, Any]:
    """
    Return a report of levels of those of whom a shadow differs, as `told_levels` does.

    Where any of the differences is of few, how many differ at all is not told: less those that a comparison says gain, it is few.
    """
    told = told_levels(report, small)
    if not is_of_few(differences, small):
        return told
    rows = {split: [dict(row) | {"learners": None} for row in told[split]] for split in ("schools", "groups")}
    return told | {"learners": None} | rows


def told_expected(expected: Mapping[str, int], told: Mapping[str, Any]) -> dict[str, int | None]:
    """
    Return the events that are foreseen by type, as a told comparison tells the pairs behind them.

    Fewer of a type than its pairs would tell how few others there are.
    """
    pairs = {"attain.competency.mastered.v1": told["gained"], "attain.competency.withdrawn.v1": told["lost"]}
    return {kind: number if pairs.get(kind) == number else None for kind, number in expected.items()}


def _told(report: Mapping[str, Any], is_few: Callable[[str], bool]) -> dict[str, Any]:
    """Return the totals, and nothing of the parts."""
    told = dict(report)
    for total, learners in _LEARNERS.items():
        if is_few(total):
            told |= {total: None} | ({learners: None} if learners in told else {})
    if is_few("learners"):
        none = {"before": None, "after": None}
        told |= {"learners": None, "pairs": None, "decidable": none, "undecided_by": {"before": {}, "after": {}}}
    return told


def _subjects(rows: Iterable[Mapping[str, Any]], told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows by subject and grade without what is not told of all pairs after: they add up to it."""
    no_share = told["decidable"]["after"] is None
    no_gates = no_share or None in told["undecided_by"]["after"].values()
    return [
        dict(row)
        | ({"decidable": None} if no_share else {})
        | ({"undecided_by": dict.fromkeys(row["undecided_by"])} if no_gates else {})
        for row in rows
    ]


def _competencies(
    rows: list[Mapping[str, Any]], small: int, few: set[str], *, with_pairs: bool
) -> list[dict[str, Any]]:
    """
    Return the rows by competency, each of which adds up to a total; a competency has a pair a learner.

    Pairs are told by subject and grade instead, where they can be: less those of the competencies that are listed, they would
    be those of few others.
    """
    sizes = {row["competency"]: row["pairs"] for row in rows}
    hidden = {
        what: set(sizes) if what in few else hidden_groups({r["competency"]: r[what] for r in rows}, sizes, small)
        for what in ("gained", "lost")
    }
    hidden["pairs"] = hidden_groups(sizes, sizes, small) if with_pairs else set(sizes)
    return [dict(row) | {what: None for what in hidden if row["competency"] in hidden[what]} for row in rows]


def _hidden(row: Mapping[str, Any]) -> dict[str, Any]:
    return dict(row) | dict.fromkeys(("learners", "gained", "lost"), None)
