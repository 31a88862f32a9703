"""`attain reshard`: more shards, offline."""

import asyncio
import os

import click

from deploy.local import stack
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.options import Context, command_options


@click.command()
@click.option("--to", type=click.IntRange(1, 1024), required=True, help="How many shards: a multiple of those now.")
@click.option("--preview", is_flag=True, help="Tell what would be done, and change nothing.")
@command_options
def reshard(context: Context, to: int, preview: bool) -> None:
    """
    Give the installation more shards, so that more replicas can share the work.

    Let all catch up and stop the services first (`attain drain`, `attain down`). What learners have, sequence numbers and event
    ids stay; cursors of subscribers begin anew (410). A run that was cut off is finished by the same command. It is the
    installation of ATTAIN_<SERVICE>_DATABASE where those are set, else the one in the home folder.
    """
    # Imported here: its clients of Kafka and PostgreSQL take longer than most commands.
    from deploy.reshard import CannotReshard
    from deploy.reshard import reshard as split
    from shared.settings import Settings, settings_or_exit

    def done(config: Settings) -> None:
        try:
            lines = asyncio.run(split(config, to, context.say, preview=preview))
        except (CannotReshard, SystemExit) as error:
            raise StackError(str(error)) from None
        context.emit({"shards": to, "preview": preview, "done": lines}, "\n".join(lines))

    given = settings_or_exit("attain")
    if context.remote or given.evidence_database:
        done(given)
        return
    if Home(context.home).state() is None:
        raise StackError(f"there is nothing in {context.home}; start it with ATTAIN_SHARDS={to}")
    running = stack.running(context.home)
    if running is not None and running.urls:
        raise StackError("the services run: `attain drain`, then `attain down` first")
    servers = running or stack.start(context.home, services=False, say=context.say, owner=os.getpid())
    try:
        named = {name.removeprefix("ATTAIN_").lower(): value for name, value in servers.environment().items()}
        suffix = os.environ.get("ATTAIN_TOPIC_SUFFIX", "")
        done(Settings.model_validate(named | {"topic_suffix": suffix}))
    finally:
        if running is None:
            stack.stop(context.home)
    if not preview:
        Home(context.home).remember_shards(to)
        context.say(f"{context.home} remembers its {to} shards: `attain up` starts the services, without the setting")
