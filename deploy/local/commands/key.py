"""`attain key`: API keys of learning systems, of the tenant in use."""

import datetime
from typing import Any

import click

from deploy.local.client.asking import segment, told
from deploy.local.options import Commands, Context, command_options

DEFAULT_OVERLAP_H = 24.0
OVERLAP_H_MAX = 90 * 24.0


@click.group(cls=Commands)
def key() -> None:
    """API keys: what a learning system sends instead of a token, for one source of one tenant."""


@key.command()
@click.argument("source")
@click.option("--name", default="", help="What people know it by.")
@click.option("--scope", default="evidence:write", show_default=True, help="Scopes, separated by spaces.")
@click.option("--expires-at", help="When it ends, such as 2027-07-01T00:00:00Z; without it never.")
@command_options
def create(context: Context, source: str, name: str, scope: str, expires_at: str | None) -> None:
    """
    Make a key for SOURCE, which is shown this once.

    SOURCE is what evidence that is sent with the key says as its `source`, to the letter: the URI of the learning system is
    best, and what it once was it stays.
    """
    wanted = {"source": source, "name": name, "scopes": scope.split(), "expires_at": expires_at}
    with context.client("evidence", scope="admin") as client:
        _emit_new(context, told(client.post("/v1/keys", json=wanted)).json())


@key.command("list")
@command_options
def listed(context: Context) -> None:
    """List the keys, also those that are no longer good."""
    with context.client("evidence", scope="admin") as client:
        items = told(client.get("/v1/keys")).json()["items"]
    lines = [
        f"{one['key_id']}  {one['source']}  {' '.join(one['scopes'])}  {_state(one)}  {one['name']}" for one in items
    ]
    context.emit({"items": items}, "\n".join(lines) or "no keys")


@key.command()
@click.argument("key_id")
@click.option("--overlap", type=click.FloatRange(0, OVERLAP_H_MAX), default=DEFAULT_OVERLAP_H, show_default=True,
              help="Hours for which the old one is still good.")  # fmt: skip
@command_options
def rotate(context: Context, key_id: str, overlap: float) -> None:
    """Make a key that takes the place of KEY_ID: for the same, and until the same end. KEY_ID ends after the overlap."""
    with context.client("evidence", scope="admin") as client:
        answer = client.post(f"/v1/keys/{segment(key_id)}/rotate", json={"overlap_s": int(overlap * 3600)})
        _emit_new(context, told(answer).json())


@key.command()
@click.argument("key_id")
@command_options
def revoke(context: Context, key_id: str) -> None:
    """Revoke KEY_ID; within a minute nobody believes it any more."""
    with context.client("evidence", scope="admin") as client:
        revoked = told(client.delete(f"/v1/keys/{segment(key_id)}")).json()
    context.emit(revoked, f"revoked {key_id}")


def _emit_new(context: Context, made: dict[str, Any]) -> None:
    context.emit(made, made["key"])
    context.say(f"key {made['key_id']} for evidence whose source is {made['source']}; it is not shown again")


def is_good(one: dict[str, Any]) -> bool:
    """Tell whether a key of the list is believed now."""
    ends = one["expires_at"]
    return not one["revoked_at"] and (
        ends is None or datetime.datetime.fromisoformat(ends) > datetime.datetime.now(datetime.UTC)
    )


def _state(one: dict[str, Any]) -> str:
    if one["revoked_at"]:
        return f"revoked {one['revoked_at']}"
    return f"until {one['expires_at']}" if one["expires_at"] else "good"
