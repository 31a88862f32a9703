"""`attain correct`: take back many pieces of evidence at once; says first what would come of it."""

import datetime
import functools
from typing import Any

import click
import msgspec

from deploy.local.commands.asking import patiently, told
from deploy.local.commands.progress import Progress, bar
from deploy.local.commands.sending import Tally, send
from deploy.local.options import Context, command_options
from shared.shards import stable_id

TIMEOUT_S = 600.0
SCOPE = "admin evidence:write"
ASKED_AT_ONCE = 5000
CREDENTIALS_SHOWN = 10


@click.command()
@click.option("--source", required=True, help="URI of the source whose evidence it is.")
@click.option("--activity", default="", help="Id of an activity of the source.")
@click.option("--item", default="", help="Id of a piece, as the source knows it.")
@click.option("--since", metavar="TIME", help="Occurred at or after this instant, such as 2026-03-04T10:15:00Z.")
@click.option("--until", metavar="TIME", help="Occurred before this instant.")
@click.option("--apply", is_flag=True, help="Do it; otherwise only say what would come of it.")
@command_options
def correct(
    context: Context, source: str, activity: str, item: str, since: str | None, until: str | None, apply: bool
) -> None:
    """
    Take back the evidence of an activity, an id or a time, such as a test with a wrong key.

    Without --apply nothing changes: it says which learners, statuses, advancements and signed records would, by school.
    Doing it again changes nothing more, and what was cut off is done by doing it again.
    """
    asked = {"source": source, "activity": activity, "item": item, "since": since, "until": until}
    context.say("holding it against what is recorded")
    with context.client("progression", scope=SCOPE, timeout_s=TIMEOUT_S) as client:
        report = told(patiently(lambda: client.post("/v1/corrections/preview", json=asked))).json()
    items = report.pop("items")
    report["credentials"] = _credentials(context, report.pop("withdrawn"))
    counts: dict[str, int] = {}
    if apply:
        counts = _retract(context, items)
    context.emit(report | {"applied": apply, "sent": counts}, "\n".join(_lines(report, apply, counts)))


def _credentials(context: Context, withdrawn: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the signed records and badges that the withdrawals revoke."""
    found: dict[str, dict[str, Any]] = {}
    with context.client("reporting", scope="admin", timeout_s=TIMEOUT_S) as client:
        for start in range(0, len(withdrawn), ASKED_AT_ONCE):
            body = {"items": withdrawn[start : start + ASKED_AT_ONCE]}
            ask = functools.partial(client.post, "/v1/credentials/affected", json=body)
            for each in told(patiently(ask)).json()["items"]:
                # A learner's withdrawals may be asked about in two parts.
                scopes = found.get(each["id"], each)["scopes"]
                found[each["id"]] = each | {"scopes": sorted({*scopes, *each["scopes"]})}
    return list(found.values())


def _retract(context: Context, items: list[dict[str, str]]) -> dict[str, int]:
    """Send a retraction of every piece, in their order; the same one has the same id again."""
    at = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    tally, progress = Tally(), Progress()
    retractions = (
        msgspec.json.encode(
            {"id": f"void-{stable_id(each['source'], each['id'])}", "source": each["source"], "retracts": each["id"],
             "occurred_at": at}
        )
        for each in items
    )  # fmt: skip
    send(context, retractions, tally, sent=lambda n: progress.show(f"{bar(n / max(len(items), 1))} {n:,} taken back"))
    progress.clear()
    return dict(tally.counts)


def _lines(report: dict[str, Any], applied: bool, counts: dict[str, int]) -> list[str]:
    verb = "taken back" if applied else "would be taken back"
    lines = [
        f"{report['pieces']} pieces of {report['learners']} learners {verb}; {report['pairs']} competencies of them"
    ]
    lines += [f"  {row['pairs']:>7} from {row['from']} to {row['to']}" for row in report["statuses"]]
    lines += [f"  {count:>7} events {type}" for type, count in report["events"].items()]
    if report["schools"]:
        lines += ["", f"{'school':30}{'learners':>10}{'withdrawn':>11}{'reviews':>10}"]
    for row in report["schools"]:
        cells = [("few" if row[name] is None else row[name]) for name in ("learners", "withdrawn", "reviews")]
        lines.append(f"{row['school'][:30]:30}{cells[0]:>10}{cells[1]:>11}{cells[2]:>10}")
    lines += _credential_lines(report["credentials"], applied)
    refused = counts.get("rejected", 0) + counts.get("parked", 0)
    if refused:
        lines += ["", f"{refused} retractions were not taken; do it again"]
    return lines if applied else [*lines, "", "nothing was changed; --apply does it"]


def _credential_lines(credentials: list[dict[str, Any]], applied: bool) -> list[str]:
    if not credentials:
        return []
    verb = "are revoked" if applied else "would be revoked"
    learners = len({each["learner"] for each in credentials})
    lines = ["", f"{len(credentials)} signed records and badges of {learners} learners {verb}:"]
    for each in credentials[:CREDENTIALS_SHOWN]:
        what = "record" if each["whole_record"] else "badge"
        lines.append(
            f"  {what} {each['id']} of {each['learner']}, issued {each['issued_at'][:10]}: {', '.join(each['scopes'])}"
        )
    left = len(credentials) - CREDENTIALS_SHOWN
    return [*lines, f"  and {left} more (--json lists them)"] if left > 0 else lines
