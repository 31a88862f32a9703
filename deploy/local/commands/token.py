"""`attain token`: a token of the local stack, for curl and for scripts."""

import click

from deploy.local.options import Context, command_options
from deploy.local.tokens import DECIDES, DEFAULT_EXPIRES_S, DEFAULT_ROLES, DEFAULT_SCOPE, DEFAULT_SUBJECT, issue


@click.command()
@click.option("--scope", default=DEFAULT_SCOPE, show_default=True, help="Scopes, separated by spaces.")
@click.option("--sub", default=DEFAULT_SUBJECT, show_default=True, help="Whom the token stands for.")
@click.option("--source", help="URI of the only source it may write for.")
@click.option("--learner", help="The learner it stands for (records:read:self).")
@click.option(
    "--roles",
    help="Roles it may decide in, separated by spaces; the first first.  [default: of a token with"
    f" {DECIDES}: {DEFAULT_ROLES}]",
)
@click.option(
    "--expires", type=click.FloatRange(min=1), default=DEFAULT_EXPIRES_S, show_default=True, help="Seconds it is valid."
)
@command_options
def token(
    context: Context,
    *,
    scope: str,
    sub: str,
    source: str | None,
    learner: str | None,
    roles: str | None,
    expires: float,
) -> None:
    """
    Print a token of the local stack, which need not run.

    Where ATTAIN_<SERVICE>_URL name another, its key is the one in ATTAIN_TOKEN_KEY_FILE.
    """
    issued = issue(
        context.key_file,
        tenant=context.tenant,
        scope=scope,
        subject=sub,
        expires_s=expires,
        source=source,
        learner=learner,
        roles=roles,
    )
    context.emit({"token": issued}, issued)
