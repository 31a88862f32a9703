"""`attain settings`: what a tenant sets for all of its policies."""

from typing import Any

import click

from deploy.local.client.asking import ask
from deploy.local.options import Context, command_options


@click.command()
@click.option("--time-zone", metavar="NAME", help="Where the school days begin and end, such as America/Chicago.")
@click.option("--break", "breaks", metavar="FIRST/LAST", multiple=True,
              help="Days without school, such as 2026-06-10/2026-08-20; given again for each, all at once.")  # fmt: skip
@click.option("--no-breaks", is_flag=True, help="School is never out.")
@command_options
def settings(context: Context, time_zone: str | None, breaks: tuple[str, ...], no_breaks: bool) -> None:
    """
    Show what the tenant has set, or set it; returns when all shards have folded it.

    Evidence of one school day is one occasion. In breaks nothing ages and nobody is late. A new time zone decides anew what
    is not on the record yet.
    """
    if breaks and no_breaks:
        raise click.UsageError("--break and --no-breaks say opposite things; give one of them")
    given: dict[str, Any] = {"time_zone": time_zone} if time_zone is not None else {}
    if breaks or no_breaks:
        given["breaks"] = [_break(each) for each in breaks]
    if given:
        ask(context, "progression", "PUT", "/v1/settings", json=given)
    shown = ask(context, "progression", "GET", "/v1/settings")
    lines = [
        f"time zone {shown['time_zone']}",
        *(f"break {each['first']} to {each['last']}" for each in shown["breaks"]),
    ]
    context.emit(shown, "\n".join(lines))


def _break(text: str) -> dict[str, str]:
    first, slash, last = text.partition("/")
    if not slash:
        raise click.UsageError(f"--break is FIRST/LAST, such as 2026-06-10/2026-08-20, and {text!r} is not")
    return {"first": first, "last": last}
