"""Who the learners are: their opaque ids, and the ids by which sources know them."""

import json
import uuid
from collections.abc import Iterable

import click

from deploy.local.client.asking import patiently, told
from deploy.local.errors import StackError
from deploy.local.options import Context

PAGE = 1000


def opaque_id(context: Context, learner: str, source_id: str | None) -> str:
    """
    Return the opaque id of a learner who is called by it, or by a source and that source's own id.

    Raises:
        click.UsageError: it cannot be one.
        StackError: the source knows no such learner.
    """
    if source_id is not None:
        return resolve(context, learner, source_id)
    try:
        return str(uuid.UUID(learner))
    except ValueError:
        asked = f"{learner!r} is no opaque id; give the source that calls the learner so before it"
        raise click.UsageError(f"{asked}, such as urn:attain:sample {learner}") from None


def resolve(context: Context, source: str, source_id: str) -> str:
    """
    Return the opaque id of the learner whom a source knows by its own id.

    Raises:
        StackError: there is none in the tenant.
    """
    found = known(context, source, source_id)
    if found is None:
        raise StackError(f"tenant {context.tenant} knows no learner {source_id!r} of source {source}")
    return found


def known(context: Context, source: str, source_id: str) -> str | None:
    """Return the opaque id of whom a source knows by its own id, None of nobody or of somebody who is no learner yet."""
    with context.client("evidence") as client:
        query = {"source": source, "source_id": source_id}
        answer = patiently(client.get, "/v1/learners", params=query)
    if answer.status_code == 404:
        return None
    found: str = told(answer).json()["learner"]
    return found


def learners_of(context: Context) -> list[str]:
    """Return the opaque ids of the tenant's learners."""
    found: dict[str, None] = {}
    after = ""
    with context.client("evidence", scope="service") as client:
        while True:
            query: dict[str, str | int] = {"after": after, "limit": PAGE}
            answer = told(patiently(client.get, "/v1/identities", params=query))
            rows = [json.loads(line) for line in answer.text.splitlines()]
            found |= {row["learner"]: None for row in rows if row["tenant"] == context.tenant}
            after = answer.headers["Attain-Next"]
            if len(rows) < PAGE:
                return list(found)


def references(context: Context, source: str, learners: Iterable[str]) -> dict[str, list[str]]:
    """Return a source's own ids of learners, by their opaque ids; whom the source does not know is left out."""
    found: dict[str, list[str]] = {}
    asked = sorted(learners)
    with context.client("evidence", scope="service") as client:
        for start in range(0, len(asked), PAGE):
            body = {"tenant": context.tenant, "source": source, "learners": asked[start : start + PAGE]}
            found |= told(patiently(client.post, "/v1/learners/references", json=body)).json()
    return found
