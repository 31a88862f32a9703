"""`attain`: the command of a laptop and of an operator's terminal."""

import importlib.metadata
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import click
import httpx

from deploy.local.errors import INSTALL, StackError
from deploy.local.importing import imported
from deploy.local.options import Commands, shown

COMMANDS: Mapping[str, str] = {
    "demo": "demo:demo",
    "up": "lifecycle:up",
    "status": "status:status",
    "down": "lifecycle:down",
    "reset": "lifecycle:reset",
    "framework": "framework:framework",
    "roster": "roster:roster",
    "rollover": "rollover:rollover",
    "policy": "policy:policy",
    "settings": "settings:settings",
    "term": "term:term",
    "alignment": "alignment:alignment",
    "onboard": "onboard:onboard",
    "ingest": "ingest:ingest",
    "correct": "correct:correct",
    "quarantine": "quarantine:quarantine",
    "completeness": "completeness:completeness",
    "drain": "drain:drain",
    "learner": "learner:learner",
    "class": "class_:class_",
    "explain": "explain:explain",
    "webhook": "webhook:webhook",
    "passback": "passback:passback",
    "merge": "merging:merge",
    "unmerge": "merging:unmerge",
    "export": "privacy:export",
    "erase": "privacy:erase",
    "verify": "verify:verify",
    "rebuild": "rebuild:rebuild",
    "reshard": "reshard:reshard",
    "evaluate": "evaluate:evaluate",
    "doctor": "doctor:doctor",
    "support-bundle": "support_bundle:support_bundle",
    "plan": "plan:plan",
    "token": "token:token",
    "key": "key:key",
    "tenant": "tenant:tenant",
}
"""Where each command is, in the order in which one needs them."""
SUBCOMMANDS: Mapping[str, Sequence[str]] = {
    "policy": [
        "simulate:simulate_policy",
        "adopting:compare_policy",
        "adopting:propose_policy",
        "adopting:approve_policy",
        "adopting:audit_policies",
        "shadow:shadow_policy",
    ],
    "export": ["export_tables:export_tables"],
}
"""What a command has besides those of its own module."""


def _version() -> str:
    try:
        return importlib.metadata.version("attain")
    except importlib.metadata.PackageNotFoundError:
        return "(a checkout that is not installed)"


class _OnDemand(Commands):
    """Imports a command when it is asked for: all of them together take most of a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = _load(COMMANDS[cmd_name])
        for place in SUBCOMMANDS.get(cmd_name, ()):
            assert isinstance(command, click.Group)
            command.add_command(_load(place))
        return command


def _load(place: str) -> click.Command:
    module, name = place.split(":")
    command = getattr(imported(f"deploy.local.commands.{module}"), name)
    assert isinstance(command, click.Command), place
    return command


@click.group(cls=_OnDemand, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="attain")
@click.option("--home", help="As with each command; may also stand before it.")
@click.option("--tenant", help="As with each command; may also stand before it.")
def attain(home: str | None, tenant: str | None) -> None:
    """Attain: evidence in, mastery folded, advancement out."""
    for name, value in (("ATTAIN_HOME", home), ("ATTAIN_TENANT", tenant)):
        if value is not None:
            os.environ[name] = value


def main() -> None:
    """
    Run `attain`; what fails is one line on standard error, and with `--json` also `{"error"}` on standard output.

    A failing program's last lines follow. `ATTAIN_DEBUG=1` shows where an error came from.
    """
    if os.environ.get("ATTAIN_DEBUG") == "1":
        attain.main(prog_name="attain")
    try:
        code = attain.main(prog_name="attain", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.UsageError as error:
        hint = f" (try: {error.ctx.command_path} --help)" if error.ctx is not None else ""
        _fail(error.format_message() + hint, code=error.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), code=error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", code=130)
    except StackError as error:
        _fail(error.message, error.detail)
    except httpx.HTTPError as error:
        _fail(f"no answer from {_address(error)}: {str(error) or type(error).__name__}; `attain status` says what runs")
    except BrokenPipeError:
        # Whoever read our output has had enough of it.
        os._exit(141)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error))
    except ModuleNotFoundError as error:
        _fail(f"{error}: {INSTALL}")
    except Exception as error:  # noqa: BLE001 - a user is told in one line; the traceback is one setting away
        _fail(f"{type(error).__name__}: {error} (ATTAIN_DEBUG=1 shows where)")


def _fail(message: str, detail: str = "", code: int = 1) -> NoReturn:
    message, detail = " ".join(shown(message).split()), shown(detail)
    click.echo(f"attain: {message}", err=True)
    for line in detail.splitlines():
        click.echo(f"    {line}", err=True)
    # Asked of the arguments themselves, since the error may be that they could not be understood.
    if "--json" in sys.argv:
        click.echo(json.dumps({"error": message}))
    sys.exit(code)


def _address(error: httpx.HTTPError) -> str:
    try:
        return str(error.request.url)
    except RuntimeError:
        return "the stack"
