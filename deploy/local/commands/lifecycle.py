"""`attain up`, `attain down`, `attain reset`: start, stop and delete a local stack."""

from typing import Any

import click

from deploy.local import stack
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.options import Context, command_options
from deploy.local.services import SERVICES
from deploy.local.stack import Stack
from deploy.local.tokens import DEFAULT_SCOPE


@click.command()
@click.option("--detach", is_flag=True, help="Return when all is ready; `attain down` stops it.")
@command_options
def up(context: Context, detach: bool) -> None:
    """Start Kafka, PostgreSQL and the services; stay until Ctrl-C."""
    if detach:
        _announce(context, stack.start(context.home, say=context.say))
        return

    def ready() -> None:
        _announce(context, context.stack())
        context.say("Ctrl-C stops it")

    # Imported here: with its clients of Kafka and PostgreSQL it takes longer than the other commands.
    from deploy.local.supervisor import Supervisor

    Supervisor(Home(context.home), say=context.say).run(ready)


@click.command()
@command_options
def down(context: Context) -> None:
    """Stop everything; the data stays."""
    ran = stack.stop(context.home)
    context.emit({"stopped": True, "was_running": ran}, "stopped" if ran else "nothing was running")


@click.command()
@click.option("--yes", is_flag=True, help="Really delete.")
@command_options
def reset(context: Context, yes: bool) -> None:
    """Stop everything and delete the home folder with all its data."""
    if not yes:
        raise StackError(f"this deletes {context.home} and all its data; say so with --yes")
    existed = stack.reset(context.home)
    text = f"deleted {context.home}" if existed else f"there was nothing in {context.home}"
    context.emit({"stopped": True, "deleted": existed}, text)


def _announce(context: Context, running: Stack) -> None:
    token = running.token(context.tenant, DEFAULT_SCOPE)
    result: dict[str, Any] = {
        "home": str(running.home),
        "kafka": running.kafka,
        "postgres": running.postgres,
        **{f"{service}_url": running.urls.get(service) for service in SERVICES},
        "token": token,
        "pids": dict(running.pids),
    }
    lines = [f"{service:<12} {running.urls[service]}" for service in SERVICES if service in running.urls]
    lines += [f"{'kafka':<12} {running.kafka}", f"{'postgres':<12} {running.postgres or 'as given'}"]
    lines += [f"token (tenant {context.tenant}, 12 h):", token]
    context.emit(result, "\n".join(lines))
