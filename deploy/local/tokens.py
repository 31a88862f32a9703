"""Tokens of a local stack, signed with the key of its home."""

from pathlib import Path

import click

from deploy.local.errors import StackError

DEFAULT_SCOPE = "evidence:write records:read policy:write decisions:write admin"
DEFAULT_EXPIRES_S = 12 * 3600.0
DEFAULT_SUBJECT = "laptop"
DECIDES = "decisions:write"
DEFAULT_ROLES = "teacher counsellor registrar school_leader"


def issue(
    key_file: Path,
    *,
    tenant: str,
    scope: str = DEFAULT_SCOPE,
    subject: str = DEFAULT_SUBJECT,
    expires_s: float = DEFAULT_EXPIRES_S,
    source: str | None = None,
    learner: str | None = None,
    roles: str | None = None,
) -> str:
    """
    Return a signed token with these claims; without `roles`, one that may decide has the default ones, others none.

    Raises:
        click.UsageError: there is no such scope, or no such role.
        StackError: there is no key.
    """
    # Imported here: it takes longer than most commands.
    from shared.auth import SCOPES, issue_token, read_keys
    from shared.permissions import ROLES, role_of

    if roles is None:
        roles = DEFAULT_ROLES if DECIDES in scope.split() else ""
    unknown = sorted(set(scope.split()) - SCOPES)
    if unknown:
        raise click.UsageError(f"no such scope: {', '.join(unknown)}; there are {', '.join(sorted(SCOPES))}")
    # Read as none at all, it would see what a leader does.
    unknown = sorted(role for role in set(roles.split()) if role_of(role) is None)
    if unknown:
        known = sorted({*ROLES, *DEFAULT_ROLES.split()})
        raise click.UsageError(f"no such role: {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        key = read_keys(key_file.read_text())[0]
    except FileNotFoundError as error:
        raise StackError(f"no stack has been started in {key_file.parent}; start one with `attain up`") from error
    return issue_token(
        key,
        subject=subject,
        tenant=tenant,
        scope=scope,
        expires_s=expires_s,
        source=source,
        learner=learner,
        roles=roles.split() or None,
    )
