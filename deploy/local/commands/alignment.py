"""`attain alignment`: import the map from activities to competencies, list it, and what it lacks."""

from collections import Counter
from pathlib import Path
from typing import Any

import click

from deploy.local.client.asking import ask, patiently, told
from deploy.local.files.text import read_text
from deploy.local.options import Commands, Context, command_options

LISTED = 1_000


@click.group(cls=Commands)
def alignment() -> None:
    """Alignment: which competencies an activity, line item, criterion or outcome of a source speaks to."""


@alignment.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@command_options
def import_map(context: Context, file: Path) -> None:
    """
    Publish the entries of a CSV or JSON file as one version; the same file again changes nothing.

    CSV columns: id,competency[,source,kind,weight,strength,dok,effective_from], one row a competency. Parked evidence of
    the ids flows by itself; evidence that stands by an earlier version is recorded anew.
    """
    kind = "application/json" if file.suffix.lower() == ".json" else "text/csv"
    body = read_text(file).encode()
    with context.client("evidence", scope="policy:write") as client:
        headers = {"Content-Type": kind}
        answer: dict[str, int] = told(patiently(client.post, "/v1/alignments", content=body, headers=headers)).json()
    context.emit(answer)


@alignment.command("list")
@click.option("--source", help="Entries of this source, and those for any source.")
@click.option("--id", "id", help="Entries of this activity, line item, criterion or outcome.")
@command_options
def list_map(context: Context, source: str | None, id: str | None) -> None:
    """List every version of the entries."""
    items: list[dict[str, object]] = []
    query = {name: value for name, value in (("source", source), ("id", id)) if value is not None}
    after = ""
    with context.client("evidence", scope="records:read") as client:
        while True:
            params = query | {"after": after, "limit": str(LISTED)}
            page = told(patiently(client.get, "/v1/alignments", params=params)).json()
            items += page["items"]
            if len(page["items"]) < LISTED:
                break
            after = page["next"]
    context.emit({"items": items}, None if context.json else _text(items))


@alignment.command("missing")
@command_options
def list_missing(context: Context) -> None:
    """List the activities that no entry names while evidence or handed-in work waits for one, the most first."""
    items = ask(context, "evidence", "GET", "/v1/alignments/missing", scope="records:read")["items"]
    context.emit({"items": items}, None if context.json else missing_text(items))


def missing_text(items: list[dict[str, Any]]) -> str:
    """Return a line an activity."""
    lines = [
        f"{item['source']}  {item['activity']}: {item['parked']:,} parked, {item['handed_in']:,} handed in and not graded"
        for item in items
    ]
    return "\n".join(lines) or "nothing waits for an alignment"


def _text(items: list[dict[str, object]]) -> str:
    lines = []
    for item in items:
        targets = item["competencies"]
        assert isinstance(targets, list)
        named = ", ".join(f"{t['competency']} ({t['strength']}, weight {t['weight']:g})" for t in targets) or "nothing"
        since = f" from {item['effective_from']}" if item["effective_from"] else ""
        waits = "" if item["applied"] else "  [not applied yet]"
        lines.append(
            f"{item['source'] or '(any source)'}  {item['id']}{since}, version {item['version']}: {named}{waits}"
        )
    kinds = Counter(str(item["kind"]) for item in items)
    return "\n".join([*lines, ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) or "no entries"])
