"""`attain onboard`: bring a district over from its learning system, and show that the numbers are the same."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from deploy.local.canvas_parity import Pair, Parity, compare, policy_of
from deploy.local.client.asking import patiently, told
from deploy.local.client.sending import Tally, send
from deploy.local.commands.drain import wait_until_drained
from deploy.local.commands.framework import check_id, publish
from deploy.local.commands.policy import put_into_force
from deploy.local.commands.roster import send_roster
from deploy.local.files.canvas import Export, Outcome, evidence_of, nodes_csv, read_export
from deploy.local.options import Commands, Context, command_options

SOURCE = "urn:attain:canvas"
FRAMEWORK = "canvas"
DRAIN_S = 600.0
DIFFERENCES_SHOWN = 50
UNALIGNED_SHOWN = 20


@click.group(cls=Commands)
def onboard() -> None:
    """Onboarding: what a district has in its learning system, taken over."""


@onboard.command("canvas")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--framework", "framework_id", default=FRAMEWORK, show_default=True, help="Id of the framework to make.")
@click.option("--source", default=SOURCE, show_default=True, help="Source whose learner ids the SIS ids are.")
@click.option("--dry-run", is_flag=True, help="Read the files and say what is in them; send nothing.")
@command_options
def onboard_canvas(context: Context, folder: Path, framework_id: str, source: str, dry_run: bool) -> None:
    """
    Take over what Canvas gives out as CSV: users, sections, enrollments, outcomes, and the report "Outcome Results".

    Names are dropped: people come as their SIS ids. Outcomes become a framework with policies that calculate as Canvas does,
    results become evidence, and the numbers of both are compared, each difference with its cause; a CSV of rollups beside the
    files has Canvas' numbers, else they are computed from the report. Doing it again changes nothing. Exit code 1 where a
    result was refused.
    """
    check_id(framework_id)
    export = read_export(folder)
    if dry_run:
        result = _counted(export) | {"sent": False}
        context.emit(result, _readable(result, None))
        return
    send_roster(context, source, export.roster)
    publish(context, framework_id, "Canvas outcomes", nodes_csv(export.outcomes), "")
    for policy in _policies(export, framework_id):
        put_into_force(context, msgspec.json.encode(policy))
    tally = Tally()
    items = [msgspec.json.encode(evidence_of(one, source, framework_id)) for one in export.results]
    context.say(f"sending {len(items):,} results")
    send(context, items, tally)
    wait_until_drained(context, DRAIN_S)
    parity = compare(export, _held(context, export, source, framework_id))
    result = _counted(export) | {
        "sent": True, **{status: tally.counts[status] for status in ("accepted", "duplicate", "corrected", "parked", "rejected")},
        "parity": {"same": parity.same, "different": len(parity.different), "by_cause": parity.by_cause,
                   "differences": [one._asdict() for one in parity.different[:DIFFERENCES_SHOWN]]},
    }  # fmt: skip
    context.emit(result, _readable(result, parity))
    # What is parked waits for an alignment, and the result says so.
    if tally.counts["rejected"]:
        click.get_current_context().exit(1)


def _policies(export: Export, framework_id: str) -> Iterable[dict[str, Any]]:
    """Yield a policy for all outcomes that are calculated alike."""
    alike: dict[tuple[Any, ...], list[Outcome]] = defaultdict(list)
    for one in export.outcomes:
        alike[one.method, one.integer, one.points, one.mastery].append(one)
    for outcomes in alike.values():
        yield policy_of(outcomes[0], framework_id, [f"{framework_id}:{one.code}" for one in outcomes])


def _held(context: Context, export: Export, source: str, framework_id: str) -> dict[Pair, tuple[float | None, int]]:
    """Return score and number of pieces of every pair that an export has, as they are held here."""
    held: dict[Pair, tuple[float | None, int]] = {}
    prefix = f"{framework_id}:"
    learners = sorted({one.learner for one in export.results if one.outcome is not None})
    with context.client("evidence") as evidence, context.client("progression") as progression:
        for learner in learners:
            query = {"source": source, "source_id": learner}
            found = patiently(evidence.get, "/v1/learners", params=query)
            if found.status_code == 404:
                continue
            opaque = told(found).json()["learner"]
            answer = patiently(progression.get, f"/v1/learners/{opaque}/mastery")
            for item in told(answer).json()["items"] if answer.status_code != 404 else ():
                if item["competency"].startswith(prefix):
                    held[learner, item["competency"].removeprefix(prefix)] = item["score"], item["evidence_count"]
    return held


def _counted(export: Export) -> dict[str, Any]:
    aligned = [one for one in export.results if one.outcome is not None]
    pairs = Counter((one.learner, one.outcome.code) for one in aligned if one.outcome is not None)
    unaligned = Counter(one.outcome_id for one in export.results if one.outcome is None)
    return {
        "learners": len({one.learner for one in export.results}), "classes": len(export.roster["classes"]),
        "enrolments": len(export.roster["enrolments"]), "outcomes": len(export.outcomes),
        "results": len(export.results), "unscored": export.unscored, "pairs": len(pairs),
        "pieces_per_pair": {str(pieces): number for pieces, number in sorted(Counter(pairs.values()).items())},
        "unaligned": dict(unaligned.most_common(UNALIGNED_SHOWN)), "problems": export.problems,
    }  # fmt: skip


def _readable(result: dict[str, Any], parity: Parity | None) -> str:
    spread = ", ".join(f"{number:,} pairs have {pieces}" for pieces, number in result["pieces_per_pair"].items())
    lines = [
        f"{result['learners']:,} learners, {result['classes']:,} classes, {result['enrolments']:,} enrolments,"
        f" {result['outcomes']:,} outcomes",
        f"{result['results']:,} results of {result['pairs']:,} pairs of learner and outcome; {result['unscored']:,} rows"
        " without a score",
        f"  pieces a pair: {spread or 'none'}",
    ]
    for outcome, count in result["unaligned"].items():
        lines.append(
            f"  outcome {outcome} is not in outcomes.csv: {count:,} results wait for an alignment of outcome:{outcome}"
        )
    lines += [f"  problem: {text}" for text in result["problems"]]
    if parity is not None:
        total = parity.same + len(parity.different)
        lines.append(f"parity: {parity.same:,} of {total:,} pairs have the same number in Canvas and here")
        lines += [f"  {count:,} differ: {cause}" for cause, count in parity.by_cause.items()]
        if parity.different:
            lines.append(f"  {'learner':<20} {'outcome':<30} {'canvas':>8} {'attain':>8}  cause")
        for one in parity.different[:DIFFERENCES_SHOWN]:
            lines.append(
                f"  {one.learner[:20]:<20} {one.outcome[:30]:<30} {_number(one.canvas):>8} {_number(one.ours):>8}  {one.cause}"
            )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
