"""`attain ingest`: send a file of evidence, in any of the formats, through the HTTP edge, or only check it."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import msgspec

from deploy.local.client.progress import Progress, bar
from deploy.local.client.sending import NATIVE, STATUSES, Item, Tally, first_lines, send
from deploy.local.files.items import ItemFile, with_source
from deploy.local.files.messages import mapped, messages
from deploy.local.options import Context, command_options

FORMATS = ("native", "xapi", "caliper", "canvas", "ags", "oneroster", "edfi", "csv")
OWN_ITEMS = frozenset(("native", "csv"))
"""Formats that end in native items here already."""
LISTED = 20
CLOCK_SKEW = datetime.timedelta(minutes=5)
FRESH = "00000000-0000-4000-8000-000000000000"
"""The id of a statement that has none, where nothing is sent."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="What the file holds.")
@click.option(
    "--source",
    help="URI of the source; of native items and rows, of those that name none. Without it other formats are of"
    " `urn:attain:FORMAT:SUBJECT`, by the subject of the token.",
)
@click.option("--mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="For csv: what is where.")
@click.option("--dry-run", is_flag=True, help="Check the items here and send nothing.")
@command_options
def ingest(context: Context, file: Path, form: str, source: str | None, mapping: Path | None, dry_run: bool) -> None:
    """
    Send a file of evidence: a JSON object, an array or NDJSON, zipped or not; Ed-Fi also as interchange XML.

    csv takes CSV or NDJSON rows by a mapping (YAML): native members, each with a column, a template such as
    "{student}-{quiz}", or {constant: 10}; docs/sending.md has one. What was interrupted is given again whole: what is there
    already is counted as duplicate and changes nothing.
    """
    items, content = _items(file, form, source, mapping)
    tally, progress = Tally(), Progress()

    def show(count: int) -> None:
        share = 1.0 if content is None else content.position() / max(content.size, 1)
        progress.show(f"{bar(share)} {count:,} items, {tally.refused:,} to look at")

    if dry_run:
        check(items, tally, form, source)
    else:
        lines = form not in OWN_ITEMS or content is None or content.lines
        send(context, items, tally, lines=lines, path=_path(form, source), sent=show)
    progress.clear()
    context.emit(_result(tally) | {"dry_run": dry_run}, _text(tally, dry_run))
    if tally.refused:
        click.get_current_context().exit(1)


def _items(
    file: Path, form: str, source: str | None, mapping: Path | None
) -> tuple[Iterator[bytes | Item], ItemFile | None]:
    if form == "csv":
        return mapped(file, mapping, source), None
    if form != "native":
        return messages(file, form)
    content = ItemFile(file)
    items = content.items()
    return items if source is None else (with_source(item, source) for item in items), content


def _path(form: str, source: str | None) -> str:
    if form in OWN_ITEMS:
        return NATIVE
    return f"/v1/intake/{form}" + (f"?{urlencode({'source': source})}" if source is not None else "")


def check(items: Iterator[bytes | Item], tally: Tally, form: str = "native", source: str | None = None) -> None:
    """Check items by the rules of the edge, as far as they can be known here; `accepted` is what is of the format."""
    # Imported here: only this needs the service's own rules, and other commands start faster without.
    from zoneinfo import ZoneInfo

    from services.evidence.formats import native, xapi
    from services.evidence.formats.reading import Origin
    from services.evidence.handlers.formats import FORMS
    from services.evidence.handlers.xapi import sniffed
    from shared.errors import InvalidEvent

    now = datetime.datetime.now(datetime.UTC)
    origin = Origin("check", source or "urn:check", now, now + CLOCK_SKEW, ZoneInfo("UTC"))
    for index, item in enumerate(items):
        if isinstance(item, Item):
            tally.add([item], [index])
            continue
        try:
            reason = None
            if form in OWN_ITEMS:
                native.read(item, "check", origin.latest)
            elif form == "xapi":
                reason = xapi.read(item, origin, sniffed(item), lambda: FRESH).acknowledged
            else:
                reason = FORMS[form].read(item, origin).acknowledged
            tally.add([Item(index, None, "accepted" if reason is None else "acknowledged", reason)], [index])
        except InvalidEvent as error:
            why = str(error.members.get("reason") or "invalid")
            found = Item(index, native.peek(item)[0], "rejected", why, error.pointer, error.detail)
            tally.add([found], [index])


def _result(tally: Tally) -> dict[str, Any]:
    reasons = [
        {"status": status, "reason": reason, "count": count} for (status, reason), count in tally.reasons.most_common()
    ]
    counts = {status: tally.counts[status] for status in STATUSES}
    return counts | {"reasons": reasons, "items": msgspec.to_builtins(tally.items)}


def _text(tally: Tally, dry_run: bool) -> str:
    if dry_run:
        good, bad = tally.counts["accepted"] + tally.counts["acknowledged"], tally.counts["rejected"]
        are = "item is" if good == 1 else "items are"
        lines = [f"{good:,} {are} of the format, {bad:,} {'is' if bad == 1 else 'are'} not; nothing was sent"]
    else:
        lines = [", ".join(f"{tally.counts[status]:,} {status}" for status in STATUSES if tally.counts[status])
                 or "no items"]  # fmt: skip
    lines += [f"  {count:,} {status}: {reason}" for (status, reason), count in tally.reasons.most_common(LISTED)]
    worth_a_line = Tally()
    worth_a_line.items = [item for item in tally.items if item.status in ("parked", "rejected")]
    return "\n".join(lines + [f"  {line}" for line in first_lines(worth_a_line, LISTED)])
