"""`attain quarantine`: what cannot be used, or not yet; show it with its original bytes, and try it again."""

from collections import Counter
from typing import Any

import click

from deploy.local.client.asking import ask, patiently, segment, told
from deploy.local.client.progress import Progress
from deploy.local.options import Commands, Context, command_options

PAGE = 1_000
LISTED = 50
STATUSES = ("quarantined", "parked", "redriven", "released")


@click.group(cls=Commands)
def quarantine() -> None:
    """Quarantine: evidence that cannot be used, and parked evidence with what it waits for."""


@quarantine.command("list")
@click.option("--status", type=click.Choice(STATUSES), default="quarantined", show_default=True,
              help="What became of them: cannot be used, waits, was taken in by redrive, or by itself.")  # fmt: skip
@click.option("--reason", help="Only with this reason.")
@click.option("--source", help="Only of this source.")
@command_options
def list_kept(context: Context, status: str, reason: str | None, source: str | None) -> None:
    """List what is kept, with counts by source and reason, and what parked evidence waits for."""
    items = kept(context, status, reason, source)
    counts = Counter((item["source"] or "", item["reason"]) for item in items)
    told_counts = [{"source": s, "reason": r, "count": n} for (s, r), n in counts.most_common()]
    context.emit({"items": items, "counts": told_counts}, None if context.json else _text(items, counts))


@quarantine.command("show")
@click.argument("id")
@command_options
def show(context: Context, id: str) -> None:
    """Show one piece with its reason, the pointer of the member at fault, and its original bytes."""
    item = ask(context, "evidence", "GET", f"/v1/quarantine/{segment(id)}", scope="admin")
    text = [
        f"{name}: {value}" for name, value in item.items() if name not in ("original", "text") and value is not None
    ]
    context.emit(item, None if context.json else "\n".join([*text, "", item["text"] or "(not text; --json has it)"]))


@quarantine.command("redrive")
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is quarantined, of the source and reason given.")
@click.option("--reason", help="With --all: only with this reason.")
@click.option("--source", help="With --all: only of this source.")
@command_options
def redrive(context: Context, ids: tuple[str, ...], everything: bool, reason: str | None, source: str | None) -> None:
    """Take pieces in again, by the rules, frameworks and alignments of today; what fails stays, with its new reason."""
    if everything == bool(ids):
        raise click.UsageError("give ids, or --all")
    wanted = [item["quarantine_id"] for item in kept(context, "quarantined", reason, source)] if everything else ids
    counts: Counter[str] = Counter()
    items = []
    progress = Progress()
    with context.client("evidence", scope="admin") as client:
        for number, id in enumerate(wanted, start=1):
            answer = patiently(client.post, f"/v1/quarantine/{segment(id)}/redrive")
            item = {"quarantine_id": id} | told(answer).json()
            counts[item["status"]] += 1
            items.append(item)
            progress.show(f"{number:,} of {len(wanted):,}")
    progress.clear()
    text = ", ".join(f"{count:,} {status}" for status, count in counts.most_common()) or "nothing to redrive"
    context.emit({"items": items, "counts": dict(counts)}, None if context.json else text)


def kept(context: Context, status: str, reason: str | None, source: str | None) -> list[dict[str, Any]]:
    """Return all of a tenant's pieces in quarantine of a status, in order of receipt."""
    asked = {"status": status, "reason": reason, "source": source, "limit": str(PAGE)}
    query = {name: value for name, value in asked.items() if value is not None}
    items: list[dict[str, Any]] = []
    after = 0
    with context.client("evidence", scope="admin") as client:
        while True:
            page = told(patiently(client.get, "/v1/quarantine", params=query | {"after": str(after)})).json()
            items += page["items"]
            if len(page["items"]) < PAGE:
                return items
            after = page["next"]


def _text(items: list[dict[str, Any]], counts: Counter[tuple[str, str]]) -> str:
    lines = [f"{count:,} {reason}  {source or '(no source)'}" for (source, reason), count in counts.most_common()]
    for item in items[:LISTED]:
        waits = item["awaits"] or item["awaits_entry"]
        lines.append(
            f"  {item['quarantine_id']}  id {item['id']}: {item['reason']} {item['pointer']} {item['detail']}"
            + (f" [waits for {waits}]" if waits else "")
        )
    if len(items) > LISTED:
        lines.append(f"  and {len(items) - LISTED:,} more; --json lists all")
    return "\n".join(lines) or "nothing is kept"
