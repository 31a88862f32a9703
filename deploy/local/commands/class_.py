"""`attain class`: a class by competency, and who needs what, as a page of text or as the service gives it."""

from collections.abc import Mapping
from typing import Any

import click

from deploy.local.client.asking import patiently, segment, told
from deploy.local.client.drawing import share_bar
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options
from services.reporting.domain.standing import ON_RECORD

MARKS = {
    "no_evidence": "·", "insufficient_evidence": "·", "not_yet": "○", "provisional": "◐", "mastered": "●", "credited": "●",
    "presumed": "○", "reverify_due": "◑", "overridden": "◆",
}  # fmt: skip
LEGEND = (
    "● shown  ◐ to be confirmed  ◑ needs a re-check  ○ not yet  ◆ decided by a person  · nothing or too little seen"
)
QUEUES = {
    "review": "review", "sign_off": "sign off", "contested": "look at", "reverify": "re-check", "confirm": "confirm",
    "withheld": "look again", "gaps": "still open", "ready": "ready for",
    "support": "support", "asked": "asked for review",
}  # fmt: skip
TITLE_CHARS, NAME_CHARS, ATTENTION_SHOWN, KNOWN_SHOWN = 46, 24, 12, 12


@click.command("class")
@click.argument("class_id", metavar="ID")
@command_options
def class_(context: Context, class_id: str) -> None:
    """Show the class ID: what is shown of each competency, where each learner stands, and what needs attention."""
    with context.client("reporting") as client:
        answer = patiently(client.get, f"/v1/classes/{segment(class_id)}/mastery")
        if answer.status_code == 404:
            listed = told(client.get("/v1/classes")).json()["items"]
            known = ", ".join(one["class"] for one in listed[:KNOWN_SHOWN]) or "none"
            known += f" and {len(listed) - KNOWN_SHOWN:,} more" if len(listed) > KNOWN_SHOWN else ""
            raise StackError(f"tenant {context.tenant} has no class {class_id}; there are {known}")
        grid = told(answer).json()
        if context.json:
            context.emit(grid)
            return
        needs = told(client.get(f"/v1/classes/{segment(class_id)}/needs")).json()
    context.emit(grid, text(grid, needs, _names(context, grid["learners"])))


def text(grid: dict[str, Any], needs: dict[str, Any], names: Mapping[str, str]) -> str:
    """Return a class as a page for a terminal."""
    size, order = len(grid["learners"]), grid["competencies"]
    lines = [f"{grid['title']}: {size} learners, {len(order)} competencies with evidence"]
    if order:
        lines += ["", "shown, by competency:"]
        for number, competency in enumerate(order, start=1):
            shown = sum(grid["counts"][competency].get(status, 0) for status in ON_RECORD)
            title = f"{competency.partition(':')[2]} {grid['titles'].get(competency, '')}"[:TITLE_CHARS]
            lines.append(f"  {number:>3}  {title:<{TITLE_CHARS}}  {share_bar(shown, size)} {shown:>3} of {size}")
        lines += ["", f"where everyone stands (columns as numbered above)   {LEGEND}"]
        tens = "".join(str(number // 10) if number % 10 == 0 else " " for number in range(1, len(order) + 1))
        ones = "".join(str(number % 10) for number in range(1, len(order) + 1))
        lines += [f"  {'':<{NAME_CHARS}}  {digits}".rstrip() for digits in (tens, ones) if digits.strip()]
        for row in grid["rows"]:
            marks = "".join(MARKS.get(row["statuses"].get(competency, "no_evidence"), "?") for competency in order)
            lines.append(f"  {_called(row['learner'], names):<{NAME_CHARS}}  {marks}")
    lines += ["", *_attention(needs["attention"], names)]
    return "\n".join(lines)


def _attention(waiting: list[dict[str, Any]], names: Mapping[str, str]) -> list[str]:
    if not waiting:
        return ["Nothing waits for anybody."]
    lines = [f"needs attention ({len(waiting)}):"]
    for each in waiting[:ATTENTION_SHOWN]:
        days = f"{each['age_days']} day{'' if each['age_days'] == 1 else 's'}"
        cause = f" ({each['cause'].replace('_', ' ')})" if "cause" in each else ""
        what = f"{QUEUES.get(each['queue'], each['queue'])}{cause}: {each['title'] or each['scope']}"
        owner = each["owner"] + (f" (no {each['in_place_of']})" if "in_place_of" in each else "")
        lines.append(f"  {_called(each['learner'], names):<{NAME_CHARS}}  {what:<{TITLE_CHARS}}  {days:>9}  {owner}")
    if len(waiting) > ATTENTION_SHOWN:
        lines.append(f"  and {len(waiting) - ATTENTION_SHOWN} more")
    return lines


def _called(learner: str, names: Mapping[str, str]) -> str:
    name = names.get(learner, learner)
    return name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + "…"


def _names(context: Context, learners: list[str]) -> dict[str, str]:
    """Return the names of learners, which only evidence knows; those that are not told are missing."""
    names = {}
    with context.client("evidence") as client:
        for learner in learners:
            answer = client.get(f"/v1/learners/{segment(learner)}")
            if answer.is_success and answer.json().get("name"):
                names[learner] = answer.json()["name"]
    return names
