"""`attain merge` and `attain unmerge`: two learners that are one person, and back."""

import click

from deploy.local.client.asking import patiently, segment, told
from deploy.local.options import Context, command_options


@click.command()
@click.argument("merged", metavar="ID")
@click.argument("into", metavar="INTO")
@click.option("--reason", required=True, help="Why they are the same person; kept with the merge.")
@command_options
def merge(context: Context, merged: str, into: str, reason: str) -> None:
    """Give the identities and evidence of learner ID to learner INTO; the answer names the merge, to undo it by."""
    with context.client("evidence", scope="admin") as client:
        content = {"into": into, "reason": reason}
        answer = patiently(client.post, f"/v1/learners/{segment(merged)}/merge", json=content)
    context.emit(told(answer).json())


@click.command()
@click.argument("merge_id", metavar="MERGE")
@command_options
def unmerge(context: Context, merge_id: str) -> None:
    """Undo a merge: what it moved goes back, with what came since by the identities that it moved."""
    with context.client("evidence", scope="admin") as client:
        answer = patiently(client.post, f"/v1/merges/{segment(merge_id)}/undo")
    context.emit(told(answer).json())
