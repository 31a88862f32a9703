"""`attain rollover`: the new school year. What it would do is said first, and a large change is asked about."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import click
import msgspec

from deploy.local.client.asking import ask, confirmed, segment
from deploy.local.client.identities import known, resolve
from deploy.local.commands.roster import COLUMNS, DEFAULT_SOURCE, Tables, named_in, read_table, send_roster, sources_of
from deploy.local.commands.term import close_term
from deploy.local.errors import StackError
from deploy.local.files.oneroster import is_bundle, read_bundle
from deploy.local.files.text import read_text
from deploy.local.options import Context, command_options
from services.progression.domain.curriculum import Framework
from shared.shards import stable_id

SHARE_MAX = 0.1
"""The share of the enrolments that may end without being asked about."""
PLACEMENTS = ("learner", "level")


@click.command()
@click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--session", required=True, help="Name of the year that begins, as 2026-27.")
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, help="Source of learners that name none.")
@click.option(
    # Of another type than text, which may not be empty.
    "--ends",
    type=click.UNPROCESSED,
    metavar="TERM",
    help="Name of the term to close; without it the year before SESSION, '' closes none.",
)
@click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, neither about the end of a term nor about a large change.")
@click.option(
    "--undo", is_flag=True, help="Let the enrolments that the session ended go on again; a closed term stays closed."
)
@command_options
def rollover(
    context: Context, folder: Path | None, session: str, source: str, ends: str | None, dry_run: bool, yes: bool,
    undo: bool,
) -> None:  # fmt: skip
    """
    Begin a school year with the roster of DIR: its classes go on or begin, who is in any other class is in it no longer.

    First the term that ends is closed, if it is not: what is on every record then is kept as it was (`attain term`), for good.
    Mastery, goals and decisions stay as they are. DIR is as for `attain roster import`; a placements.csv in it (learner, level
    and reason) places learners in a level. Nothing is changed where a file of it could not be taken whole. Where more than a
    tenth of the enrolments would end, it asks first.
    """
    if undo:
        again = ask(context, "evidence", "POST", f"/v1/roster/rollovers/{segment(session)}/undo", scope="admin")
        context.emit(again, f"{again['enrolments']:,} enrolments and {again['staff']:,} rights of staff go on again")
        return
    if folder is None:
        raise click.UsageError("give the folder with the roster of the new year")
    tables = _tables(folder)
    placements = _placements(context, folder / "placements.csv", source, tables)
    goes_on = sorted({row["class"] for row in tables.get("classes", ())})
    term = term_before(session) if ends is None else ends
    closed_at = _closed_at(context, term)
    would = _post(context, session, goes_on, dry_run=True)
    counts = {name: len(tables.get(name, ())) for name in ("classes", "enrolments", "staff", "learners")}
    ending = {"term": term or None, "closed_at": closed_at}
    plan = would | {"ends": ending, "begins": counts, "placements": len(placements)}
    if dry_run:
        context.emit(plan, _readable(plan))
        return
    share = would["enrolments"] / would["of_enrolments"] if would["of_enrolments"] else 0.0
    closes = f"Term {term} would be closed, for good. " if term and closed_at is None else ""
    if (share > SHARE_MAX or closes) and not yes:
        context.say(_readable(plan))
        confirmed(f"{closes}{share:.0%} of the enrolments would end. Go on?", "nothing was changed")
    if term and closed_at is None:
        ending["closed_at"] = close_term(context, term)["closed_at"]
    ended = _post(context, session, goes_on, dry_run=False)
    sent = send_roster(context, source, tables)
    placed = [_place(context, session, row) for row in placements]
    result = ended | {"ends": ending, "begins": sent, "placements": len(placed), "presumed": sum(placed)}
    context.emit(result, _readable(result))


def term_before(session: str) -> str:
    """
    Return the name of the year before one that is named by its two years, `2025-26` before `2026-27`.

    Raises:
        click.UsageError: the session has another name.
    """
    years = re.fullmatch(r"(\d{4})-(\d{2}|\d{4})", session)
    if years is None or (int(years[1]) + 1) % 10 ** len(years[2]) != int(years[2]):
        raise click.UsageError(
            f"which term ends before {session}? Give its name with --ends, or --ends '' to close none"
        )
    return f"{int(years[1]) - 1}-{int(years[1]) % 10 ** len(years[2]):0{len(years[2])}}"


def _closed_at(context: Context, term: str) -> str | None:
    """Return when a term was closed, None where it is not."""
    known = ask(context, "reporting", "GET", "/v1/terms")["items"] if term else []
    return next((each["closed_at"] for each in known if each["term"] == term), None)


def _post(context: Context, session: str, goes_on: list[str], *, dry_run: bool) -> dict[str, Any]:
    content = {"session": session, "goes_on": goes_on, "share_max": 1.0}
    query = {"dry_run": "true"} if dry_run else {}
    answer: dict[str, Any] = ask(
        context, "evidence", "POST", "/v1/roster/rollovers", json=content, params=query, scope="admin"
    )
    return answer


def _tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    if is_bundle(folder):
        tables = read_bundle(folder)
    else:
        files = {name: folder / f"{name}.csv" for name in COLUMNS}
        tables = {name: read_table(name, file) for name, file in files.items() if file.is_file()}
    if not tables.get("classes"):
        raise StackError(f"{folder} has no classes.csv with a class in it: which classes go on?")
    return tables


def _placements(context: Context, file: Path, source: str, tables: Tables) -> list[dict[str, str]]:
    """
    Return who is to be placed where, each with a source.

    Raises:
        StackError: a row of the roster would be refused, or one of the placements: a learner whom neither the tenant nor the
            roster knows, or a level that no framework has.
    """
    named = named_in(source, tables)
    if not file.is_file():
        return []
    sources = sources_of(tables)
    frameworks = ask(context, "progression", "GET", "/v1/frameworks")["items"]
    levels = {level for each in frameworks for level in msgspec.convert(each, Framework).levels}
    rows = []
    for number, row in enumerate(csv.DictReader(io.StringIO(read_text(file))), start=1):
        lacking = [name for name in PLACEMENTS if not row.get(name)]
        if lacking:
            raise StackError(f"{file}, row {number} needs {lacking[0]}")
        by = row.get("source") or sources.get(row["learner"], source), row["learner"]
        if row["level"] not in levels:
            raise StackError(f"{file}, row {number}: no framework has the level {row['level']!r}")
        if by not in named and known(context, *by) is None:
            raise StackError(
                f"{file}, row {number}: there is no learner {by[1]!r} of source {by[0]}, nor in the roster"
            )
        rows.append(row | {"source": by[0]})
    return rows


def _place(context: Context, session: str, row: dict[str, str]) -> bool:
    """
    Place a learner in a level, once for a session however often the command is given.

    Return whether something below it is presumed, because there is no evidence of it.
    """
    learner = resolve(context, row["source"], row["learner"])
    content = {
        "learner": learner,
        "level": row["level"],
        "role": "registrar",
        "reason": row.get("reason") or "new school year",
    }
    key = stable_id("rollover", session, *content.values())
    answer = ask(context, "progression", "POST", "/v1/placements", json=content, scope="decisions:write", key=key)
    return len(answer.get("items", ())) > 1


def _readable(plan: dict[str, Any]) -> str:
    begins, ends = plan["begins"], plan["ends"]
    verb = "end" if plan["done"] else "would end"
    closed = f"is closed since {ends['closed_at']}" if ends["closed_at"] else "would be closed, for good"
    return "\n".join((
        f"term {ends['term']} {closed}" if ends["term"] else "no term is closed",
        f"session {plan['session']}: {plan['enrolments']:,} of {plan['of_enrolments']:,} enrolments and {plan['staff']:,} of"
        f" {plan['of_staff']:,} rights of staff {verb}, in {plan['classes']:,} classes",
        f"  the roster has {begins['classes']:,} classes, {begins['enrolments']:,} enrolments, {begins['staff']:,} of staff;"
        f" {plan['placements']:,} placements",
    ))  # fmt: skip
