"""`attain framework`: import a framework of competencies."""

import re
from pathlib import Path
from typing import Any

import click

from deploy.local.commands.asking import patiently, told
from deploy.local.commands.drain import wait_for_stages
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options

FRAMEWORK_ID = r"[A-Za-z0-9._-]{1,100}"
FORMATS = ("case", "csv")
NOT_BUILT = ("case",)
NODES_BYTES_MAX = 64 << 20


@click.group()
def framework() -> None:
    """Frameworks: the competencies, their levels, and what comes before what."""


@framework.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--id", "framework_id", required=True, help="Its id: competency ids begin with it.")
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="csv: nodes.csv with edges.csv.")
@click.option("--title", default="", help="Title; the id if not given.")
@command_options
def import_framework(context: Context, file: Path, framework_id: str, form: str, title: str) -> None:
    """Import a framework version; returns when all services have it."""
    if form in NOT_BUILT:
        raise StackError(f"format {form} is not built yet; there is csv")
    if not re.fullmatch(FRAMEWORK_ID, framework_id):
        raise StackError(f"a framework id matches {FRAMEWORK_ID}, and {framework_id!r} does not")
    edges = file.parent / "edges.csv"
    result = publish(context, framework_id, title, read_csv(file), read_csv(edges) if edges.is_file() else "")
    context.emit(result)


def publish(context: Context, framework_id: str, title: str, nodes: str, edges: str) -> dict[str, Any]:
    """Publish a framework from the text of its CSV files and wait until all services have it; return what it has."""
    content = {"id": framework_id, "title": title, "format": "csv", "nodes": nodes, "edges": edges}
    with context.client("progression") as client:
        result: dict[str, Any] = told(patiently(lambda: client.post("/v1/frameworks", json=content))).json()
    wait_for_stages(context, ("evidence", "reporting"), "curriculum")
    return result


def read_csv(file: Path) -> str:
    """
    Return the text of a CSV file.

    Raises:
        StackError: too large, or not UTF-8.
    """
    if file.stat().st_size > NODES_BYTES_MAX:
        raise StackError(f"{file} is over {NODES_BYTES_MAX >> 20} MiB")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise StackError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from error
