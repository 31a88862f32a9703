"""`attain settings`: what a tenant sets for all of its policies."""

import click

from deploy.local.commands.asking import patiently, told
from deploy.local.options import Context, command_options


@click.command()
@click.option("--time-zone", metavar="NAME", help="Where the school days begin and end, such as America/Chicago.")
@command_options
def settings(context: Context, time_zone: str | None) -> None:
    """
    Show what the tenant has set, or set it; returns when all shards have folded it.

    Evidence of one school day is one occasion. A new time zone decides anew what is not on the record yet.
    """
    with context.client("progression") as client:
        if time_zone is not None:
            told(patiently(lambda: client.put("/v1/settings", json={"time_zone": time_zone})))
        shown = told(patiently(lambda: client.get("/v1/settings"))).json()
    context.emit(shown, f"time zone {shown['time_zone']}")
