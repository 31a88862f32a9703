"""`attain correct`: take back or score anew many pieces of evidence at once; says first what would come of it."""

import csv
import datetime
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from deploy.local.client.asking import ask, patiently, told
from deploy.local.client.days import Day, local_days
from deploy.local.client.progress import Progress, bar
from deploy.local.client.sending import Tally, refused, send
from deploy.local.commands.completeness import listed
from deploy.local.commands.moving import lines as lines_of_move
from deploy.local.commands.moving import move
from deploy.local.commands.quarantine import kept
from deploy.local.errors import StackError
from deploy.local.files.text import read_text
from deploy.local.options import Context, command_options
from shared.contracts.native import native_of
from shared.shards import stable_id

TIMEOUT_S = 600.0
SCOPE = "admin evidence:write records:read"
NUMBERS, WORDS = ("raw", "max", "min", "scaled"), ("level", "scale")
ASKED_AT_ONCE = 5000
CREDENTIALS_SHOWN = 10


@click.command()
@click.option("--source", required=True, help="URI of the source whose evidence it is.")
@click.option("--activity", default="", help="Id of an activity of the source.")
@click.option("--item", default="", help="Id of a piece, as the source knows it.")
@click.option("--since", metavar="TIME", help="Occurred at or after this instant, such as 2026-03-04T10:15:00Z.")
@click.option("--until", metavar="TIME", help="Occurred before this instant.")
@click.option("--scores", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.csv",
              help="New scores instead of taking back: id, and raw,max[,min], scaled, or level[,scale].")  # fmt: skip
@click.option("--to", default="", metavar="LEARNER",
              help="Whose the piece (--item) is, as the source calls the learner: it is moved, not taken back.")  # fmt: skip
@click.option("--apply", is_flag=True, help="Do it; otherwise only say what would come of it.")
@command_options
def correct(
    context: Context, source: str, activity: str, item: str, since: str | None, until: str | None, scores: Path | None,
    to: str, apply: bool,
) -> None:  # fmt: skip
    """
    Take back evidence of a source, all or that of an activity, an id or a time, such as a test with a wrong key, give
    pieces new scores, or give a piece to the learner whose it is.

    Without --apply nothing changes: it says which learners, statuses, advancements and signed records would, by school.
    Doing it again changes nothing more, and what was cut off is done by doing it again. Exit code 1 where a correction was
    not taken.
    """
    if to:
        if not item or activity or since or until or scores:
            raise click.UsageError("--to moves one piece, that of --item")
        moving = move(context, source, item, to, apply=apply)
        context.emit(moving, "\n".join(lines_of_move(moving)))
        _end(moving["sent"])
        return
    asked: dict[str, Any] = {"source": source, "activity": activity, "item": item, "since": since, "until": until}
    if scores is not None:
        asked["scores"] = read_scores(scores)
    context.say("holding it against what is recorded")
    report = ask(
        context, "progression", "POST", "/v1/corrections/preview", json=asked, scope=SCOPE, timeout_s=TIMEOUT_S
    )
    items = report.pop("items")
    if scores is not None:
        report["unchanged"] = len({row["id"] for row in asked["scores"]} - {each["id"] for each in items})
    report["parked"] = sum(item in ("", each["id"]) for each in kept(context, "parked", None, source))
    if not items and not report["parked"]:
        _check_known(context, source, item)
    report["credentials"] = _credentials(context, report.pop("withdrawn"))
    day = local_days(context)
    counts: dict[str, int] = {}
    if apply:
        counts = _send(context, _retractions(items) if scores is None else _rescored(context, items), len(items))
    verb = "taken back" if scores is None else "scored anew"
    context.emit(report | {"applied": apply, "sent": counts}, "\n".join(lines(report, verb, apply, counts, day)))
    _end(counts)


def _check_known(context: Context, source: str, item: str) -> None:
    """Raise `StackError` where the tenant has never heard the source or had the piece: it may be mistyped."""
    if source not in {each["source"] for each in listed(context, days=1)["items"]}:
        raise StackError(f"tenant {context.tenant} knows no source {source}; `attain completeness` lists the sources")
    if item:
        ask(context, "evidence", "GET", f"/v1/evidence/{stable_id(context.tenant, source, item)}", scope=SCOPE)


def _end(sent: dict[str, int]) -> None:
    if refused(sent):
        click.get_current_context().exit(1)


def read_scores(file: Path) -> list[dict[str, Any]]:
    """
    Return the scores of a file, without cells that are empty.

    Raises:
        StackError: a row has no id or no number where there must be one, or a column is unknown.
    """
    reader = csv.DictReader(io.StringIO(read_text(file)))
    unknown = set(reader.fieldnames or ()) - {"id", *NUMBERS, *WORDS}
    if unknown or "id" not in (reader.fieldnames or ()):
        raise StackError(f"{file}: the columns are id, and raw,max[,min], scaled, or level[,scale]")
    rows = []
    for line, row in enumerate(reader, start=2):
        given = {name: value for name, value in row.items() if value}
        if None in row:
            raise StackError(f"{file}, line {line}: there are more cells than columns")
        for name in NUMBERS:
            if name in given and not isinstance(_number_or_word(given[name]), float):
                raise StackError(f"{file}, line {line}: {name} is no number: {given[name]!r}")
        rows.append({name: float(value) if name in NUMBERS else value for name, value in given.items()})
        if "id" not in given:
            raise StackError(f"{file}, line {line}: there is no id")
        if "level" in given:
            rows[-1]["level"] = _number_or_word(given["level"])
    return rows


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _credentials(context: Context, withdrawn: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the signed records and badges that the withdrawals revoke."""
    found: dict[str, dict[str, Any]] = {}
    with context.client("reporting", scope="admin", timeout_s=TIMEOUT_S) as client:
        for start in range(0, len(withdrawn), ASKED_AT_ONCE):
            body = {"items": withdrawn[start : start + ASKED_AT_ONCE]}
            for each in told(patiently(client.post, "/v1/credentials/affected", json=body)).json()["items"]:
                # A learner's withdrawals may be asked about in two parts.
                scopes = found.get(each["id"], each)["scopes"]
                found[each["id"]] = each | {"scopes": sorted({*scopes, *each["scopes"]})}
    return list(found.values())


def _retractions(items: list[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a retraction of every piece, in their order; the same one has the same id again."""
    at = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for each in items:
        yield msgspec.json.encode(
            {"id": f"void-{stable_id(each['source'], each['id'])}", "source": each["source"], "retracts": each["id"],
             "occurred_at": at}
        )  # fmt: skip


def _rescored(context: Context, items: list[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a piece that supersedes each, with all that it had but the score."""
    with context.client("evidence", scope=SCOPE) as client:
        for each in items:
            url = f"/v1/evidence/{stable_id(context.tenant, each['source'], each['id'])}"
            content = told(patiently(client.get, url)).json()["content"]
            if each["learner"] is None:
                raise StackError(f"{each['source']} knows no learner of {each['id']} any more")
            yield msgspec.json.encode(
                native_of(content) | {"id": each["as"], "source": each["source"], "learner": each["learner"],
                                      "score": each["score"], "supersedes": each["id"]}
            )  # fmt: skip


def _send(context: Context, items: Iterator[bytes], count: int) -> dict[str, int]:
    tally, progress = Tally(), Progress()
    send(context, items, tally, sent=lambda n: progress.show(f"{bar(n / max(count, 1))} {n:,} of {count:,}"))
    progress.clear()
    return dict(tally.counts)


def lines(report: dict[str, Any], verb: str, applied: bool, counts: dict[str, int], day: Day) -> list[str]:
    """Return what a correction does, or would do, a line each."""
    would = verb if applied else f"would be {verb}"
    lines = [
        f"{report['pieces']} pieces of {report['learners']} learners {would}; {report['pairs']} competencies of them"
    ]
    lines += [f"  {row['pairs']:>7} from {row['from']} to {row['to']}" for row in report["statuses"]]
    lines += [f"  {count:>7} event{'' if count == 1 else 's'} {type}" for type, count in report["events"].items()]
    if report.get("uncertain"):
        lines.append(f"  of {report['uncertain']} learners more may be told on the way, and taken back again")
    if report["schools"]:
        lines += ["", f"{'school':30}{'learners':>10}{'withdrawn':>11}{'reviews':>10}"]
    for row in report["schools"]:
        cells = [("few" if row[name] is None else row[name]) for name in ("learners", "withdrawn", "reviews")]
        lines.append(f"{row['school'][:30]:30}{cells[0]:>10}{cells[1]:>11}{cells[2]:>10}")
    lines += _credential_lines(report["credentials"], applied, day)
    if not report["pieces"]:
        lines.append(
            "no piece that counts is of this source and what else was given; `attain completeness` lists the sources"
        )
    if report.get("unchanged"):
        lines += ["", f"{report['unchanged']} ids of the file change nothing: no piece that counts has them, or it has that"
                  " score already"]  # fmt: skip
    if report["parked"]:
        lines += ["", f"{report['parked']} pieces of the source are parked, so not among these: correct them once they count"
                  " (attain quarantine list --status parked)"]  # fmt: skip
    if left := refused(counts):
        lines += ["", f"{left} corrections were not taken; do it again"]
    return lines if applied else [*lines, "", "nothing was changed; --apply does it"]


def _credential_lines(credentials: list[dict[str, Any]], applied: bool, day: Day) -> list[str]:
    if not credentials:
        return []
    verb = "are revoked" if applied else "would be revoked"
    learners = len({each["learner"] for each in credentials})
    lines = ["", f"{len(credentials)} signed records and badges of {learners} learners {verb}:"]
    for each in credentials[:CREDENTIALS_SHOWN]:
        what = "record" if each["whole_record"] else "badge"
        lines.append(
            f"  {what} {each['id']} of {each['learner']}, issued {day(each['issued_at'])}: {', '.join(each['scopes'])}"
        )
    left = len(credentials) - CREDENTIALS_SHOWN
    return [*lines, f"  and {left} more (--json lists them)"] if left > 0 else lines
