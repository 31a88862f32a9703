"""`attain rebuild`: a read model anew from its log beside the live one, or back to the version before."""

import time
from typing import Any

import click

from deploy.local.client.asking import patiently, segment, told
from deploy.local.client.progress import Progress
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options

POLL_S = 0.2


@click.command()
@click.argument("name")
@click.option("--rollback", is_flag=True, help="Go back to the version before the live one.")
@click.option("--accept-differences", is_flag=True, help="Switch although the contents differ, as after a new fold.")
@command_options
def rebuild(context: Context, name: str, rollback: bool, accept_differences: bool) -> None:
    """
    Rebuild the read model NAME (mastery, curriculum, roster, advancement, support) while it is read and folded.

    The next version is built beside the live one, compared with it at the same positions, and switched to in one
    transaction; the version before is kept for --rollback.
    """
    if rollback and accept_differences:
        raise click.UsageError("a rollback compares nothing: leave --accept-differences out")
    started = time.monotonic()
    path = f"/v1/rebuild/{segment(name)}"
    with context.client("reporting", scope="service") as client:
        query = {"accept_differences": "true"} if accept_differences else {}
        status = told(client.post(f"{path}/rollback" if rollback else path, params=query)).json()
        progress = Progress(only_terminal=True)
        while status["state"] == "building":
            progress.show(f"{name} version {status['building']}: {status['folded']:,} of {status['target']:,} events")
            time.sleep(POLL_S)
            status = told(patiently(client.get, path)).json()
        progress.clear()
    if status["state"] != "live":
        raise StackError(f"{name} stays in version {status['live']}: {status['detail']}")
    seconds = time.monotonic() - started
    result: dict[str, Any] = status | {
        "seconds": round(seconds, 3), "events_per_second": round(status["target"] / max(seconds, 0.001))
    }  # fmt: skip
    context.emit(
        result,
        f"{name} is live in version {status['live']}: {status['target']:,} events in {seconds:.1f} s; {status['detail']}",
    )
