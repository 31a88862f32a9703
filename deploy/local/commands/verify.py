"""`attain verify`: drains, then computes everything again and compares."""

import dataclasses
import sys
from typing import Any

import click
import httpx

from deploy.local.audit.run import audit
from deploy.local.audit.sources import Sources
from deploy.local.client.progress import Progress
from deploy.local.commands.drain import wait_until_drained
from deploy.local.options import Context, command_options

DRAIN_S = 600.0


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
    context.emit(result, _readable(result))
    if not findings.ok:
        sys.exit(1)


def _readable(result: dict[str, Any]) -> str:
    examples = result.pop("examples")
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in result.items()]
    return "\n".join([*lines, *(f"  {example}" for example in examples)])
