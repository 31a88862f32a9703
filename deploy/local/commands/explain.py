"""`attain explain`: why a learner's status in a competency is what it is, now or as of an earlier moment."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from deploy.local.client.asking import patiently, segment, told
from deploy.local.client.days import Day, local_days
from deploy.local.client.identities import opaque_id
from deploy.local.commands.learner import WORDS
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options


@click.command()
@click.argument("of", nargs=-1, required=True, metavar="[SOURCE] LEARNER COMPETENCY")
@click.option(
    "--as-of", metavar="TIME", help="What had been recorded and decided by then, such as 2026-03-04T10:15:00Z."
)
@click.option(
    "--language", type=click.Choice(["en", "es"]), default="en", help="Of what is said of the rules and the evidence."
)
@command_options
def explain(context: Context, of: tuple[str, ...], as_of: str | None, language: str) -> None:
    """
    Explain the status of a learner in COMPETENCY (framework:code).

    The learner is LEARNER, an opaque id, or whom SOURCE knows as LEARNER.
    """
    if len(of) not in (2, 3):
        raise click.UsageError("give [SOURCE] LEARNER COMPETENCY", click.get_current_context())
    competency = of[-1]
    learner = opaque_id(context, of[0], of[1] if len(of) > 2 else None)
    query = {"language": language} | ({"as_of": as_of} if as_of else {})
    with context.client("progression") as client:
        path = f"/v1/learners/{segment(learner)}/competencies/{segment(competency)}/explanation"
        answer = patiently(client.get, path, params=query)
    if answer.status_code == 404:
        hint = "" if ":" in competency else "; a competency is named with its framework, as in math:add"
        verb = f"had nothing recorded by {as_of}" if as_of else "has nothing recorded"
        raise StackError(f"tenant {context.tenant} {verb} of {competency} for learner {learner}{hint}")
    explanation = told(answer).json()
    context.emit(explanation, None if context.json else text(explanation, local_days(context)))


def text(explanation: dict[str, Any], day: Day) -> str:
    """Return an explanation as a page for a terminal."""
    status, policy = explanation["status"], explanation["policy"]
    score = "" if explanation["score"] is None else f", score {explanation['score']:g}"
    lines = [f"{explanation['competency']}: {WORDS.get(status, status)}{score}"]
    if explanation["as_of"]:
        lines.append(f"as of {explanation['as_of'][:19]}Z")
    if policy is not None:
        lines.append(f"by policy {policy['id']} {policy['version']}")
    lines += ["", "evidence, as it happened:"]
    for piece in explanation["evidence"]:
        value = "-" if piece["value"] is None else f"{piece['value']:.4g}"
        why = f"  not counted: {piece['why_not']}" if not piece["counted"] else _weight(piece["weight"])
        lines.append(f"  {day(piece['occurred_at'])}  {value:>6}{why}")
    if explanation["trace"]:
        lines += ["", *rule_lines(explanation["trace"])]
    if explanation["missing"]:
        lines += ["", f"missing: {'; '.join(explanation['missing'])}"]
    if explanation.get("ungraded"):
        lines += ["", "waits for an adult:", *(f"  {work['text']}" for work in explanation["ungraded"])]
    if explanation.get("enough"):
        lines += ["", explanation["enough"]]
    lines += ["", f"smallest change: {explanation['minimal_change']['text']}"]
    return "\n".join(lines)


def rule_lines(trace: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every rule below what it is for: provisional, a way to mastered, or whatever was reached."""
    parts: dict[tuple[int, int, str], list[str]] = {}
    for rule in trace:
        line = f"  {'met    ' if rule['met'] else 'not met'}  {rule['asks']} ({rule['found']})"
        parts.setdefault(_part(rule["rule"]), []).append(line)
    return [line for (*_, part), lines in sorted(parts.items()) for line in (f"{part}:", *lines)]


def _part(pointer: str) -> tuple[int, int, str]:
    """Return the place among the parts, and the name, of the part of a policy that a rule's pointer leads to."""
    first, *rest = pointer[1:].split("/")
    if first == "provisional":
        return 0, 0, "rules for provisional"
    if first == "mastered":
        return 1, int(rest[1]), f"rules for mastered, way {int(rest[1]) + 1}"
    if first in ("sufficiency", "method", "sign_off"):
        return 1, 0, "rules for mastered"
    return 2, 0, "other rules"


def _weight(weight: float) -> str:
    return "" if weight == 1 else f"  weight {weight:g}"
