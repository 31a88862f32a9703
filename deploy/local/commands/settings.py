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
@click.option("--freeze", "freezes", metavar="FIRST/LAST", multiple=True,
              help="Days on which no policy is adopted, such as 2026-06-08/2026-06-12; given again for each.")  # fmt: skip
@click.option("--no-freezes", is_flag=True, help="Policies may be adopted on any day.")
@command_options
def settings(
    context: Context, time_zone: str | None, breaks: tuple[str, ...], no_breaks: bool, freezes: tuple[str, ...],
    no_freezes: bool,
) -> None:  # fmt: skip
    """
    Show what the tenant has set, or set it; returns when all shards have folded it.

    Evidence of one school day is one occasion. In breaks nothing ages and nobody is late. A new time zone decides anew what
    is not on the record yet. In a freeze a policy is adopted only by two people, of whom one says why it must be now.
    """
    given: dict[str, Any] = {"time_zone": time_zone} if time_zone is not None else {}
    for option, days, none in (("break", breaks, no_breaks), ("freeze", freezes, no_freezes)):
        if days and none:
            raise click.UsageError(f"--{option} and --no-{option}s say opposite things; give one of them")
        if days or none:
            given[f"{option}s"] = [_days(option, each) for each in days]
    if given:
        ask(context, "progression", "PUT", "/v1/settings", json=given)
    shown = ask(context, "progression", "GET", "/v1/settings")
    lines = [
        f"time zone {shown['time_zone']}",
        *(
            f"{option} {each['first']} to {each['last']}"
            for option in ("break", "freeze")
            for each in shown[f"{option}s"]
        ),
    ]
    context.emit(shown, "\n".join(lines))


def _days(option: str, text: str) -> dict[str, str]:
    first, slash, last = text.partition("/")
    if not slash:
        raise click.UsageError(f"--{option} is FIRST/LAST, such as 2026-06-10/2026-08-20, and {text!r} is not")
    return {"first": first, "last": last}
