"""`attain term`: closes a term, and lists those that are closed."""

import click

from deploy.local.client.asking import ask
from deploy.local.client.tenant_parts import framework_ids
from deploy.local.errors import StackError
from deploy.local.options import Commands, Context, command_options


@click.group(cls=Commands)
def term() -> None:
    """Close a term, so that what is on every record then is kept as it was."""


@term.command()
@click.argument("name")
@command_options
def close(context: Context, name: str) -> None:
    """
    Close the term NAME, such as "2026-27 autumn"; returns when all shards have folded it.

    A term is closed once and for all. What is found out later of what was shown by then is listed as its amendments.
    """
    closed = close_term(context, name)
    context.emit(closed, f"{closed['term']} is closed since {closed['closed_at']}, by {closed['closed_by']}")


def close_term(context: Context, name: str) -> dict[str, str]:
    """
    Close a term; return {term, closed_at, closed_by} as it was decided the first time.

    Raises:
        StackError: the tenant has no framework, so its name is likely to be another.
    """
    if not framework_ids(context):
        raise StackError(
            f"tenant {context.tenant} has no framework, so no record that a term could close; --tenant says which is meant"
        )
    closed: dict[str, str] = ask(context, "progression", "POST", "/v1/terms", json={"name": name})
    return closed


@term.command(name="list")
@command_options
def list_terms(context: Context) -> None:
    """List the terms that are closed, the latest first."""
    known = ask(context, "reporting", "GET", "/v1/terms")
    lines = [
        f"{each['closed_at']}  {each['term']}, by {each['closed_by']}{'' if each['complete'] else ' (being closed)'}"
        for each in known["items"]
    ]
    context.emit(known, "\n".join(lines) or "no term is closed")
