"""`attain verify`: drains, then computes everything again and compares."""

import dataclasses
import sys
from typing import Any

import click
import httpx

from deploy.local.audit.findings import Findings
from deploy.local.audit.run import audit
from deploy.local.audit.sources import Sources
from deploy.local.client.progress import Progress
from deploy.local.commands.drain import wait_until_drained
from deploy.local.options import Context, command_options

DRAIN_S = 600.0
UPGRADED = (
    "Evidence, states and read models agree. What an earlier version told stays as it was told, and is this as long as the\n"
    "last of it is older than the upgrade: see Upgrade, roll back in the runbook."
)


@click.command()
@command_options
def verify(context: Context) -> None:
    """Recompute every state from the evidence log and compare it with what is held, shown and told."""
    progress = Progress()
    wait_until_drained(context, DRAIN_S, progress)
    progress.clear()
    tenant = context.tenant if context.tenant_given else None

    def of_tenant(name: str) -> httpx.Client:
        return context.client("progression", scope="records:read", tenant=name)

    with (
        context.client("evidence", scope="service") as evidence,
        context.client("progression", scope="service") as progression,
        context.client("reporting", scope="service") as reporting,
    ):
        findings = audit(Sources(evidence, progression, reporting, of_tenant), tenant, context.say)
    result = dataclasses.asdict(findings) | {"ok": findings.ok}
    nothing = [f"nothing was ever recorded of tenant {tenant}"] if tenant and not findings.evidence else []
    context.emit(result, "\n".join([*_readable(result), *_told_otherwise(findings), *nothing]))
    if not findings.ok:
        sys.exit(1)


def _readable(result: dict[str, Any]) -> list[str]:
    apart = ("examples", "told_otherwise", "last_told_otherwise")
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in result.items() if name not in apart]
    return [*lines, *(f"  {example}" for example in result["examples"])]


def _told_otherwise(findings: Findings) -> list[str]:
    """Return what differs of what was told, by kind; and where nothing else does, what that is after an upgrade."""
    lines = [f"  {count:>9,}  {kind}" for kind, count in findings.told_otherwise.most_common()]
    if not lines:
        return []
    of = f", the last of {findings.last_told_otherwise[:19]}Z" if findings.last_told_otherwise else ""
    lines = ["", f"what was told differs{of}:", *lines]
    if findings.only_told:
        lines += ["", UPGRADED]
    return lines
