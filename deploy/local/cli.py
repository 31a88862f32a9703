"""`attain`: the command of a laptop and of an operator's terminal."""

import importlib.metadata
import json
import os
import sys
from typing import NoReturn

import click
import httpx

from deploy.local.commands.adopting import approve_policy, audit_policies, compare_policy, propose_policy
from deploy.local.commands.alignment import alignment
from deploy.local.commands.class_ import class_
from deploy.local.commands.correct import correct
from deploy.local.commands.demo import demo
from deploy.local.commands.doctor import doctor
from deploy.local.commands.drain import drain
from deploy.local.commands.evaluate import evaluate
from deploy.local.commands.explain import explain
from deploy.local.commands.framework import framework
from deploy.local.commands.ingest import ingest
from deploy.local.commands.key import key
from deploy.local.commands.learner import learner
from deploy.local.commands.lifecycle import down, reset, up
from deploy.local.commands.merging import merge, unmerge
from deploy.local.commands.onboard import onboard
from deploy.local.commands.passback import passback
from deploy.local.commands.policy import policy
from deploy.local.commands.privacy import erase, export
from deploy.local.commands.quarantine import quarantine
from deploy.local.commands.rebuild import rebuild
from deploy.local.commands.rollover import rollover
from deploy.local.commands.roster import roster
from deploy.local.commands.settings import settings
from deploy.local.commands.shadow import shadow_policy
from deploy.local.commands.simulate import simulate_policy
from deploy.local.commands.status import status
from deploy.local.commands.tenant import tenant
from deploy.local.commands.token import token
from deploy.local.commands.verify import verify
from deploy.local.commands.webhook import webhook
from deploy.local.errors import StackError

COMMANDS: tuple[click.Command, ...] = (
    demo, up, status, down, reset, framework, roster, rollover, policy, settings, alignment, onboard, ingest, correct, quarantine,
    drain, learner, class_, explain, webhook, passback, merge, unmerge, export, erase, verify, rebuild, evaluate, doctor, token,
    key, tenant,
)  # fmt: skip


def _version() -> str:
    try:
        return importlib.metadata.version("attain")
    except importlib.metadata.PackageNotFoundError:
        return "(a checkout that is not installed)"


class _InOrder(click.Group):
    """Lists the commands in the order in which one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="attain")
@click.option("--home", help="As with each command; may also stand before it.")
@click.option("--tenant", help="As with each command; may also stand before it.")
def attain(home: str | None, tenant: str | None) -> None:
    """Attain: evidence in, mastery folded, advancement out."""
    for name, value in (("ATTAIN_HOME", home), ("ATTAIN_TENANT", tenant)):
        if value is not None:
            os.environ[name] = value


for _command in COMMANDS:
    attain.add_command(_command)
for _command in (simulate_policy, compare_policy, propose_policy, approve_policy, audit_policies, shadow_policy):
    policy.add_command(_command)


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
        _fail(f"no answer from {_address(error)}: {error or type(error).__name__}")
    except BrokenPipeError:
        # Whoever read our output has had enough of it.
        os._exit(141)
    except Exception as error:  # noqa: BLE001 - a user is told in one line; the traceback is one setting away
        _fail(f"{type(error).__name__}: {error} (ATTAIN_DEBUG=1 shows where)")


def _fail(message: str, detail: str = "", code: int = 1) -> NoReturn:
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
