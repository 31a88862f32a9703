"""`attain policy compare`, `propose`, `approve`: changing the rules with open eyes."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click

from deploy.local.client.asking import ask, segment
from deploy.local.commands.policy import PolicyFile, read_policy
from deploy.local.commands.reaching import TIMEOUT_S, few, percent, subject_lines
from deploy.local.options import Context, command_options
from services.progression.domain.analysis.redundancy import CHANCE_MIN
from services.progression.domain.rules import Mode

BY_EVIDENCE = "Judged by evidence alone: sign-offs, overrides and credit that people gave are in none of these figures."
for_framework = click.option("--framework", default="", help="Framework that it is for; every one if not given.")


@click.command("compare")
@click.argument("file", type=PolicyFile)
@for_framework
@command_options
def compare_policy(context: Context, file: Path, framework: str) -> None:
    """Say who would gain and lose under a policy, on all recorded evidence; changes nothing."""
    text = read_policy(file)
    context.say("holding all recorded evidence against it")
    path, query = "/v1/policies/compare", {"framework": framework}
    result = ask(context, "progression", "POST", path, content=text, params=query, timeout_s=TIMEOUT_S)
    context.emit(result, "\n".join(_lines(result)))


@click.command("propose")
@click.argument("file", type=PolicyFile)
@for_framework
@click.option("--mode", type=click.Choice(get_args(Mode)), default="grandfathered", show_default=True,
              help="For all but what is on the record, for what begins later, or for what is on the record too.")  # fmt: skip
@click.option("--reason", required=True, help="Why; it is kept with the decision.")
@command_options
def propose_policy(context: Context, file: Path, framework: str, mode: str, reason: str) -> None:
    """Propose a policy; nothing changes until another person approves it."""
    text = read_policy(file)
    context.say("holding all recorded evidence against it")
    query = {"framework": framework, "mode": mode, "reason": reason}
    result = ask(
        context, "progression", "POST", "/v1/policies/proposals", content=text, params=query, timeout_s=TIMEOUT_S,
        key=str(uuid.uuid4()),
    )  # fmt: skip
    lines = [*_lines(result | result["comparison"]), "", f"proposal {result['id']}; another person approves it with",
             f"  attain policy approve {result['id']}"]  # fmt: skip
    context.emit(result, "\n".join(lines))


@click.command("approve")
@click.argument("proposal")
@click.option("--now-because", metavar="TEXT", default="", help="In a change freeze: why it cannot wait for its end.")
@command_options
def approve_policy(context: Context, proposal: str, now_because: str) -> None:
    """Put another person's PROPOSAL into force; returns when it is taken up, and recomputes in the background."""
    query = {"now_because": now_because} if now_because else {}
    path = f"/v1/policies/proposals/{segment(proposal)}/approve"
    result = ask(context, "progression", "POST", path, params=query)
    context.emit(
        result,
        f"policy {result['policy']}, version {result['version']} is in force; recomputed as batch {result['batch']}",
    )


@click.command("audit")
@for_framework
@click.option("--outside", metavar="SOURCE", default="", help="URI of the source of an outside test to agree with.")
@command_options
def audit_policies(context: Context, framework: str, outside: str) -> None:
    """
    Say how far the verdicts of the policies in force can be trusted, from the evidence that is held already.

    Every pair is judged by its evidence alone: sign-offs, overrides and credit that people gave are in none of the figures.
    """
    query = {"framework": framework, "outside": outside}
    result = ask(context, "progression", "GET", "/v1/policies/audit", params=query, timeout_s=TIMEOUT_S)
    context.emit(
        result,
        "\n\n".join([*(audit_text(item, outside) for item in result["items"]), BY_EVIDENCE])
        if result["items"]
        else "no policy decides anything yet",
    )


def audit_text(item: dict[str, Any], outside: str) -> str:
    """Return the figures of a policy in words, each with what it is a share of."""
    lines = [*_sureness(item), *_asked_for(item)]
    if item["shown"] or item["outside"] is None:
        lines += _held_against(item["outside"], outside)
    lines += [
        f"{each['activity']} ({each['competency']}): harder for {each['group']}"
        f" {each['focal'] if each['delta'] < 0 else each['reference']} at equal level, ETS {each['grade']},"
        f" delta {each['delta']:+.2f}, {each['learners']} learners"
        for each in item["bias"]
    ]
    head = f"Policy {item['policy']}, version {item['version']}"
    return "\n".join([head, *(f"  {line}" for line in lines or ["too few pairs to say"])])


def _sureness(item: dict[str, Any]) -> Iterator[str]:
    """Yield how sure the verdicts are: what the policy does first, if it decides anything, then what the evidence could bear."""
    if (replayed := item.get("replayed")) is not None and item["shown"]:
        yield (
            f"it decides either half of the evidence alike for {replayed['agreement']:.0%} of {replayed['pairs']} pairs"
            f" ({_kappa(replayed)})"
        )
    if item["fragile"] is not None:
        yield f"{item['fragile']:.0%} of {item['shown']} on the record hang on a single piece"
    if item["over_testing_index"] is not None and not item["shown"]:
        yield "evidence alone puts nothing on the record, as where a sign-off is always asked for: its verdicts are not judged"
    if (split := item["split_half"]) is not None:
        reliability = "" if split["reliability"] is None else f", reliability {split['reliability']:.2f}"
        yield (
            f"the means of both halves are on one side of the scale's cut for {split['agreement']:.0%} of"
            f" {item['pairs_in_halves']} pairs ({_kappa(split)}{reliability})"
        )
    if (sure := item["classification"]) is not None:
        yield (
            f"a mean of all pieces at that cut would be right for {sure['accuracy']:.0%} of all: {sure['false_advance']:.0%}"
            f" would pass and should not, {sure['false_hold']:.0%} should and would not"
        )


def _asked_for(item: dict[str, Any]) -> Iterator[str]:
    """Yield how much work was asked for, and how much its marks vary."""
    if item["shown"] and item["over_testing_index"] is not None:
        yield f"{item['over_testing_index']:.0%} of the pieces came after mastery was shown, re-checks left out"
    if (redundant := item["redundancy"]) is not None:
        yield f"{redundant['share']:.0%} of the pieces had a chance below {CHANCE_MIN:.0%} to change the status when given:"
        yield (
            f"  {redundant['shown']:.0%} while mastery was shown, {redundant['unshown']:.0%} otherwise,"
            " taking learners to stay as they were"
        )
    if (noise := item["noise"]) is not None:
        yield f"marks vary by {noise['variance']:.2f} squared points about the level, {noise['retakes']:.0%} are retakes"


def _held_against(test: dict[str, Any] | None, outside: str) -> Iterator[str]:
    """Yield how the verdicts agree with an outside test, where one was asked for."""
    if test is not None:
        yield f"{test['source']} agrees on {test['agreement']:.0%} of {test['pairs']} pairs ({_kappa(test)})"
        if test["false_advance"] is not None:
            yield f"  {test['false_advance']:.0%} of those on the record are below the cut there"
        if test["false_hold"] is not None:
            yield f"  {test['false_hold']:.0%} of those not on the record are at it"
    elif outside:
        yield f"too few pairs have evidence of {outside}, and other before it, to say how far that agrees"


def _kappa(of: dict[str, Any]) -> str:
    return "kappa not defined: all are alike" if of["kappa"] is None else f"kappa {of['kappa']:.2f}"


def _lines(report: dict[str, Any]) -> list[str]:
    share = report["decidable"]
    lines = [
        f"Policy {report['policy']}, version {report['version']}",
        f"{few(report['pairs'])} pairs of learner and competency with evidence, {few(report['learners'])} learners",
        f"{few(report['gained'])} pairs of {few(report['learners_gaining'])} learners would come on the record",
        f"{few(report['lost'])} pairs of {few(report['learners_losing'])} learners are on the record and would not be shown"
        " by it",
        f"enough evidence to decide: of {percent(share['before'])} of the pairs now, of {percent(share['after'])} then",
    ]
    lines += level_lines(report["levels"])
    lines += [
        f"  undecided for want of {gate}: {percent(part)}" for gate, part in report["undecided_by"]["after"].items()
    ]
    if report["subjects"]:
        lines += ["", *subject_lines(report["subjects"])]
    return [*lines, *split_lines(report, "gained", "lost"), *split_lines(report["levels"], "gain level", "lose level")]


def level_lines(levels: dict[str, Any]) -> list[str]:
    """Return how many learners would gain and lose levels, and which."""
    lines = [
        f"{few(levels['learners_gaining'])} learners would have shown all that a level asks for,"
        f" {few(levels['learners_losing'])} no longer; who has advanced stays"
    ]
    return lines + [
        f"  {row['level']}: {few(row['gained'])} gain it, {few(row['lost'])} lose it" for row in levels["items"]
    ]


def split_lines(report: dict[str, Any], gained: str, lost: str) -> list[str]:
    """Return tables of who gains and loses by school and by group; the headings are given."""
    rows = [("school", row["school"], row) for row in report["schools"]]
    rows += [(row["group"], row["value"], row) for row in report["groups"]]
    lines, heading = [], ""
    for name, value, row in rows:
        if name != heading:
            heading = name
            lines += ["", f"{name[:30]:30}{'learners':>10}{gained:>12}{lost:>12}"]
        lines.append(f"{value[:30]:30}{few(row['learners']):>10}{few(row['gained']):>12}{few(row['lost']):>12}")
    return lines
