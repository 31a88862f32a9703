"""`attain policy shadow`: a policy beside the live one, on what is recorded and on what comes; told to nobody."""

from pathlib import Path
from typing import Any

import click
import httpx

from deploy.local.client.asking import ask, patiently, told
from deploy.local.client.days import local_days
from deploy.local.commands.adopting import for_framework, level_lines, split_lines
from deploy.local.commands.policy import PolicyFile, read_policy
from deploy.local.commands.reaching import few
from deploy.local.errors import StackError
from deploy.local.options import Commands, Context, command_options

PAGE = 1000
SHOWN_MAX = 50


@click.group("shadow", cls=Commands)
def shadow_policy() -> None:
    """Policies that run beside the live one, with a log of where they differ; no subscriber hears of them."""


@shadow_policy.command("start")
@click.argument("file", type=PolicyFile)
@for_framework
@command_options
def start_shadow(context: Context, file: Path, framework: str) -> None:
    """Let a policy run in shadow; it begins with what is recorded."""
    text = read_policy(file)
    query = {"framework": framework}
    made = ask(context, "progression", "POST", "/v1/policies/shadows", content=text, params=query)
    context.emit(made, f"policy {made['policy']}, version {made['version']}, runs in shadow")


@shadow_policy.command("list")
@command_options
def list_shadows(context: Context) -> None:
    """List the policies in shadow: how far behind, and how many pairs differ, by the two statuses."""
    with context.client("progression") as client:
        items = _shadows(client)
    day = local_days(context)
    lines: list[str] = []
    for each in items:
        lines.append(f"{each['policy'][:12]}  since {day(each['started_at'])}, {each['behind']} events behind")
        lines += [f"  {few(row['pairs']):>7} {row['live']}, in shadow {row['shadow']}" for row in each["differences"]]
    context.emit({"items": items}, "\n".join(lines) or "no policy runs in shadow")


@shadow_policy.command("differences")
@click.argument("version")
@command_options
def list_differences(context: Context, version: str) -> None:
    """List where the policy VERSION (the start of its hash) and the live one disagree, and since when."""
    items: list[dict[str, Any]] = []
    levels: list[dict[str, Any]] = []
    with context.client("progression") as client:
        url = f"/v1/policies/shadows/{_hash(context, client, version)}/differences"
        while True:
            query = {"after": items[-1]["learner"] if items else "", "limit": PAGE}
            page = told(patiently(client.get, url, params=query)).json()
            items += page["items"]
            levels += page["levels"]
            if not page["items"]:
                break
    day = local_days(context)
    lines = [
        f"{each['learner']}  {each['competency']:30} {each['live']}, in shadow {each['shadow']}, since {day(each['since'])}"
        for each in items[:SHOWN_MAX]
    ]
    if len(items) > SHOWN_MAX:
        lines.append(f"and {len(items) - SHOWN_MAX} more; --json has all")
    verbs = {"gained": "gains", "lost": "loses"}
    lines += [f"{each['learner']}  {verbs[each['change']]} level {each['level']}" for each in levels[:SHOWN_MAX]]
    if len(levels) > SHOWN_MAX:
        lines.append(f"and {len(levels) - SHOWN_MAX} more levels")
    context.emit({"items": items, "levels": levels}, "\n".join(lines) or "they agree everywhere")


@shadow_policy.command("levels")
@click.argument("version")
@command_options
def list_levels(context: Context, version: str) -> None:
    """Say how many learners would gain or lose a level under VERSION (the start of its hash), by school and group."""
    with context.client("progression") as client:
        url = f"/v1/policies/shadows/{_hash(context, client, version)}/levels"
        report = told(patiently(client.get, url)).json()
    context.emit(report, "\n".join([*level_lines(report), *split_lines(report, "gain level", "lose level")]))


@shadow_policy.command("stop")
@click.argument("version")
@command_options
def stop_shadow(context: Context, version: str) -> None:
    """End the shadow of VERSION (the start of its hash), with its log."""
    with context.client("progression") as client:
        digest = _hash(context, client, version)
        told(client.delete(f"/v1/policies/shadows/{digest}"))
    context.emit({"stopped": digest}, f"{digest[:12]} no longer runs in shadow")


def _shadows(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = told(patiently(client.get, "/v1/policies/shadows")).json()["items"]
    return items


def _hash(context: Context, client: httpx.Client, version: str) -> str:
    start = version.rpartition("@")[2]
    found = [each["policy"] for each in _shadows(client) if each["policy"].startswith(start)]
    if len(found) != 1:
        many = (
            f"{len(found)} that run in shadow begin so" if found else f"tenant {context.tenant} has none that begins so"
        )
        raise StackError(f"which policy is {version!r}? {many}")
    return str(found[0])
