"""`attain tenant`: begin a tenant, see what it has set, take all of it along, and end it."""

import datetime
import json
import zipfile
from pathlib import Path
from typing import Any

import click
import httpx

from deploy.local.client.asking import all_pages, ask, confirmed, patiently, segment, told
from deploy.local.client.identities import learners_of
from deploy.local.client.progress import Progress
from deploy.local.client.tenant_parts import is_something, parts_of
from deploy.local.commands.key import is_good
from deploy.local.commands.privacy import clients, closed_terms, write_held
from deploy.local.errors import StackError
from deploy.local.files.writing import whole
from deploy.local.options import Commands, Context, command_options

PAGE = 1000
LIMITS = {
    "evidence": ("requests_per_s", "statements_kept", "originals_kept_days", "accesses_kept_days"),
    "progression": ("requests_per_s", "small_number", "deliveries_kept_days"),
    "reporting": ("requests_per_s", "small_number", "accesses_kept_days"),
}
"""The limits of a tenant that each service heeds."""
SAID = {
    "requests_per_s": "requests a second of a source, 0 without limit",
    "small_number": "counts of people that are not told, below",
    "statements_kept": "xAPI statements kept whole",
    "originals_kept_days": "days that originals are kept which became no evidence, 0 for good",
    "accesses_kept_days": "days that it is kept who looked at what, 0 for good",
    "deliveries_kept_days": "days that lines of a webhook's delivery log are kept, 0 until there are too many",
}
"""What limits are called in words; other names are words already."""


@click.group(cls=Commands)
def tenant() -> None:
    """Tenants: districts that share an installation and see nothing of each other; --tenant says which."""


@tenant.command()
@click.option(
    "--time-zone", metavar="NAME", required=True, help="Where its school days begin, such as America/Chicago."
)
@click.option("--source", "sources", multiple=True, help="A learning system (URI) to make a key for; may be repeated.")
@command_options
def create(context: Context, time_zone: str, sources: tuple[str, ...]) -> None:
    """
    Begin a tenant: its time zone, and a key for each of its learning systems, shown this once.

    May be repeated until there are learners: a source that has a key is given no other.
    """
    if learners_of(context):
        raise StackError(f"tenant {context.tenant} has learners already; `attain settings` changes what is set")
    _set_time_zone(context, time_zone)
    keys, had = {}, {}
    with context.client("evidence", scope="admin") as client:
        good = {one["source"]: one["key_id"] for one in told(client.get("/v1/keys")).json()["items"] if is_good(one)}
        for source in dict.fromkeys(sources):
            if source in good:
                had[source] = good[source]
            else:
                keys[source] = told(client.post("/v1/keys", json={"source": source, "name": "first"})).json()["key"]
    for source, id in had.items():
        context.say(
            f"{source} has key {id} already, which is not shown again; `attain key rotate {id}` makes its successor"
        )
    context.emit({"tenant": context.tenant, "time_zone": time_zone, "keys": keys, "had_keys": had})


@tenant.command()
@command_options
def show(context: Context) -> None:
    """Show what the tenant has set, and how much it has."""
    shown = {name.removesuffix(".json"): content for name, content in parts_of(context)}
    counts = {
        name: len(content["items"])
        for name, content in shown.items()
        if isinstance(content, dict) and "items" in content
    }
    _emit(context, {"learners": len(learners_of(context)), **_set(context), **counts})


@tenant.command("set")
@click.option("--time-zone", metavar="NAME", help="Where its school days begin, such as America/Chicago.")
@click.option("--requests-per-s", metavar="N", help="Requests a second of one of its sources; 0 is no limit.")
@click.option(
    "--small-number", metavar="N", help="Counts of people below this are not told; never fewer than elsewhere."
)
@click.option(
    "--keep-statements",
    metavar="none|scored|all",
    help="Which xAPI statements are kept whole, of those to come; with all, Caliper events that are no evidence too.",
)
@click.option(
    "--keep-originals-days",
    metavar="N",
    help="Days that originals are kept which became no evidence: quarantined pieces, statements, events; 0 is for good.",
)
@click.option(
    "--keep-accesses-days",
    metavar="N",
    help="Days that it is kept who looked at, sent or took out what; 0 is for good.",
)
@click.option(
    "--keep-deliveries-days",
    metavar="N",
    help="Days that lines of a webhook's delivery log are kept; 0 is until there are too many of them.",
)
@command_options
def set_tenant(
    context: Context,
    time_zone: str | None,
    requests_per_s: str | None,
    small_number: str | None,
    keep_statements: str | None,
    keep_originals_days: str | None,
    keep_accesses_days: str | None,
    keep_deliveries_days: str | None,
) -> None:
    """
    Set limits of the tenant, in force within seconds and kept in the databases; see them with `attain tenant show`.

    `default` takes a limit back to what the installation has set. Needs a token of the operator (scope service).
    """
    given = {
        "requests_per_s": requests_per_s, "small_number": small_number, "statements_kept": keep_statements,
        "originals_kept_days": keep_originals_days, "accesses_kept_days": keep_accesses_days,
        "deliveries_kept_days": keep_deliveries_days,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    if not given and time_zone is None:
        raise click.UsageError("say what to set, such as --small-number 15")
    if time_zone is not None:
        _set_time_zone(context, time_zone)
    for service, names in LIMITS.items():
        body = {name: None if given[name] == "default" else given[name] for name in names if name in given}
        if body:
            ask(context, service, "PUT", "/v1/limits", json=body, scope="service")
    _emit(context, _set(context))


@tenant.command("export")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="The ZIP to write; default tenant-TENANT.zip."
)
@command_options
def export_tenant(context: Context, output: Path | None) -> None:
    """Write one ZIP with all that is held of the tenant: settings, rules, roster, and a folder for each learner."""
    file = output or Path(f"tenant-{context.tenant}.zip")
    learners = _learners_of_known(context)
    progress = Progress()
    with whole(file) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as bundle, clients(context) as asked:
        terms = closed_terms(asked)
        for name, content in parts_of(context):
            bundle.writestr(name, json.dumps(content, indent=1))
        for count, learner in enumerate(learners, start=1):
            write_held(asked, bundle, learner, terms, f"learners/{learner}/")
            progress.show(f"{count:,} of {len(learners):,} learners")
    progress.clear()
    context.emit({"tenant": context.tenant, "file": str(file), "learners": len(learners), "bytes": file.stat().st_size})


@tenant.command()
@click.option("--yes", is_flag=True, help="Do not ask; it cannot be undone.")
@command_options
def delete(context: Context, yes: bool) -> None:
    """
    End a tenant: revoke its keys, remove its webhooks, stop its shadow policies, and forget the names of staff and every learner
    for good, with what is quarantined, what waits for a competency, and what statements say of anybody.

    Positions of the logs stay, with tombstones in place of bodies. So does what says nothing of learners: frameworks, policies,
    names of classes, schools and terms, ids of staff, counts, and the log of who did what. May be repeated where it was cut off.
    """
    learners = _learners_of_known(context)
    question = f"Forget tenant {context.tenant} with {len(learners):,} learners? This cannot be undone"
    if not yes:
        confirmed(question, "nothing was deleted")
    counts = {
        "keys": _end_all(context, "evidence", "/v1/keys", "key_id"),
        "webhooks": _end_all(context, "progression", "/v1/webhooks", "id"),
        "shadows": _end_all(context, "progression", "/v1/policies/shadows", "policy", "admin policy:write"),
        "staff_names": 0,
        "learners": 0,
        "evidence": 0,
    }
    progress = Progress()
    with context.client("evidence", scope="admin") as client:
        for person in all_pages(client, f"/v1/staff?limit={PAGE}")["items"]:
            counts["staff_names"] += _forgotten(client, person["person"])
        for learner in learners:
            counts["evidence"] += _erased(client, learner)
            counts["learners"] += 1
            progress.show(f"{counts['learners']:,} of {len(learners):,} learners")
        # Last: what is left is of those who never became learners here, whose pieces still wait or tell nothing.
        rest = told(patiently(client.delete, "/v1/quarantine", params={"ended": True})).json()
        counts["quarantined"] = rest["deleted"]
    progress.clear()
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    context.emit({"tenant": context.tenant, **counts, "deleted_at": at})


def _learners_of_known(context: Context) -> list[str]:
    """
    Return the learners of a tenant of which anything is held.

    Raises:
        StackError: nothing is, so its name is likely to be another.
    """
    learners = learners_of(context)
    if not learners and not any(is_something(content) for _, content in parts_of(context)):
        raise StackError(f"nothing is held of a tenant {context.tenant}; --tenant says which is meant")
    return learners


def _set_time_zone(context: Context, time_zone: str) -> None:
    ask(context, "progression", "PUT", "/v1/settings", json={"time_zone": time_zone}, scope="admin")


def _emit(context: Context, held: dict[str, Any]) -> None:
    context.emit({"tenant": context.tenant} | held, f"tenant: {context.tenant}\n{in_words(held)}")


def in_words(held: dict[str, Any]) -> str:
    """Return what a tenant has set, and how much it has, a line each; `held` is as `attain tenant show --json` gives it."""
    lines = []
    for name, value in held.items():
        if name in ("breaks", "freezes"):
            lines += [f"{name[:-1]}: {each['first']} to {each['last']}" for each in value]
        elif name != "own":
            said = f"{value:g}" if isinstance(value, float) else value
            lines.append(
                f"{SAID.get(name, name.replace('_', ' '))}: {said}{' (its own)' if name in held['own'] else ''}"
            )
    return "\n".join(lines)


def _set(context: Context) -> dict[str, Any]:
    """Return what holds for the tenant: its settings, and its limits by name."""
    found = dict(ask(context, "progression", "GET", "/v1/settings", scope="admin"))
    own: dict[str, None] = {}
    for service in LIMITS:
        limits = ask(context, service, "GET", "/v1/limits", scope="admin")
        own |= dict.fromkeys(limits.pop("own"))
        found |= limits
    return found | {"own": list(own)}


def _end_all(context: Context, service: str, path: str, id: str, scope: str = "admin") -> int:
    """Delete all that a list of a service has, but for keys that are revoked already; return how many there were."""
    with context.client(service, scope=scope) as client:
        items = [item for item in told(client.get(path)).json()["items"] if item.get("revoked_at") is None]
        for item in items:
            told(client.delete(f"{path}/{item[id]}"))
    return len(items)


def _forgotten(client: httpx.Client, person: str) -> int:
    return int(told(patiently(client.delete, f"/v1/staff/{segment(person)}")).json()["had_name"])


def _erased(client: httpx.Client, learner: str) -> int:
    answer = patiently(client.delete, f"/v1/learners/{segment(learner)}")
    # Erased with somebody it was merged into, or by a run that was cut off.
    return 0 if answer.status_code == 404 else int(told(answer).json()["evidence"])
