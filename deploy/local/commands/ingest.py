"""`attain ingest`: send a file of evidence through the HTTP edge, or only check it."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from deploy.local.commands.files import ItemFile, with_source
from deploy.local.commands.progress import Progress, bar
from deploy.local.commands.sending import STATUSES, Item, Tally, first_lines, send
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options

FORMATS = ("native", "xapi", "caliper", "canvas", "ags", "oneroster", "edfi", "csv")
BUILT = ("native",)
LISTED = 20
CLOCK_SKEW = datetime.timedelta(minutes=5)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="What the file holds.")
@click.option("--source", help="URI of the source of items that name none.")
@click.option("--dry-run", is_flag=True, help="Check the items here and send nothing.")
@command_options
def ingest(context: Context, file: Path, form: str, source: str | None, dry_run: bool) -> None:
    """
    Send a file of evidence: a JSON object, an array or NDJSON, zipped or not.

    What was interrupted is given again whole: what is there already is counted as duplicate and changes nothing.
    """
    if form not in BUILT:
        raise StackError(f"format {form} is not built yet; there is {', '.join(BUILT)}")
    content = ItemFile(file)
    items: Iterator[bytes] = content.items()
    if source is not None:
        items = (with_source(item, source) for item in items)
    tally, progress = Tally(), Progress()

    def show(count: int) -> None:
        share = content.position() / max(content.size, 1)
        progress.show(f"{bar(share)} {count:,} items, {tally.refused:,} to look at")

    if dry_run:
        check(items, tally)
    else:
        send(context, items, tally, lines=content.lines, sent=show)
    progress.clear()
    context.emit(_result(tally) | {"dry_run": dry_run}, _text(tally, dry_run))
    if tally.refused:
        click.get_current_context().exit(1)


def check(items: Iterator[bytes], tally: Tally) -> None:
    """Check items by the rules of the edge, as far as they can be known here; `accepted` is what is of the format."""
    # Imported here: only this needs the service's own rules, and other commands start faster without.
    from services.evidence.formats import native
    from shared.errors import InvalidEvent

    latest = datetime.datetime.now(datetime.UTC) + CLOCK_SKEW
    for index, item in enumerate(items):
        try:
            native.read(item, "check", latest)
            tally.add([Item(index, None, "accepted")], [index])
        except InvalidEvent as error:
            reason = str(error.members.get("reason") or "invalid")
            found = Item(index, native.peek(item)[0], "rejected", reason, error.pointer, error.detail)
            tally.add([found], [index])


def _result(tally: Tally) -> dict[str, Any]:
    return {status: tally.counts[status] for status in STATUSES} | {"items": msgspec.to_builtins(tally.items)}


def _text(tally: Tally, dry_run: bool) -> str:
    if dry_run:
        good, bad = tally.counts["accepted"], tally.counts["rejected"]
        lines = [f"{good:,} items are of the format, {bad:,} are not; nothing was sent"]
    else:
        lines = [", ".join(f"{tally.counts[status]:,} {status}" for status in STATUSES)]
    worth_a_line = Tally()
    worth_a_line.items = [item for item in tally.items if item.status in ("parked", "rejected")]
    return "\n".join(lines + [f"  {line}" for line in first_lines(worth_a_line, LISTED)])
