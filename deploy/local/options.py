"""
What every command of `attain` has in common: its options and the `Context` it works with.

A new command is a module in `deploy/local/commands/` with

    @click.command()
    @click.argument("learner")
    @command_options
    def learner(context: Context, learner: str) -> None: ...

and a line in the list in `cli.py`. Raise `StackError` for what the user should read in one line.
"""

import base64
import functools
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import urlsplit

import click
import httpx

from deploy.local import stack
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.services import SERVICES, url_variable
from deploy.local.stack import Stack
from deploy.local.tokens import DEFAULT_SCOPE, issue

TENANT_FORM = r"[a-z0-9-]{1,63}"
DEFAULT_TENANT = "demo"
HTTP_TIMEOUT_S = 60.0
SENTENCE_CHARS_MAX = 300
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal takes for commands to itself; line ends and tabs are none."""

P = ParamSpec("P")


class Context:
    """
    The stack, tenant and manner of output that a command was called with.

    Attributes:
        home: the home folder, absolute; it need not exist.
        tenant: the tenant, checked; `tenant_given` tells whether the user named it.
        json: whether standard output is for one JSON object and nothing else.
        remote: whether `ATTAIN_*_URL` name a stack that is not local.
    """

    def __init__(self, home: Path, tenant: str, *, json: bool = False, tenant_given: bool = True) -> None:
        self.home = home
        self.tenant = tenant
        self.tenant_given = tenant_given
        self.json = json
        given = {service: os.environ.get(url_variable(service), "") for service in SERVICES}
        self._given = {service: url.rstrip("/") for service, url in given.items() if url}
        self.remote = bool(self._given)

    def say(self, text: str) -> None:
        """Tell progress: a line on standard error."""
        click.echo(shown(text), err=True)

    def emit(self, result: Mapping[str, Any], text: str | None = None) -> None:
        """Give the result, once: the object with `--json`, else `text`, else its members a line each."""
        if self.json:
            click.echo(json.dumps(result))
        else:
            said = text if text is not None else "\n".join(f"{name}: {_plain(v)}" for name, v in result.items())
            click.echo(shown(said))

    def stack(self) -> Stack:
        """
        Return the local stack.

        Raises:
            StackError: none runs in this home.
        """
        found = stack.running(self.home)
        if found is None and stack.starting(self.home):
            raise StackError(f"the stack in {self.home} is not ready yet; `attain status` says when it is")
        if found is None:
            raise StackError(f"no stack runs in {self.home}; start one with `attain up`")
        return found

    @property
    def urls(self) -> Mapping[str, str]:
        """The base URL of each service: of the stack the environment names, else of the running local one."""
        if not self.remote:
            return self.stack().urls
        missing = [url_variable(service) for service in SERVICES if service not in self._given]
        if missing:
            raise StackError(f"give all three addresses of the stack: {', '.join(missing)} is missing")
        for service, url in self._given.items():
            if not re.match(r"https?://[^/?#\s]", url):
                told = f"{url_variable(service)} is {url!r}"
                raise StackError(f"{told}, and has to be an address such as https://attain.example.edu")
        return self._given

    @property
    def pages_url(self) -> str:
        """Where a browser reaches the pages: `ATTAIN_PUBLIC_URL`, else where this command reaches them."""
        return os.environ.get("ATTAIN_PUBLIC_URL", "").rstrip("/") or self.urls["reporting"]

    @property
    def key_file(self) -> Path:
        """
        The file of the key that signs tokens: that of the home, or `ATTAIN_TOKEN_KEY_FILE` of a stack that is not local.

        Raises:
            StackError: of a stack that is not local no key is given.
        """
        if not self.remote:
            return Home(self.home).token_key_file
        named = os.environ.get("ATTAIN_TOKEN_KEY_FILE", "")
        if not named:
            raise StackError(
                "give a token for the stack that ATTAIN_EVIDENCE_URL names, in ATTAIN_TOKEN,"
                " or the file of its key, in ATTAIN_TOKEN_KEY_FILE"
            )
        return Path(named)

    def token(self, scope: str = DEFAULT_SCOPE, *, tenant: str | None = None) -> str:
        """
        Return `ATTAIN_TOKEN` where it is given, whatever the scope: who says who they are is nobody else.

        Else a bearer token with this scope, signed with the key of the local stack or `ATTAIN_TOKEN_KEY_FILE`.

        Raises:
            StackError: the given one is for another tenant than the command's, which would show or change that one; whoever asks
                as a service names the tenant.
        """
        given = os.environ.get("ATTAIN_TOKEN", "")
        if given:
            of = _tenant_of(given)
            if of not in (None, self.tenant) and "service" not in scope.split():
                raise StackError(f"the token is for tenant {of}, not {self.tenant}; give --tenant {of}")
            return given
        wanted = self.tenant if tenant is None else tenant
        if not self.remote:
            return self.stack().token(wanted, scope)
        if not self.key_file.is_file():
            raise StackError(f"ATTAIN_TOKEN_KEY_FILE is {self.key_file}, and there is no such file")
        return issue(self.key_file, tenant=wanted, scope=scope)

    def client(
        self, service: str, *, scope: str = DEFAULT_SCOPE, tenant: str = "", timeout_s: float = HTTP_TIMEOUT_S
    ) -> httpx.Client:
        """
        Return a client that sends a token; to be closed (`with`).

        Args:
            service: evidence, progression or reporting.
            scope: what a token of a local stack may do.
            tenant: another tenant than the command's.
            timeout_s: for connecting and for each read.
        """
        urls = self.urls
        return httpx.Client(
            base_url=urls[service],
            headers={"Authorization": f"Bearer {self.token(scope, tenant=tenant or None)}"},
            timeout=timeout_s,
            # A proxy that the user has set knows nothing of this machine's own addresses.
            trust_env=not all(urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1") for url in urls.values()),
        )


class Commands(click.Group):
    """A group whose help has the first sentence of each command whole, on as many lines as it takes."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(SENTENCE_CHARS_MAX)) for name, command in commands if command is not None
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def shown(text: str) -> str:
    """Return a text as it may be written to a terminal: names, reasons and ids in it are what anybody has sent."""
    return CONTROLS.sub("", text)


def command_name() -> str:
    """Return how the user calls this command: `attain` where it is on the path, else as it was called."""
    called = Path(sys.argv[0])
    if called.name != "attain" or shutil.which("attain"):
        return "attain"
    return os.path.relpath(called)


def command_options(function: Callable[Concatenate[Context, P], None]) -> Callable[P, None]:
    """Give a command `--home`, `--tenant` and `--json`, and a `Context` as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
    @click.option(
        "--tenant",
        envvar="ATTAIN_TENANT",
        default=DEFAULT_TENANT,
        show_default=True,
        callback=_tenant,
        help="Tenant to work in; that of ATTAIN_TOKEN, where only this is given.",
    )
    @click.option(
        "--home",
        envvar="ATTAIN_HOME",
        default=".attain",
        show_default=True,
        help="Folder of the local stack.",
        type=click.Path(file_okay=False, path_type=Path),
    )
    @functools.wraps(function)
    def command(*args: P.args, **options: P.kwargs) -> None:
        _refuse_unusable(click.get_current_context())
        own = cast(dict[str, Any], options)
        source = click.get_current_context().get_parameter_source("tenant")
        tenant, given = own.pop("tenant"), source is not click.core.ParameterSource.DEFAULT
        if not given:
            tenant = _tenant_of(os.environ.get("ATTAIN_TOKEN", "")) or tenant
        context = Context(own.pop("home").expanduser().absolute(), tenant, json=own.pop("as_json"), tenant_given=given)
        function(context, *args, **options)

    return command


def _tenant_of(token: str) -> str | None:
    """Return the tenant that a token is for; None of what is no token, such as an API key."""
    payload = "".join(token.split(".")[1:2])
    try:
        return str(json.loads(base64.urlsafe_b64decode(f"{payload}=="))["tenant"])
    except (ValueError, KeyError, TypeError):
        return None


def _refuse_unusable(context: click.Context) -> None:
    """
    Refuse texts that were given and are empty, as a variable is that was never set, and numbers without an end.

    Left out, many texts mean all there is: of a source, of a tenant.
    """
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if not _given(context, parameter):
            continue
        texts = value if isinstance(value, tuple) else (value,)
        if parameter.type is click.STRING and any(not text.strip() for text in texts):
            raise click.BadParameter("it is empty", context, parameter)
        if isinstance(value, float) and not math.isfinite(value):
            raise click.BadParameter("it is no finite number", context, parameter)


def _given(context: click.Context, parameter: click.Parameter) -> bool:
    """Tell whether the user gave a parameter."""
    return context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE


def _tenant(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(TENANT_FORM, value):
        raise click.BadParameter(f"{value!r} does not match {TENANT_FORM}")
    return value


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
