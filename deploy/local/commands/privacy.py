"""`attain export learner`, `attain erase learner`, `attain erase staff`: see what is held of a learner, and forget people."""

import contextlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import httpx

from deploy.local.client.asking import ask, completed, confirmed, patiently, segment, told
from deploy.local.client.identities import known, opaque_id
from deploy.local.commands.drain import wait_until_drained
from deploy.local.files.writing import whole
from deploy.local.options import Commands, Context, command_options
from deploy.local.topic_cleaning import clean_topics
from shared.settings import settings_or_exit
from shared.shards import stable_id

DRAIN_S = 600.0
Clients = Mapping[str, httpx.Client]
"""By service."""

HELD = {
    "evidence.json": ("evidence", "/v1/learners/{}/holdings"),
    "mastery.json": ("progression", "/v1/learners/{}/mastery"),
    "plans.json": ("progression", "/v1/learners/{}/plans"),
    "decisions.json": ("progression", "/v1/learners/{}/decisions"),
    "advancements.json": ("progression", "/v1/learners/{}/advancements"),
    "disclosures.json": ("progression", "/v1/learners/{}/disclosures?limit=10000"),
    "record.json": ("reporting", "/v1/learners/{}/record"),
    "looks.json": ("reporting", "/v1/learners/{}/accesses?limit=10000"),
    "review_requests.json": ("reporting", "/v1/learners/{}/review-requests?limit=10000"),
}
"""The files of an export, beside `terms.json`: the service that holds it, and where."""


@click.group(cls=Commands)
def export() -> None:
    """Exports: everything that is held of a learner, or every table."""


@click.group(cls=Commands)
def erase() -> None:
    """Forgetting: a learner, for good; or what a person of the staff is called."""


@export.command("learner")
@click.argument("learner", metavar="[SOURCE] ID")
@click.argument("source_id", metavar="", required=False)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The ZIP to write; default learner-ID.zip, by the opaque id.",
)
@command_options
def export_learner(context: Context, learner: str, source_id: str | None, output: Path | None) -> None:
    """
    Write one ZIP with everything that is held of a learner.

    Evidence and its originals, mastery, individual plans, what people decided and why, also of plans that have ended,
    advancements, the record with what was stated beside it and what each term ended with, which systems were told what, who
    looked, and what was asked to be looked at again. Of each learner who was merged into this one, what stays under that one's
    own id is in a folder of its own.

    By SOURCE ID also of somebody who is no learner yet: pieces that wait or could not be used, and statements.
    """
    opaque = known(context, learner, source_id) if source_id is not None else opaque_id(context, learner, None)
    file = output or Path(f"learner-{opaque or stable_id(context.tenant, learner, source_id or '')}.zip")
    with whole(file) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as bundle, clients(context) as asked:
        if opaque is None:
            path = f"/v1/holdings?{urlencode({'source': learner, 'source_id': source_id})}"
            sizes = _written(bundle, {"evidence.json": _held(asked, "evidence", path)}, "")
        else:
            sizes = write_held(asked, bundle, opaque, closed_terms(asked))
    context.emit({"learner": opaque, "file": str(file), "bytes": sizes})


@erase.command("learner")
@click.argument("learner", metavar="[SOURCE] ID")
@click.argument("source_id", metavar="", required=False)
@click.option("--yes", is_flag=True, help="Do not ask; it cannot be undone.")
@click.option(
    "--topics", is_flag=True, help="Empty Kafka's topics of logs too; they would keep what they hold for 7 days."
)
@command_options
def erase_learner(context: Context, learner: str, source_id: str | None, yes: bool, topics: bool) -> None:
    """
    Forget a learner for good: names, source ids, evidence and originals; events lose their bodies and keep their places.

    By SOURCE ID also somebody of whom there is nothing yet but pieces that wait or could not be used, or statements.

    What a source sends again of the erased evidence is refused. The answer is a certificate. Progression and reporting forget
    the learner as soon as they read of it.
    """
    # Whom a source names may be no learner yet, and have no opaque id.
    opaque = opaque_id(context, learner, None) if source_id is None else None
    if not yes:
        who = opaque or f"{source_id} of {learner}"
        confirmed(f"Forget learner {who} of tenant {context.tenant}? This cannot be undone", "nothing was erased")
    named = {"source": learner, "source_id": source_id} if opaque is None else None
    path = "/v1/learners" if opaque is None else f"/v1/learners/{segment(opaque)}"
    certificate: dict[str, Any] = ask(context, "evidence", "DELETE", path, params=named, scope="admin")
    if not certificate["in_ledger"]:
        context.say("no ledger of erasures is kept here: a restore of an earlier backup would bring the learner back")
    for other in certificate["stays_under"]:
        context.say(
            f"what stood under {other} by a merge that was undone is kept there until that learner is erased too"
        )
    if certificate["unreadable"]:
        context.say(
            f"of {certificate['unreadable']:,} quarantined pieces nobody can read whose they are: look at them with"
            " `attain quarantine list`; they go by age, or all at once by DELETE /v1/quarantine"
        )
    if topics:
        wait_until_drained(context, DRAIN_S)
        config = settings_or_exit("attain")
        if not context.remote:
            config = config.model_copy(update={"kafka": context.stack().kafka})
        certificate["records_deleted"] = clean_topics(config)
    context.emit(certificate)


@erase.command("staff")
@click.argument("person")
@command_options
def erase_staff(context: Context, person: str) -> None:
    """
    Forget what a person of the staff is called, by the subject of the person's tokens.

    That the person looked, assessed or decided stays, by the subject. A roster that names the person again is believed.
    """
    forgotten: dict[str, Any] = ask(context, "evidence", "DELETE", f"/v1/staff/{segment(person)}", scope="admin")
    if not forgotten["in_ledger"]:
        context.say("no ledger of erasures is kept here: a restore of an earlier backup would bring the name back")
    context.emit(forgotten)
    if not forgotten["had_name"]:
        context.say(f"tenant {context.tenant} held no name of {person}, or has forgotten it already")
        click.get_current_context().exit(1)


@contextlib.contextmanager
def clients(context: Context) -> Iterator[Clients]:
    """Lend a client of each service that may read all that is held of learners."""
    with contextlib.ExitStack() as stack:
        yield {
            service: stack.enter_context(context.client(service, scope="admin records:read"))
            for service in ("evidence", "progression", "reporting")
        }


def closed_terms(clients: Clients) -> list[str]:
    """Return the terms of the tenant that are closed."""
    return [each["term"] for each in told(patiently(clients["reporting"].get, "/v1/terms")).json()["items"]]


def write_held(
    clients: Clients, bundle: zipfile.ZipFile, learner: str, terms: Sequence[str], folder: str = ""
) -> dict[str, int]:
    """Write all that is held of a learner into a folder of a ZIP, and of whoever is merged into the learner; return the sizes."""
    contents = _contents(clients, learner, terms)
    for merge in json.loads(contents["evidence.json"])["merges"]:
        # Their evidence is the learner's; what was decided, told and stated of them stands where it did.
        if merge["kept"] == learner and merge["undone_at"] is None:
            of_merged = _contents(clients, merge["merged"], terms, but="evidence")
            contents |= {f"merged/{merge['merged']}/{name}": content for name, content in of_merged.items()}
    return _written(bundle, contents, folder)


def _written(bundle: zipfile.ZipFile, contents: Mapping[str, bytes], folder: str) -> dict[str, int]:
    for name, content in contents.items():
        bundle.writestr(f"{folder}{name}", content)
    return {name: len(content) for name, content in contents.items()}


def _contents(clients: Clients, learner: str, terms: Sequence[str], *, but: str = "") -> dict[str, bytes]:
    """Return what the services hold of a learner by file, without one of them."""
    at = segment(learner)
    contents = {name: _held(clients, of, path.format(at)) for name, (of, path) in HELD.items() if of != but}
    records = [_held(clients, "reporting", f"/v1/terms/{segment(term)}/learners/{at}") for term in terms]
    return contents | {"terms.json": b"[" + b",".join(records) + b"]"}


def _held(clients: Clients, service: str, path: str) -> bytes:
    """Return all that a service holds of a learner, as JSON; empty where it knows nothing."""
    answer = patiently(clients[service].get, path)
    if answer.status_code == 404 and service != "evidence":
        return b"{}"
    return json.dumps(completed(clients[service], path, answer), ensure_ascii=False).encode()
