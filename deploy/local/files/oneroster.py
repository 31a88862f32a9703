"""OneRoster 1.1 and 1.2 CSV bundles as the tables of a roster import."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.files.places import Row, goes_on
from deploy.local.files.text import read_text

NEEDED: dict[str, tuple[str, ...]] = {
    "orgs": ("sourcedId", "name", "type"),
    "classes": ("sourcedId", "title", "schoolSourcedId"),
    "users": ("sourcedId",),
    "enrollments": ("classSourcedId", "userSourcedId", "role"),
    "demographics": (),
    "roles": ("userSourcedId", "role"),
}
LEARNER_ROLES = frozenset(("student", "learner"))
FAMILY_ROLES = frozenset(("parent", "guardian", "relative"))
RACES = (
    "americanIndianOrAlaskaNative", "asian", "blackOrAfricanAmerican", "nativeHawaiianOrOtherPacificIslander", "white",
    "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity",
)  # fmt: skip


def is_bundle(folder: Path) -> bool:
    """Tell whether a folder holds a OneRoster bundle and not native roster files."""
    return (folder / "users.csv").is_file() or (folder / "enrollments.csv").is_file()


def read_bundle(folder: Path) -> dict[str, list[Row]]:
    """
    Return the tables of a bundle: schools, classes, staff, learners, enrolments, groups, people.

    What is `tobedeleted` ends an enrolment, and forgets the name of a person of the staff; other rows of that status are left
    out. Demographics become groups, which are kept for reports on equity alone. Names of families are left out.

    Raises:
        StackError: a column that is needed is missing.
    """
    files = {name: list(_rows(folder / f"{name}.csv", needed)) for name, needed in NEEDED.items()}
    live = {name: [row for row in rows if not _is_deleted(row)] for name, rows in files.items()}
    roles = {row["userSourcedId"]: row["role"] for row in live["roles"]}
    students = [row for row in live["users"] if (row.get("role") or roles.get(row["sourcedId"], "")) in LEARNER_ROLES]
    known = {row["sourcedId"] for row in students}
    return {
        "schools": [_school(row) for row in live["orgs"] if row["type"] == "school"],
        "classes": [
            _filled({"class": row["sourcedId"], "title": row["title"], "school": row["schoolSourcedId"],
                     "subject": row.get("subjects", "")})
            for row in live["classes"]
        ],
        "staff": goes_on(
            {"class": row["classSourcedId"], "staff": row["userSourcedId"], "role": row["role"], "status": _status(row)}
            for row in files["enrollments"]
            if row["role"] not in LEARNER_ROLES
        ),
        "learners": [_filled({"source_id": row["sourcedId"], "name": _name(row)}) for row in students],
        "enrolments": goes_on(
            {"class": row["classSourcedId"], "learner": row["userSourcedId"], "status": _status(row)}
            for row in files["enrollments"]
            if row["role"] in LEARNER_ROLES
        ),
        "groups": [group for row in live["demographics"] for group in _groups(row, known)],
        "people": [
            _filled({"person": row["sourcedId"], "name": "" if _is_deleted(row) else _name(row)})
            for row in files["users"]
            if _is_staff(row, roles)
        ],
    }  # fmt: skip


def _rows(file: Path, needed: tuple[str, ...]) -> Iterator[Row]:
    if not file.is_file():
        return
    reader = csv.DictReader(io.StringIO(read_text(file)))
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    for name in needed:
        if name not in header:
            raise StackError(f"{file} lacks column {name}")
    for line in reader:
        row = {name: (cell or "").strip() for name, cell in line.items() if name is not None}
        if any(row.values()):
            yield row


def _is_deleted(row: Row) -> bool:
    return row.get("status", "").lower() == "tobedeleted"


def _status(row: Row) -> str:
    return "inactive" if _is_deleted(row) else "active"


def _school(row: Row) -> Row:
    return _filled({"school": row["sourcedId"], "title": row["name"], "district": row.get("parentSourcedId", "")})


def _name(row: Row) -> str:
    return " ".join(filter(None, (row.get("givenName"), row.get("familyName"))))


def _is_staff(row: Row, roles: Mapping[str, str]) -> bool:
    role = row.get("role") or roles.get(row["sourcedId"], "")
    return bool(role) and role not in LEARNER_ROLES | FAMILY_ROLES


def _groups(row: Row, known: set[str]) -> Iterator[Row]:
    learner = row.get("userSourcedId") or row.get("sourcedId", "")
    if learner not in known:
        return
    if row.get("sex"):
        yield {"group": "sex", "learner": learner, "value": row["sex"]}
    for race in RACES:
        if row.get(race, "").lower() == "true":
            yield {"group": f"race:{race}", "learner": learner, "value": "true"}


def _filled(row: Row) -> Row:
    """Return a row without its empty cells; a title is told empty too."""
    return {name: cell for name, cell in row.items() if cell or name == "title"}
