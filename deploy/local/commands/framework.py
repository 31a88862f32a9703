"""`attain framework`: import a framework of competencies, and put levels on it."""

import gzip
import re
from pathlib import Path
from typing import Any

import click
import msgspec

from deploy.local.client.asking import patiently, told
from deploy.local.commands.drain import wait_for_stages
from deploy.local.files.text import read_text
from deploy.local.options import Commands, Context, command_options

FRAMEWORK_ID = r"[A-Za-z0-9._-]{1,100}"
FORMATS = ("case", "csv")
BY = ("educationalLevel", "domain", "csv")
FrameworkFile = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Commands)
def framework() -> None:
    """Frameworks: the competencies, their levels, and what comes before what."""


@framework.command("import")
@click.argument("file", type=FrameworkFile)
@click.option("--id", "framework_id", required=True, help="Its id: competency ids begin with it.")
@click.option("--format", "form", type=click.Choice(FORMATS), required=True,
              help="case: a CFPackage as JSON, zipped or not; csv: nodes.csv with edges.csv beside it.")  # fmt: skip
@click.option("--title", default="", help="Title; that of the file, or the id, if not given.")
@click.option("--prerequisites", default=None, metavar="precedes|none|FILE.csv",
              help="Which edges are prerequisites: those that say what precedes what (the default of csv), none (that of "
                   "case), or those of a file with from,to. They advise; they close nothing.")  # fmt: skip
@command_options
def import_framework(
    context: Context, file: Path, framework_id: str, form: str, title: str, prerequisites: str | None
) -> None:
    """
    Import a framework version; returns when all services have it.

    The columns of nodes.csv are code,title[,level,subject,parent,dok,power], of edges.csv from,to[,type]; those in brackets may
    be missing.
    """
    check_id(framework_id)
    content = {"id": framework_id, "title": title, "format": form}
    problems: list[str] = []
    if form == "case":
        content["package"] = read_text(file, problems)
    else:
        edges = file.parent / "edges.csv"
        content |= {"nodes": read_text(file, problems), "edges": read_text(edges, problems) if edges.is_file() else ""}
    if prerequisites in ("precedes", "none"):
        content["prerequisites"] = prerequisites
    elif prerequisites is not None:
        if not Path(prerequisites).is_file():
            raise click.UsageError(
                f"--prerequisites is precedes, none, or a CSV file; {prerequisites!r} is none of them"
            )
        content["prerequisite_edges"] = read_text(Path(prerequisites), problems)
    _tell(context, _post(context, "/v1/frameworks", content), problems)


@framework.command("levels")
@click.argument("framework_id", metavar="ID")
@click.argument("file", required=False, type=FrameworkFile)
@click.option("--by", type=click.Choice(BY), required=True,
              help="educationalLevel: the grades of the source; domain: the outermost group; csv: FILE with code,level "
                   "in the order of the continuum.")  # fmt: skip
@click.option("--credits", "credits", type=FrameworkFile, metavar="FILE.csv",
              help="What levels count for: level,code,value[,subject]; told when a learner advances.")  # fmt: skip
@command_options
def put_levels(context: Context, framework_id: str, file: Path | None, by: str, credits: Path | None) -> None:
    """Put levels and their credits on a framework, which makes a new version of it; returns when all services have it."""
    check_id(framework_id)
    if (by == "csv") != (file is not None):
        raise click.UsageError("--by csv takes a FILE with code,level" if by == "csv" else f"--by {by} takes no file")
    problems: list[str] = []
    content = {"by": by, "file": read_text(file, problems) if file is not None else ""}
    content |= {"credits": read_text(credits, problems)} if credits is not None else {}
    _tell(context, _post(context, f"/v1/frameworks/{framework_id}/levels", content), problems)


def publish(context: Context, framework_id: str, title: str, nodes: str, edges: str) -> dict[str, Any]:
    """Publish a framework from the text of its CSV files and wait until all services have it; return what it has."""
    content = {"id": framework_id, "title": title, "format": "csv", "nodes": nodes, "edges": edges}
    return _post(context, "/v1/frameworks", content)


def check_id(framework_id: str) -> None:
    """Check the form of a framework id; raises `click.UsageError` where it is not of it."""
    if not re.fullmatch(FRAMEWORK_ID, framework_id):
        raise click.UsageError(f"a framework id matches {FRAMEWORK_ID}, and {framework_id!r} does not")


def _post(context: Context, path: str, content: dict[str, str]) -> dict[str, Any]:
    body, headers = gzip.compress(msgspec.json.encode(content), 6), {"Content-Encoding": "gzip"}
    with context.client("progression") as client:
        answer = patiently(client.post, path, content=body, headers=headers)
        result: dict[str, Any] = told(answer).json()
    wait_for_stages(context, ("evidence", "reporting"), "curriculum")
    return result


def _tell(context: Context, result: dict[str, Any], problems: list[str]) -> None:
    """Print what became of an import, with the problems that were met in the files."""
    problems = problems + result["problems"]
    migration = result["migration"]
    lines = [
        f"{result['framework']}, version {result['version']}: {result['title']}",
        f"  {result['competencies']} competencies in {len(result['levels'])} levels, {result['associations']} associations, "
        f"{result['prerequisites']} prerequisites",
        f"  {migration['kept']} kept, {migration['moved']} moved, {migration['retired']} retired, {migration['new']} new",
    ]
    context.emit(result | {"problems": problems}, "\n".join([*lines, *(f"  problem: {each}" for each in problems)]))
