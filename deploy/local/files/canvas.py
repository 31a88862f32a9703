"""
What a district takes out of Canvas as CSV: SIS files, the outcomes, and the account report *Outcome Results*.

Names are dropped here. Source: Canvas' SIS import format, outcomes import format and account reports; reports have their
columns in any order, and newer versions have more.
"""

import csv
import dataclasses
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError
from deploy.local.files.places import goes_on
from deploy.local.files.text import read_text

Row = dict[str, str]
NEEDED: dict[str, tuple[str, ...]] = {
    "users": ("user_id",),
    "sections": ("section_id", "name"),
    "enrollments": ("user_id", "role"),
    "outcomes": ("vendor_guid", "object_type", "title"),
}
OPTIONAL = {"courses": ("course_id", "account_id")}
REPORT = frozenset(("student id", "learning outcome id", "outcome score", "assessment id"))
"""The columns that make a CSV file the report of outcome results."""
ROLLUPS = "student sis id"
STAFF = {"teacher": "teacher", "ta": "assistant", "designer": "designer", "observer": ""}
METHODS = ("decaying_average", "standard_decaying_average", "n_mastery", "highest", "latest", "average")
NO_DATE = "1970-01-01T00:00:00Z"
"""Of a result without a submission date, which Canvas sorts first."""
CODE_CHARS = re.compile(r"[^A-Za-z0-9._:/-]+")
CODE_CHARS_MAX = 150


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A learning outcome: `code` is its `vendor_guid` as a code; points as its ratings say."""

    code: str
    guid: str
    title: str
    subject: str
    method: str
    integer: int | None
    points: float
    mastery: float


@dataclasses.dataclass(frozen=True)
class Result:
    """A row of the report. `outcome` is None where no outcome of the files is meant, and `outcome_id` Canvas' own id."""

    id: str
    learner: str
    outcome: Outcome | None
    outcome_id: str
    activity: str
    quiz: bool
    score: float
    attempt: int
    at: str


@dataclasses.dataclass
class Export:
    """All that the files say, and what is the matter with them."""

    roster: dict[str, list[Row]]
    outcomes: list[Outcome]
    results: list[Result]
    unscored: int = 0
    rollups: dict[tuple[str, str], float | None] = dataclasses.field(default_factory=dict)
    """Canvas' own number by (learner, code of the outcome), where a file of rollups has it."""
    problems: list[str] = dataclasses.field(default_factory=list)


def read_export(folder: Path) -> Export:
    """
    Return what the files of a folder say; each of them may be missing but the outcomes and the report.

    Raises:
        StackError: a file or a column that is needed is missing.
    """
    problems: list[str] = []
    files = {
        name: list(_rows(folder / f"{name}.csv", needed, problems)) for name, needed in (NEEDED | OPTIONAL).items()
    }
    outcomes = _outcomes(files["outcomes"], problems)
    if not outcomes:
        raise StackError(f"{folder} has no outcomes.csv with outcomes in it")
    report, rollups = _reports(folder, problems)
    if report is None:
        raise StackError(f"{folder} has no report of outcome results: a CSV with {', '.join(sorted(REPORT))}")
    found = Export(_roster(files, problems), outcomes, [], problems=problems)
    _take_results(found, report)
    for row in rollups:
        _take_rollup(found, row)
    return found


def _rows(file: Path, needed: tuple[str, ...], problems: list[str]) -> Iterator[Row]:
    if not file.is_file():
        return
    reader = csv.reader(io.StringIO(read_text(file, problems)))
    header = [name.strip().lower() for name in next(reader, [])]
    for name in needed:
        if name not in header:
            raise StackError(f"{file} lacks column {name}")
    for cells in reader:
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name}
        # The columns of the ratings have one name for all.
        row["ratings"] = "\t".join(cells[header.index("ratings") :]) if "ratings" in header else ""
        if any(row.values()):
            yield row


def _reports(folder: Path, problems: list[str]) -> tuple[list[Row] | None, list[Row]]:
    """Return the rows of the report and of the rollups, which are known by their columns."""
    report: list[Row] | None = None
    rollups: list[Row] = []
    for file in sorted(folder.glob("*.csv")):
        if file.stem in NEEDED | OPTIONAL:
            continue
        rows = list(_rows(file, (), problems))
        columns = set(rows[0]) if rows else set()
        if columns >= REPORT:
            report = [*(report or []), *rows]
        elif ROLLUPS in columns and any(name.endswith(" result") for name in columns):
            rollups += rows
    return report, rollups


def _roster(files: dict[str, list[Row]], problems: list[str]) -> dict[str, list[Row]]:
    """Return the tables of a roster import: a section is a class, an account a school; people are ids."""
    accounts = {row["course_id"]: row["account_id"] for row in files["courses"] if row.get("account_id")}
    classes = [
        {"class": row["section_id"], "title": row["name"]}
        | ({"school": accounts[row["course_id"]]} if row.get("course_id") in accounts else {})
        for row in files["sections"]
        if _is_live(row)
    ]
    enrolments, staff, without = [], [], 0
    for row in files["enrollments"]:
        if not row.get("section_id"):
            without += 1
            continue
        status = "active" if _is_live(row) else "inactive"
        if row["role"].lower() == "student":
            enrolments.append({"class": row["section_id"], "learner": row["user_id"], "status": status})
        elif role := STAFF.get(row["role"].lower(), "teacher"):
            staff.append({"class": row["section_id"], "staff": row["user_id"], "role": role, "status": status})
    if without:
        problems.append(f"enrollments.csv: {without} rows are of a course and no section; they are left out")
    students = {row["learner"] for row in enrolments}
    teachers = {row["staff"] for row in staff}
    learners = [
        {"source_id": row["user_id"]}
        for row in files["users"]
        if _is_live(row) and (row["user_id"] in students or row["user_id"] not in teachers)
    ]
    schools = [{"school": account, "title": account} for account in sorted(set(accounts.values()))]
    return {
        "schools": schools, "classes": classes, "staff": goes_on(staff), "learners": learners,
        "enrolments": goes_on(enrolments),
    }  # fmt: skip


def _is_live(row: Row) -> bool:
    return row.get("status", "active").lower() in ("active", "")


def _outcomes(rows: list[Row], problems: list[str]) -> list[Outcome]:
    groups = {row["vendor_guid"]: row["title"] for row in rows if row["object_type"] == "group"}
    found: dict[str, Outcome] = {}
    for row in rows:
        if row["object_type"] != "outcome" or row.get("workflow_state", "active") not in ("active", ""):
            continue
        code = CODE_CHARS.sub("-", row["vendor_guid"])[:CODE_CHARS_MAX]
        if code in found:
            problems.append(f"outcomes.csv: {row['vendor_guid']!r} and {found[code].guid!r} are one code, {code!r}")
            continue
        ratings = [float(cell) for cell in row["ratings"].split("\t")[::2] if _is_number(cell)]
        points = max(ratings, default=5.0)
        mastery = float(row["mastery_points"]) if _is_number(row.get("mastery_points", "")) else _middle(ratings)
        method = row.get("calculation_method") or "decaying_average"
        if method == "weighted_average":
            method = "decaying_average"
        if method not in METHODS:
            problems.append(f"outcomes.csv: {row['vendor_guid']} is calculated by {method!r}, which is not known here")
            method = "highest"
        integer = int(float(row["calculation_int"])) if _is_number(row.get("calculation_int", "")) else None
        parents = row.get("parent_guids", "").split()
        subject = groups.get(parents[0], "") if parents else ""
        title = row.get("display_name") or row["title"]
        found[code] = Outcome(code, row["vendor_guid"], title, subject, method, integer, points, min(mastery, points))
    return list(found.values())


def _middle(ratings: list[float]) -> float:
    """Return the cut of an outcome whose file has none: Canvas' default is 3 of 5, the rating in the middle."""
    return sorted(ratings, reverse=True)[len(ratings) // 2] if ratings else 3.0


def _is_number(text: str) -> bool:
    try:
        return float(text) >= 0
    except ValueError:
        return False


def _take_results(found: Export, rows: list[Row]) -> None:
    by_guid = {outcome.guid: outcome for outcome in found.outcomes}
    titles = Counter(outcome.title for outcome in found.outcomes)
    by_title = {outcome.title: outcome for outcome in found.outcomes if titles[outcome.title] == 1}
    without = 0
    for row in rows:
        if not _is_number(row["outcome score"]):
            found.unscored += 1
            continue
        learner = row.get("student sis id", "")
        if not learner:
            learner, without = f"canvas:{row['student id']}", without + 1
        # Outcomes without an id of their own are taken out under one that Canvas makes of its own.
        outcome = by_guid.get(f"canvas_outcome:{row['learning outcome id']}") or by_title.get(
            row.get("learning outcome name", "")
        )
        kind = row.get("assessment type") or "assignment"
        activity = f"{kind}:{row['assessment id']}"
        question, attempt = row.get("assessment question id", ""), row.get("attempt", "")
        parts = (row["student id"], row["learning outcome id"], activity, question, attempt)
        number = int(float(attempt)) if _is_number(attempt) else 1
        found.results.append(
            Result(
                "outcome-result:" + ":".join(parts), learner, outcome, row["learning outcome id"], activity,
                bool(question), float(row["outcome score"]), max(1, number), row.get("submission date") or NO_DATE,
            )
        )  # fmt: skip
    if without:
        found.problems.append(f"the report: {without} results are of students without an SIS id")


def _take_rollup(found: Export, row: Row) -> None:
    for outcome in found.outcomes:
        for name in (outcome.title, outcome.guid):
            cell = row.get(f"{name} result".lower())
            if cell is not None and row[ROLLUPS]:
                found.rollups[row[ROLLUPS], outcome.code] = float(cell) if _is_number(cell) else None


def evidence_of(result: Result, source: str, framework: str) -> dict[str, Any]:
    """Return a result as native evidence; one of an outcome that the files lack names its activity alone, and waits."""
    outcome = result.outcome
    item: dict[str, Any] = {
        "id": result.id, "source": source, "learner": result.learner, "occurred_at": result.at, "kind": "summative",
        "attempt": result.attempt, "activity": {"id": result.activity},
        "assessor": {"type": "auto" if result.quiz else "human"},
    }  # fmt: skip
    if outcome is None:
        item["activity"]["id"] = f"outcome:{result.outcome_id}"
        item["score"] = {"raw": result.score, "max": max(result.score, 1.0)}
    else:
        item["competencies"] = [f"{framework}:{outcome.code}"]
        item["score"] = {"raw": result.score, "max": outcome.points}
    return item


def nodes_csv(outcomes: list[Outcome]) -> str:
    """Return the outcomes as the nodes of a framework."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("code", "title", "subject"))
    writer.writerows((one.code, one.title, one.subject) for one in outcomes)
    return text.getvalue()
