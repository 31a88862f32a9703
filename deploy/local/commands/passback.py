"""`attain passback`: standings to the gradebook of a learning system, as scores of line items that gate its modules."""

import datetime
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import httpx
import msgspec
from msgspec import Meta

from deploy.local.ags import Credentials, Platform
from deploy.local.client.asking import ask, patiently, told
from deploy.local.client.identities import known, references
from deploy.local.errors import StackError
from deploy.local.files.yaml_text import read_yaml
from deploy.local.options import Context, command_options
from services.reporting.domain.standing import on_record

PAGE = 500
HTTP_S = 60.0
RESOURCE = "attain:"
PASSED = {"advanced": frozenset(("advanced", "review_required"))}
PASSED["provisional"] = PASSED["advanced"] | {"sign_off_requested"}
"""Standings of a level that a score of 1 stands for: one under review stays until a person decides."""
UNKNOWN, MISSING = (re.compile(f"Object {what} field `(.*)`") for what in ("contains unknown", "missing required"))
"""What msgspec says of members, which is about objects and fields."""
NO_LEVEL = "/None"
"""How the standings name what is in no level: there is nothing to complete."""
Url = Annotated[str, Meta(min_length=1, max_length=2000)]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A file that says where standings go. `source` is whose own ids of learners the platform's user ids are.

    `on`: what a score of 1 stands for. `levels` and `competencies` are ids; no levels are all that learners stand in. `also` are
    names under which the platform tells of a line item elsewhere, by level or competency: `assignment:<id>` in Canvas' events,
    `lineItem:<id>` in OneRoster.
    """

    line_items: Url
    token_url: Url
    client_id: str
    key_file: str
    source: str
    key_id: str = ""
    audience: str = ""
    on: Literal["advanced", "provisional"] = "advanced"
    levels: tuple[str, ...] = ()
    competencies: tuple[str, ...] = ()
    also: dict[str, tuple[str, ...]] = {}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be posted; make and post nothing.")
@command_options
def passback(context: Context, file: Path, dry_run: bool) -> None:
    """
    Post standings to the line items of FILE (YAML or JSON), one a level: 1 of 1 where it is shown, 0 where it was and is no more.

    FILE has line_items, token_url, client_id, key_file and source; docs/webhooks.md has an example with all members.

    Only what the platform does not have yet is posted, so it may run again at any time, by a timer or after a failure. Line
    items that are missing are made; what comes back of them as evidence is recognised (`own_passback`).
    """
    target = read_target(file)
    wanted = _wanted(context, target)
    user_ids = references(context, target.source, {learner for scores in wanted.values() for learner in scores})
    tally = {"line_items": len(wanted), "posted": 0, "unchanged": 0, "unknown_learners": 0, "failed": 0}
    with httpx.Client(timeout=HTTP_S) as client:
        credentials = Credentials(
            target.token_url, target.client_id, file.parent / target.key_file, target.key_id, target.audience
        )
        platform = Platform(client, credentials, target.line_items)
        for scope, scores in wanted.items():
            if dry_run:
                tally["posted"] += sum(score == 1 for score in scores.values())
            else:
                _pass_back(context, platform, target, scope, scores, user_ids, tally)
    context.emit(tally)
    if tally["failed"]:
        sys.exit(1)


def _pass_back(
    context: Context, platform: Platform, target: Target, scope: str, scores: dict[str, float],
    user_ids: dict[str, list[str]], tally: dict[str, int],
) -> None:  # fmt: skip
    """Post the scores of one line item that the platform does not have yet."""
    line_item = platform.line_item(RESOURCE + scope, scope)
    # Before the first score: its echo may be faster than we are.
    _note_own(context, [line_item, RESOURCE + scope, *target.also.get(scope, ())])
    held = platform.results(line_item)
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    due = {user: score for learner, score in scores.items() for user in user_ids.get(learner, ())}
    tally["unknown_learners"] += sum(score == 1 and not user_ids.get(learner) for learner, score in scores.items())
    # Whoever is merged with another stands nowhere any more; of whom the source does not know, nothing is said.
    left = [user for user in held.keys() - due.keys() if held[user]]
    due |= {user: 0.0 for user in left if known(context, target.source, user) is not None}
    for user, score in due.items():
        if score == 0 and user not in held:
            # Who was never given a score needs no 0.
            continue
        if held.get(user) == score:
            tally["unchanged"] += 1
            continue
        try:
            platform.post_score(line_item, user, score, at)
            tally["posted"] += 1
        except StackError as error:
            context.say(f"{scope}: {error.message}")
            tally["failed"] += 1


def read_target(file: Path) -> Target:
    """Return what a file says; raises `StackError` where it is not of the form."""
    content = read_yaml(file)
    try:
        return msgspec.convert(content if isinstance(content, dict) else {}, Target)
    except msgspec.ValidationError as error:
        said = MISSING.sub(r"it has no \1", UNKNOWN.sub(r"\1 is not known", str(error)))
        raise StackError(f"{file} does not say where standings go: {said}; docs/webhooks.md has an example") from error


def _wanted(context: Context, target: Target) -> dict[str, dict[str, float]]:
    """Return the score that every learner is to have, by level or competency."""
    wanted: dict[str, dict[str, float]] = {scope: {} for scope in (*target.levels, *target.competencies)}
    for page in _standings(context):
        for item in page["items"]:
            level, learner = item["level"], item["learner"]
            if level in target.levels if target.levels else not level.endswith(NO_LEVEL):
                wanted.setdefault(level, {})[learner] = float(item["status"] in PASSED[target.on])
        held = [(item["learner"], one) for item in page["items"] for one in item["competencies"]]
        for learner, one in (*held, *((one["learner"], one) for one in page.get("retired", ()))):
            if one["competency"] in target.competencies:
                wanted[one["competency"]][learner] = float(_is_shown(one, target.on))
    return wanted


def _is_shown(standing: dict[str, Any], on: str) -> bool:
    """Tell whether a score of 1 stands for the standing of a competency."""
    status = standing["status"]
    return on_record(status, standing["effective_at"]) or (on == "provisional" and status == "provisional")


def _standings(context: Context) -> Iterator[dict[str, Any]]:
    after: str | None = ""
    with context.client("progression") as client:
        while after is not None:
            query: dict[str, Any] = {"after": after, "limit": PAGE}
            page = told(patiently(client.get, "/v1/standings", params=query)).json()
            yield page
            after = page["next"]


def _note_own(context: Context, activities: list[str]) -> None:
    ask(context, "evidence", "POST", "/v1/own-activities", json={"activities": activities}, scope="admin")
