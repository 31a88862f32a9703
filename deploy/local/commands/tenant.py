"""`attain tenant`: begin a tenant, see what it has set, take all of it along, and end it."""

import datetime
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx

from deploy.local.commands.asking import patiently, told
from deploy.local.commands.privacy import HELD, held
from deploy.local.commands.progress import Progress
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options

PAGE = 1000
WHOLE = {
    "settings.json": ("progression", "/v1/settings"),
    "frameworks.json": ("progression", "/v1/frameworks"),
    "policies.json": ("progression", "/v1/policies"),
    "webhooks.json": ("progression", "/v1/webhooks"),
    "keys.json": ("evidence", "/v1/keys"),
    "classes.json": ("evidence", "/v1/roster/classes"),
    "alignments.json": ("evidence", "/v1/alignments"),
}
"""What an export has beside its learners: the service that answers, and where."""


@click.group()
def tenant() -> None:
    """Tenants: districts that share an installation and see nothing of each other; --tenant says which."""


@tenant.command()
@click.option(
    "--time-zone", metavar="NAME", required=True, help="Where its school days begin, such as America/Chicago."
)
@click.option("--source", "sources", multiple=True, help="A learning system (URI) to make a key for; may be repeated.")
@command_options
def create(context: Context, time_zone: str, sources: tuple[str, ...]) -> None:
    """Begin a tenant: its time zone, and a key for each of its learning systems, shown this once."""
    if learners_of(context):
        raise StackError(f"tenant {context.tenant} has learners already; `attain settings` changes what is set")
    with context.client("progression", scope="admin") as client:
        told(patiently(lambda: client.put("/v1/settings", json={"time_zone": time_zone})))
    keys = {}
    with context.client("evidence", scope="admin") as client:
        for source in sources:
            keys[source] = told(client.post("/v1/keys", json={"source": source, "name": "first"})).json()["key"]
    context.emit({"tenant": context.tenant, "time_zone": time_zone, "keys": keys})


@tenant.command()
@command_options
def show(context: Context) -> None:
    """What the tenant has set, and how much it has."""
    shown = {name.removesuffix(".json"): content for name, content in _whole(context)}
    counts = {
        name: len(content["items"])
        for name, content in shown.items()
        if isinstance(content, dict) and "items" in content
    }
    context.emit({"tenant": context.tenant, "learners": len(learners_of(context)), **shown["settings"], **counts})


@tenant.command("export")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The ZIP to write.")
@command_options
def export_tenant(context: Context, output: Path | None) -> None:
    """Write one ZIP with all that is held of the tenant: settings, rules, roster, and a folder for each learner."""
    file = output or Path(f"tenant-{context.tenant}.zip")
    learners = learners_of(context)
    progress = Progress(only_terminal=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in _whole(context):
            bundle.writestr(name, json.dumps(content, indent=1))
        for count, learner in enumerate(learners, start=1):
            for name, (service, path) in HELD.items():
                bundle.writestr(f"learners/{learner}/{name}", held(context, service, path.format(learner)))
            progress.show(f"{count:,} of {len(learners):,} learners")
    progress.clear()
    context.emit({"tenant": context.tenant, "file": str(file), "learners": len(learners), "bytes": file.stat().st_size})


@tenant.command()
@click.option("--yes", is_flag=True, help="Do not ask; it cannot be undone.")
@command_options
def delete(context: Context, yes: bool) -> None:
    """
    End a tenant: revoke its keys, remove its webhooks, and forget every learner for good.

    Positions of the logs stay, with tombstones in place of bodies; frameworks and policies say nothing of persons and stay.
    May be repeated where it was cut off.
    """
    learners = learners_of(context)
    question = f"Forget tenant {context.tenant} with {len(learners):,} learners? This cannot be undone"
    if not yes and not click.confirm(question, err=True):
        raise StackError("nothing was deleted")
    counts = {"keys": _revoke_keys(context), "webhooks": _remove_webhooks(context), "learners": 0, "evidence": 0}
    progress = Progress(only_terminal=True)
    with context.client("evidence", scope="admin") as client:
        for learner in learners:
            counts["evidence"] += _erased(client, learner)
            counts["learners"] += 1
            progress.show(f"{counts['learners']:,} of {len(learners):,} learners")
    progress.clear()
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    context.emit({"tenant": context.tenant, **counts, "deleted_at": at})


def learners_of(context: Context) -> list[str]:
    """Return the opaque ids of the tenant's learners."""
    found: dict[str, None] = {}
    after = ""
    with context.client("evidence", scope="service") as client:
        while True:
            query = {"after": after, "limit": PAGE}
            answer = told(patiently(lambda query=query: client.get("/v1/identities", params=query)))  # type: ignore[misc]
            rows = [json.loads(line) for line in answer.text.splitlines()]
            found |= {row["learner"]: None for row in rows if row["tenant"] == context.tenant}
            after = answer.headers["Attain-Next"]
            if len(rows) < PAGE:
                return list(found)


def _whole(context: Context) -> Iterator[tuple[str, Any]]:
    for name, (service, path) in WHOLE.items():
        with context.client(service, scope="admin records:read policy:write") as client:
            yield name, _all_pages(client, path)


def _all_pages(client: httpx.Client, path: str) -> Any:
    """Return an answer, with the items of all its pages where it has such."""
    whole: Any = None
    after = ""
    while True:
        query = {"after": after} if after else {}
        answer = told(patiently(lambda query=query: client.get(path, params=query))).json()  # type: ignore[misc]
        if whole is None:
            whole = answer
        else:
            whole["items"] += answer["items"]
        if not isinstance(answer, dict) or not answer.get("items") or not answer.get("next"):
            return whole
        after = answer["next"]


def _revoke_keys(context: Context) -> int:
    with context.client("evidence", scope="admin") as client:
        good = [key for key in told(client.get("/v1/keys")).json()["items"] if key["revoked_at"] is None]
        for key in good:
            told(client.delete(f"/v1/keys/{key['key_id']}"))
    return len(good)


def _remove_webhooks(context: Context) -> int:
    with context.client("progression", scope="admin") as client:
        items = told(client.get("/v1/webhooks")).json()["items"]
        for item in items:
            told(client.delete(f"/v1/webhooks/{item['id']}"))
    return len(items)


def _erased(client: httpx.Client, learner: str) -> int:
    answer = patiently(lambda: client.delete(f"/v1/learners/{learner}"))
    # Erased with somebody it was merged into, or by a run that was cut off.
    return 0 if answer.status_code == 404 else int(told(answer).json()["evidence"])
