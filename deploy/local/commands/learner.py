"""`attain learner`: the record of one learner, as a page of text or as the service gives it."""

import json
from pathlib import Path
from typing import Any

import click
import httpx

from deploy.local.client.asking import patiently, segment, told
from deploy.local.client.days import Day, local_days
from deploy.local.client.drawing import sparkline, steps_of
from deploy.local.client.identities import opaque_id
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options

WORDS = {
    "no_evidence": "nothing seen yet",
    "insufficient_evidence": "more to be seen",
    "not_yet": "not yet",
    "provisional": "shown, to be confirmed",
    "mastered": "mastered",
    "credited": "credited",
    "presumed": "presumed",
    "reverify_due": "mastered, re-check due",
    "overridden": "decided by a person",
}
TITLE_CHARS = 58
NEXT_SHOWN = 5
ENOUGH_SHOWN = 5


@click.command()
@click.argument("learner", metavar="[SOURCE] ID")
@click.argument("source_id", metavar="", required=False)
@click.option("--as-of", metavar="TIME", help="As it was then, such as 2026-03-04T10:15:00Z.")
@click.option("--credential", type=click.Path(path_type=Path), metavar="FILE",
              help="Write the signed record (CLR 2.0 with Open Badges 3.0) to FILE.")  # fmt: skip
@click.option(
    "--transcript", type=click.Path(path_type=Path), metavar="FILE", help="Write the transcript to FILE, a PDF."
)
@click.option("--all", "every", is_flag=True, help="Name every competency of which there is enough evidence.")
@command_options
def learner(
    context: Context, learner: str, source_id: str | None, as_of: str | None, credential: Path | None,
    transcript: Path | None, every: bool,
) -> None:  # fmt: skip
    """Show the record of a learner: by opaque ID, or by SOURCE and that source's own ID."""
    opaque = opaque_id(context, learner, source_id)
    if credential is not None or transcript is not None:
        _write(context, opaque, credential, transcript)
        return
    query = {"as_of": as_of} if as_of else {}
    record = _ask(context, opaque, "record", **query).json()
    if context.json:
        context.emit(record)
        return
    lines = [text(record, _name(context, opaque), local_days(context))]
    if not as_of:
        with context.client("reporting") as client:
            grown = patiently(client.get, f"/v1/learners/{segment(opaque)}/growth")
        lines += growth_lines(grown.json()) if grown.is_success else []
        with context.client("progression") as client:
            further = patiently(client.get, f"/v1/learners/{segment(opaque)}/next-evidence")
        lines += further_lines(further.json(), record["items"], every=every) if further.is_success else []
    context.emit(record, "\n".join(lines))


def _ask(context: Context, opaque: str, what: str, **query: str) -> httpx.Response:
    with context.client("reporting") as client:
        answer = patiently(client.get, f"/v1/learners/{segment(opaque)}/{what}", params=query)
    if answer.status_code == 404:
        raise StackError(f"tenant {context.tenant} has no record of learner {opaque}")
    return told(answer)


def _write(context: Context, opaque: str, credential: Path | None, transcript: Path | None) -> None:
    """Write what travels to files; with a new line at the end, as other tools do."""
    done: dict[str, Any] = {"learner": opaque}
    lines = []
    if credential is not None:
        signed = _ask(context, opaque, "credential").json()
        credential.write_text(json.dumps(signed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        badges = len(signed["credentialSubject"]["verifiableCredential"])
        done |= {"credential": str(credential), "id": signed["id"], "issuer": signed["issuer"]["id"], "badges": badges}
        lines.append(
            f"{credential}: {badges} achievement{'' if badges == 1 else 's'}, signed by {signed['issuer']['id']}"
        )
    if transcript is not None:
        transcript.write_bytes(_ask(context, opaque, "transcript").content)
        done["transcript"] = str(transcript)
        lines.append(str(transcript))
    context.emit(done, "\n".join(lines))


def text(record: dict[str, Any], name: str | None, day: Day) -> str:
    """Return a record as a page for a terminal: each subject's levels and competencies, then what comes next."""
    lines = [f"{name}  ({record['learner']})" if name else f"learner {record['learner']}"]
    for subject in record.get("subjects", ()):
        lines += ["", *_subject(subject, record["items"], day)]
    placed = {(each["framework"], each["subject"]) for each in record.get("subjects", ())}
    others = [item for item in record["items"] if (item["framework"], item["subject"]) not in placed]
    if others:
        lines += ["", "other competencies", *(_item(item, day) for item in others)]
    for heading, steps in (("ready for", record.get("next", ())), ("re-check due", record.get("review", ()))):
        if steps:
            lines += ["", f"{heading}:", *(f"  {_title(step)}" for step in steps[:NEXT_SHOWN])]
            lines += [f"  and {len(steps) - NEXT_SHOWN} more"] if len(steps) > NEXT_SHOWN else []
    for each in record.get("statements", ()):
        said = " ".join("".join(char for char in part if char.isprintable()) for part in each["text"].split())
        lines += ["", f"stated by the {each['stated_as']} on {day(each['stated_at'])} of {_title(each)}:", f"  {said}"]
    if record.get("stale"):
        lines += ["", "An event about this learner waits to be looked at; what is shown may be older."]
    return "\n".join(lines)


def growth_lines(grown: dict[str, Any]) -> list[str]:
    """Return a learner's growth as a sparkline of competencies on the record, with the pace of late and before."""
    points = grown["points"]
    if len(points) < 2:
        return []
    first, last = points[0][0], points[-1][0]
    lines = ["", f"growth: {sparkline(steps_of(points))}  {points[-1][1]} on the record, {first} to {last}"]
    if grown["overall"] is not None:
        pace = grown["overall"]
        line = f"  {pace['per_30_days']:g} in 30 days ({pace['low']:g} to {pace['high']:g})"
        if grown["recent"] is not None and grown["earlier"] is not None:
            line += (
                f"; in the last 90 days {grown['recent']['per_30_days']:g}, before {grown['earlier']['per_30_days']:g}"
            )
        lines.append(line)
    return lines


def further_lines(further: dict[str, Any], items: list[dict[str, Any]], *, every: bool = False) -> list[str]:
    """
    Return of what there is enough evidence, by name, and the smallest next evidence that could settle what is open.

    Of the first the `ENOUGH_SHOWN` first are named, or `every` one.
    """
    known = {item["competency"]: item for item in items}

    def named(competency: str) -> str:
        return _title(known.get(competency, {"competency": competency, "title": ""}))

    lines = []
    if further["enough"]:
        names = sorted(map(named, further["enough"]))
        shown = names if every else names[:ENOUGH_SHOWN]
        lines += ["", "one more test, however it turns out, changes nothing:", *(f"  {name}" for name in shown)]
        lines += [f"  and {len(names) - len(shown)} more; --all lists them"] if len(names) > len(shown) else []
    if further["next"]:
        lines += ["", "the smallest next evidence:"]
        lines += [f"  {named(each['competency'])}: {each['text']}" for each in further["next"]]
    return lines


def _subject(subject: dict[str, Any], items: list[dict[str, Any]], day: Day) -> list[str]:
    name = subject["subject"] or subject["framework"]
    at = f", working at level {subject['current_level']}" if subject["current_level"] is not None else ""
    lines = [f"{name}: {subject['mastered']} of {subject['total']} on the record{at}"]
    own = [item for item in items if (item["framework"], item["subject"]) == (subject["framework"], subject["subject"])]
    for level in subject["levels"]:
        here = [item for item in own if item["level"] == level["level"]]
        if level["level"] is not None and here:
            lines.append(f"  level {level['level']}: {level['mastered']} of {level['total']}")
        lines += [_item(item, day) for item in here]
    return lines


def _item(item: dict[str, Any], day: Day) -> str:
    title = _title(item)
    if len(title) > TITLE_CHARS:
        title = title[: TITLE_CHARS - 1] + "…"
    score = "" if item["score"] is None else f"{item['score']:.2f}"
    since = f" since {day(item['mastered_at'])}" if item["mastered_at"] else ""
    pieces = f"{item['evidence_count']} piece{'' if item['evidence_count'] == 1 else 's'}"
    return f"    {title:<{TITLE_CHARS}}  {score:>5}  {pieces:>10}  {WORDS.get(item['status'], item['status'])}{since}"


def _title(item: dict[str, Any]) -> str:
    code = item["competency"].partition(":")[2]
    return f"{code} {item['title']}" if item["title"] and item["title"] != code else code


def _name(context: Context, opaque: str) -> str | None:
    """Return the learner's name, which only evidence knows; None where it is not told."""
    with context.client("evidence") as client:
        answer = client.get(f"/v1/learners/{segment(opaque)}")
    return answer.json().get("name") if answer.is_success else None
