"""`attain completeness`: what each source should have sent, by its own habit, and did."""

from typing import Any

import click

from deploy.local.client.asking import all_pages
from deploy.local.options import Context, command_options


@click.command()
@click.option("--days", type=click.IntRange(1, 366), default=28, show_default=True, help="How many days are counted.")
@command_options
def completeness(context: Context, days: int) -> None:
    """
    Show each source with its last evidence, its usual gap, and whether it is silent.

    A source is silent once more than twice its usual gap has passed without anything new. A gap counts school days,
    from Monday to Friday but for the breaks of `attain settings`.
    """
    page = listed(context, days)
    result = {"today": page["today"], "days": days, "school_days": page["school_days"], "items": page["items"]}
    context.emit(result, None if context.json else text(page["items"], days, page["school_days"]))


def listed(context: Context, days: int) -> Any:
    """Return what evidence answers about the tenant's sources, with the items of all pages."""
    path = f"/v1/sources/completeness?days={days}"
    with context.client("evidence", scope="admin") as client:
        return all_pages(client, path)


def text(items: list[dict[str, Any]], days: int, school_days: str) -> str:
    """Return a line a source, the silent ones first; `school_days` says which days a gap counts."""
    if not items:
        return "nothing has come since sources are counted"
    lines = [
        f"{sum(item['silent_since'] is not None for item in items)} of {len(items)} sources silent; last {days} days"
        f" (school days: {school_days}):"
    ]
    for item in sorted(items, key=lambda item: (item["silent_since"] is None, item["source"])):
        state = "silent" if item["silent_since"] else "heard" if item["usual_gap"] is not None else "no habit yet"
        sent, waiting = item["sent"], item["waiting"]
        gap = "" if item["usual_gap"] is None else f", every {item['usual_gap']:g} school days"
        lines.append(
            f"  {state:12}  {item['source'] or '(source not known)'}: last evidence {item['last_evidence'] or 'never'}{gap};"
            f" {sent['accepted']:,} accepted, {sent['duplicate']:,} duplicate, {sent['rejected']:,} refused;"
            f" now {waiting['parked']:,} parked, {waiting['quarantined']:,} quarantined,"
            f" {waiting['unaligned']:,} handed in without an alignment"
        )
    return "\n".join(lines)
