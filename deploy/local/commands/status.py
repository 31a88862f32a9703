"""`attain status`: what runs, how far each stage is behind the one before it, and whether what they count agrees."""

from typing import Any

import click
import httpx

from deploy.local import stack
from deploy.local.client.asking import told
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options
from deploy.local.services import SERVICES

ANSWER_S_MAX = 10.0


@click.command()
@command_options
def status(context: Context) -> None:
    """
    Show what runs and where, the lag of each stage in events and seconds, whose events cannot be folded, and whether
    counts agree with the stage before.

    Stages of the reconciliation: items received have an outcome; events appended are logged; logged evidence is folded by
    progression; sampled states are those of a plain fold; states told are shown by reporting. A token that is not for
    services sees its own tenant. Exits with 1 where a service does not answer.
    """
    result = seen(context)
    context.emit(result, "\n".join(_lines(context, result)))
    if not all(service["answers"] for service in result["services"]):
        click.get_current_context().exit(1)


def seen(context: Context) -> dict[str, Any]:
    """Return what `attain status --json` shows."""
    local = None if context.remote else stack.running(context.home)
    if local is None and not context.remote:
        return {"running": False, "pids": {}, "stages": [], "services": [], "reconciliation": []}
    services = [_service(context, service) for service in SERVICES if service in context.urls]
    stages = [stage for service in services for stage in service.pop("stages")]
    counts = [item for service in services for item in service.pop("reconciliation")]
    pids = {} if local is None else dict(local.pids)
    return {"running": True, "pids": pids, "stages": stages, "services": services, "reconciliation": counts}


def _lines(context: Context, found: dict[str, Any]) -> list[str]:
    if not found["running"]:
        is_starting = stack.starting(context.home)
        return [f"{'a stack is starting' if is_starting else 'no stack runs'} in {context.home}"]
    return [*in_words(found["services"], found["stages"], found["pids"]), *_agreement(found["reconciliation"])]


def _service(context: Context, service: str) -> dict[str, Any]:
    url = context.urls[service]
    try:
        with context.client(service, scope="admin service", timeout_s=ANSWER_S_MAX) as client:
            lag = told(client.get("/v1/lag")).json()
            counts = told(client.get("/v1/reconciliation")).json()["items"]
    except (httpx.HTTPError, StackError, ValueError, KeyError) as error:
        return {
            "name": service, "url": url, "answers": False, "error": str(error) or type(error).__name__,
            "blocked_learners": None, "stages": [], "reconciliation": [],
        }  # fmt: skip
    return {
        "name": service, "url": url, "answers": True, "error": None, "stages": lag["stages"],
        "blocked_learners": lag.get("blocked_learners"), "reconciliation": counts,
    }  # fmt: skip


def _agreement(counts: list[dict[str, Any]]) -> list[str]:
    """Return a line for each difference, or one that says there is none."""
    if not counts:
        return ["reconciliation: nothing counted yet"]
    different = [item for item in counts if item["difference"]]
    if not different:
        stages = {item["stage"]: None for item in counts}
        tenants = {item["tenant"] for item in counts}
        return [f"reconciliation: {', '.join(stages)} agree for {len(tenants)} tenants"]
    return [
        f"reconciliation: {item['tenant']} {item['stage']}: expected {item['expected']:,}, found {item['actual']:,},"
        f" difference {item['difference']:+,}"
        for item in different
    ]


def in_words(services: list[dict[str, Any]], stages: list[dict[str, Any]], pids: dict[str, int]) -> list[str]:
    """Return the lines of processes, services and stages."""
    urls = {each["name"]: each["url"] for each in services}
    lines = [f"{name:<12} pid {pids[name]:<9}{urls.get(name, '')}".rstrip() for name in pids]
    lines += [f"{name:<12} {url}" for name, url in urls.items() if name not in pids]
    lines += [f"{each['name']:<12} does not answer: {each['error']}" for each in services if not each["answers"]]
    lines += [
        f"{each['name']:<12} {each['blocked_learners']:,} learners are blocked: see AttainLearnersBlocked in the runbook"
        for each in services
        if each["blocked_learners"]
    ]
    if stages:
        width = max(len(stage["name"]) for stage in stages)
        lines.append(f"{'stage':<{width}}  {'events behind':>13}  {'seconds':>8}")
        lines += [
            f"{stage['name']:<{width}}  {_known(stage['behind_events']):>13}  {stage['behind_seconds'] or 0:>8.1f}"
            for stage in stages
        ]
    return lines


def _known(count: int | None) -> int | str:
    """Return what a stage has left, or that nobody can tell: what it waits for does not answer."""
    return "unknown" if count is None else count
