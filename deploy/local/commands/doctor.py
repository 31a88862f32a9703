"""`attain doctor`: is this installation well, and what to do where it is not."""

import asyncio
import dataclasses
import os
import sys
from typing import Any

import click

from deploy.local import stack
from deploy.local.home import Home
from deploy.local.options import Context, command_options
from deploy.local.services import SERVICES, database_variable


@click.command()
@click.option(
    "--before",
    is_flag=True,
    help="Only what must stand before an installation: settings, databases, Kafka, certificates.",
)
@command_options
def doctor(context: Context, before: bool) -> None:
    """
    Look at settings, keys, servers, schema, topics, disk, clocks, certificates and services; send one piece of evidence through.

    Databases and Kafka are those of `ATTAIN_*`, or of the local stack. The piece goes to a tenant of its own.
    """
    checks = examined(context, before=before)
    ok = all(check.ok for check in checks)
    result: dict[str, Any] = {"ok": ok, "checks": [dataclasses.asdict(check) for check in checks]}
    context.emit(result, "\n".join(_line(check) for check in checks))
    if not ok:
        sys.exit(1)


def examined(context: Context, *, before: bool = False, send: bool = True) -> list[Any]:
    """Return the checks of an installation, `before` its start or as it runs; with `send` one piece of evidence goes through."""
    # Imported here: its clients take longer than most commands.
    from deploy.local import diagnosis
    from shared.settings import Settings, settings_or_exit

    if context.remote or (before and (_names_servers() or stack.running(context.home) is None)):
        known = settings_or_exit("attain")
    else:
        named = {name.removeprefix("ATTAIN_").lower(): value for name, value in context.stack().environment().items()}
        named["public_url"] = context.pages_url
        named["shards"] = os.environ.get("ATTAIN_SHARDS") or str(Home(context.home).shards())
        known = Settings.model_validate(named)

    async def servers() -> list[diagnosis.Check]:
        found = [
            await diagnosis.check_database(service, url, known)
            for service, url in diagnosis.known_services(known).items()
        ]
        return [check for checks in [*found, await diagnosis.check_kafka(known)] for check in checks]

    checks = [*diagnosis.check_settings(known), *asyncio.run(servers()), *diagnosis.check_certificates(known)]
    if not context.remote:
        checks.append(diagnosis.check_disk(context.home.parent))
    if not before:
        said = {service: diagnosis.version_of(context, service) for service in SERVICES}
        checks.append(diagnosis.check_versions(known, {name: one for name, one in said.items() if one is not None}))
        checks += [check for service in SERVICES for check in diagnosis.check_service(context, service)]
        if send and all(check.ok for check in checks):
            context.say("sending one piece of evidence through")
            checks.append(diagnosis.check_round_trip(context))
    return checks


def _names_servers() -> bool:
    """Tell whether the environment names Kafka or a database, and so an installation other than the local stack."""
    return any(os.environ.get(name) for name in ("ATTAIN_KAFKA", *map(database_variable, SERVICES)))


def _line(check: Any) -> str:
    text = f"{'ok  ' if check.ok else 'BAD '} {check.name}: {check.detail}"
    return text if check.ok or not check.advice else f"{text}\n     → {check.advice}"
