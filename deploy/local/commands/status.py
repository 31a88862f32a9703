"""`attain status`: what runs, and how far each stage is behind the one before it."""

from typing import Any

import click
import httpx

from deploy.local import stack
from deploy.local.errors import StackError
from deploy.local.options import Context, checked, command_options
from deploy.local.services import SERVICES

ANSWER_S_MAX = 10.0


@click.command()
@command_options
def status(context: Context) -> None:
    """Show what runs, and the lag of each stage in events and seconds."""
    local = None if context.remote else stack.running(context.home)
    pids = {} if local is None else dict(local.pids)
    if local is None and not context.remote:
        context.emit({"running": False, "pids": pids, "stages": [], "services": []}, f"no stack runs in {context.home}")
        return
    urls = context.urls
    services = [_service(context, service) for service in SERVICES if service in urls]
    stages = [stage for service in services for stage in service.pop("stages")]
    result = {"running": True, "pids": pids, "stages": stages, "services": services}
    context.emit(result, _text(services, stages, pids))


def _service(context: Context, service: str) -> dict[str, Any]:
    try:
        with context.client(service, scope="admin service", timeout_s=ANSWER_S_MAX) as client:
            stages = checked(client.get("/v1/lag")).json()["stages"]
    except (httpx.HTTPError, StackError, ValueError, KeyError) as error:
        return {"name": service, "answers": False, "error": str(error) or type(error).__name__, "stages": []}
    return {"name": service, "answers": True, "error": None, "stages": stages}


def _text(services: list[dict[str, Any]], stages: list[dict[str, Any]], pids: dict[str, int]) -> str:
    lines = [f"{name:<12} pid {pid}" for name, pid in pids.items()]
    lines += [f"{each['name']:<12} does not answer: {each['error']}" for each in services if not each["answers"]]
    if stages:
        width = max(len(stage["name"]) for stage in stages)
        lines.append(f"{'stage':<{width}}  {'events behind':>13}  {'seconds':>8}")
        lines += [
            f"{stage['name']:<{width}}  {stage['behind_events']:>13}  {stage['behind_seconds'] or 0:>8.1f}"
            for stage in stages
        ]
    return "\n".join(lines)
