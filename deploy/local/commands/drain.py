"""`attain drain`: wait until every service has caught up, in the order in which evidence flows."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from typing import Any

import click
import httpx

from deploy.local.client.asking import refusal, told
from deploy.local.client.progress import Progress
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options
from deploy.local.services import SERVICES

TIMEOUT_S = 600.0
POLL_S_MIN = 0.05
POLL_S_MAX = 0.5
TELLING_S = 3.0
"""After so long without an answer the user is told that there is none."""
# Once would do if nothing came back: parked evidence that a framework sets free is taken in anew.
ROUNDS = 2


@click.command()
@click.option("--timeout", type=click.FloatRange(min=0), default=TIMEOUT_S, show_default=True, help="Seconds to wait.")
@command_options
def drain(context: Context, timeout: float) -> None:
    """Wait until intake, decisions and read models have caught up."""
    progress = Progress()
    seconds = wait_until_drained(context, timeout, progress)
    progress.clear()
    context.emit({"drained": True, "seconds": round(seconds, 3)}, f"drained after {seconds:.1f} s")


def wait_until_drained(context: Context, timeout_s: float = TIMEOUT_S, progress: Progress | None = None) -> float:
    """
    Wait until no stage of any service has anything left to do; return the seconds that it took.

    Raises:
        StackError: not within `timeout_s`; names the stage that is furthest from it.
    """
    return _wait(context, SERVICES, lambda name: True, timeout_s=timeout_s, rounds=ROUNDS, progress=progress)


def wait_for_stages(context: Context, services: Collection[str], ending: str, timeout_s: float = TIMEOUT_S) -> float:
    """Wait until the stages whose names end so have caught up in these services, as `wait_until_drained` does."""
    return _wait(context, services, lambda name: name.endswith(ending), timeout_s=timeout_s)


def waiting_stage(stages: Collection[Mapping[str, Any]]) -> str:
    """Return in words which stage has most left to do; empty when none has anything."""
    unknown = [stage for stage in stages if stage["behind_events"] is None]
    if unknown:
        return f"stage {unknown[0]['name']} cannot see what is left to do"
    most = max(stages, key=lambda stage: stage["behind_events"], default=None)
    if most is None or most["behind_events"] == 0:
        return ""
    return f"stage {most['name']} has {most['behind_events']:,} events left to do"


def _wait(
    context: Context,
    services: Collection[str],
    wanted: Callable[[str], bool],
    *,
    timeout_s: float,
    rounds: int = 1,
    progress: Progress | None = None,
) -> float:
    started = time.monotonic()
    clear, pause_s, tell_at = 0, POLL_S_MIN, started + TELLING_S
    with ExitStack() as clients:
        asked = [
            (service, clients.enter_context(context.client(service, scope="admin service"))) for service in services
        ]
        while True:
            waiting, answers = "", True
            for service, client in asked:
                waiting, answers = _look(service, client, wanted)
                if waiting:
                    break
            clear = 0 if waiting else clear + 1
            seconds = time.monotonic() - started
            if clear == rounds:
                return seconds
            if waiting and seconds + pause_s > timeout_s:
                raise StackError(f"not drained in {timeout_s:g} s: {waiting}")
            if answers:
                tell_at = time.monotonic() + TELLING_S
            elif time.monotonic() > tell_at:
                click.echo(f"{waiting}; asking again, for up to {timeout_s:g} s in all", err=True)
                tell_at = math.inf
            if waiting:
                if progress is not None:
                    progress.show(f"folding: {waiting}")
                time.sleep(pause_s)
                pause_s = min(pause_s * 1.3, POLL_S_MAX)
            else:
                pause_s = POLL_S_MIN


def _look(service: str, client: httpx.Client, wanted: Callable[[str], bool]) -> tuple[str, bool]:
    """Return what a service has left to do, empty when nothing, and whether it answers."""
    try:
        answer = client.get("/v1/lag")
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError):
        raise
    except httpx.TransportError as error:
        return f"{service} does not answer ({type(error).__name__})", False
    if answer.status_code >= 500:
        return f"{service} cannot answer ({refusal(answer)['detail'] or answer.status_code})", False
    stages = [stage for stage in told(answer).json()["stages"] if wanted(stage["name"])]
    waiting = waiting_stage(stages)
    return f"{service}: {waiting}" if waiting else "", True
