"""`attain webhook`: who is sent public events, signed, and what became of them."""

import uuid
from typing import Any

import click

from deploy.local.client.asking import ask, segment, told
from deploy.local.client.tenant_parts import framework_ids
from deploy.local.errors import StackError
from deploy.local.options import Commands, Context, command_options

SCOPE = "admin"
OVERLAP_H_MAX = 30 * 24
START = "Where to begin: now, beginning, or a cursor."


@click.group(cls=Commands)
def webhook() -> None:
    """Webhooks: agreements to send public events to a receiver, signed and in order for each learner."""


@webhook.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--purpose", required=True, help="What it is for; at least ten characters, kept with the agreement.")
@click.option(
    "--type",
    "types",
    multiple=True,
    help="Such as competency.mastered or level.*; may be repeated; all if not given. learner.* comes always.",
)
@click.option("--framework", "frameworks", multiple=True, help="Id of a framework; may be repeated; all if not given.")
@click.option("--source", default="", help="The receiver's own source: its ids of the learners are added for it.")
@click.option("--from", "start", default="now", show_default=True, help=START)
@command_options
def add_webhook(
    context: Context, name: str, url: str, purpose: str, types: tuple[str, ...], frameworks: tuple[str, ...], source: str,
    start: str,
) -> None:  # fmt: skip
    """
    Begin to send events to URL. The secret is shown this once.

    Receivers at private addresses are refused unless ATTAIN_WEBHOOK_PRIVATE_ADDRESSES is set.
    """
    unknown = sorted(set(frameworks) - set(framework_ids(context))) if frameworks else []
    if unknown:
        raise StackError(
            f"tenant {context.tenant} has no framework {unknown[0]!r}, so nothing of it would be sent; import it first"
        )
    body = {
        "name": name, "url": url, "purpose": purpose, "types": types, "frameworks": frameworks, "source": source,
        "start": start,
    }  # fmt: skip
    made = _post(context, "/v1/webhooks", body)
    context.emit(made, f"webhook {made['id']}\nkey {made['key']}\nsecret {made['secret']}  (not shown again)")


@webhook.command("list")
@command_options
def list_webhooks(context: Context) -> None:
    """List the webhooks: what they send, their state, and how far behind they are."""
    items = _get(context, "/v1/webhooks")
    lines = [
        f"{each['id']}  {each['state']:8}{each['behind']:>8} behind  {each['name']}  {each['url']}"
        + (f"  ({each['reason']})" if each["reason"] else "")
        + (f"  (parked: events of {each['parked_learners']:,} learners)" if each["parked_learners"] else "")
        for each in items
    ]
    context.emit({"items": items}, "\n".join(lines) or "no webhooks")


@webhook.command("test")
@click.argument("webhook_id")
@command_options
def test_webhook(context: Context, webhook_id: str) -> None:
    """Send one event of type attain.webhook.test.v1; exit code 1 where it is not taken."""
    answer = _post(context, f"/v1/webhooks/{segment(webhook_id)}/test")
    outcome = "taken" if answer["taken"] else f"not taken: {answer['outcome']}"
    context.emit(answer, f"{outcome}, {answer['ms']} ms")
    if not answer["taken"]:
        click.get_current_context().exit(1)


@webhook.command("replay")
@click.argument("webhook_id")
@click.option("--from", "start", required=True, help=START)
@command_options
def replay_webhook(context: Context, webhook_id: str, start: str) -> None:
    """Send everything behind a cursor again, with the ids that it had."""
    answer = _post(context, f"/v1/webhooks/{segment(webhook_id)}/replay", {"start": start})
    context.emit(answer, f"webhook {webhook_id} begins again from {start}")


@webhook.command("rotate")
@click.argument("webhook_id")
@click.option("--overlap", type=click.FloatRange(0, OVERLAP_H_MAX), default=0, show_default=True,
              help="Hours for which the old one signs too.")  # fmt: skip
@command_options
def rotate_webhook(context: Context, webhook_id: str, overlap: float) -> None:
    """Sign with a new secret from now on, and with the old one beside it during the overlap; it is shown this once."""
    made = _post(context, f"/v1/webhooks/{segment(webhook_id)}/rotate", {"overlap_s": int(overlap * 3600)})
    context.emit(made, f"key {made['key']}\nsecret {made['secret']}  (not shown again)")


@webhook.command("pause")
@click.argument("webhook_id")
@command_options
def pause_webhook(context: Context, webhook_id: str) -> None:
    """Send nothing until it is resumed; nothing is lost meanwhile."""
    context.emit(_post(context, f"/v1/webhooks/{segment(webhook_id)}/pause"), f"webhook {webhook_id} is paused")


@webhook.command("resume")
@click.argument("webhook_id")
@command_options
def resume_webhook(context: Context, webhook_id: str) -> None:
    """Go on where it stopped, with the learners whose events were parked."""
    context.emit(_post(context, f"/v1/webhooks/{segment(webhook_id)}/resume"), f"webhook {webhook_id} goes on")


@webhook.command("deliveries")
@click.argument("webhook_id")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="The latest so many.")
@command_options
def list_deliveries(context: Context, webhook_id: str, limit: int) -> None:
    """List what was sent and what came of it, the latest first."""
    items = _get(context, f"/v1/webhooks/{segment(webhook_id)}/deliveries", limit=limit)
    lines = [
        f"{each['at'][:19]}Z  {each['type']:44}attempt {each['attempt']:<3}{each['ms']:>6} ms  {each['outcome']}"
        for each in items
    ]
    context.emit({"items": items}, "\n".join(lines) or "nothing was sent yet")


@webhook.command("waiting")
@click.argument("webhook_id")
@command_options
def list_waiting(context: Context, webhook_id: str) -> None:
    """List the learners whose events wait behind one that was not taken."""
    items = _get(context, f"/v1/webhooks/{segment(webhook_id)}/waiting")
    lines = [
        f"{each['learner']}  {'parked' if each['parked'] else 'retried'} after {each['attempts']}: {each['reason']}"
        for each in items
    ]
    context.emit({"items": items}, "\n".join(lines) or "nobody waits")


@webhook.command("remove")
@click.argument("webhook_id")
@command_options
def remove_webhook(context: Context, webhook_id: str) -> None:
    """End a webhook, with its delivery log."""
    with context.client("progression", scope=SCOPE) as client:
        told(client.delete(f"/v1/webhooks/{segment(webhook_id)}"))
    context.emit({"removed": webhook_id}, f"webhook {webhook_id} is removed")


def _get(context: Context, path: str, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = ask(context, "progression", "GET", path, params=query, scope=SCOPE)["items"]
    return items


def _post(context: Context, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask under a new key, so that an answer that is lost is asked for again without a second effect."""
    answer: dict[str, Any] = ask(context, "progression", "POST", path, json=body, scope=SCOPE, key=str(uuid.uuid4()))
    return answer
