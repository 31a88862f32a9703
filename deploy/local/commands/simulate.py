"""`attain policy simulate`: what a policy does to learners whose true level is known."""

from pathlib import Path
from typing import Any

import click

from deploy.local.client.asking import ask
from deploy.local.client.progress import Progress, bar
from deploy.local.commands.adopting import for_framework
from deploy.local.commands.policy import PolicyFile, policy_of
from deploy.local.commands.reaching import TIMEOUT_S
from deploy.local.options import Context, command_options
from services.progression.domain.analysis.noise import Noise
from services.progression.domain.analysis.simulation import ASKED_AT, PACES, PIECES, Model, Outcome, simulate

LEARNERS = 10_000
SEED = 1
PUBLISHED = "the published model"


@click.command("simulate")
@click.argument("file", type=PolicyFile)
@click.option(
    "--learners",
    type=click.IntRange(100, 1_000_000),
    default=LEARNERS,
    show_default=True,
    help="How many are simulated.",
)
@click.option("--seed", type=int, default=SEED, show_default=True, help="The same seed gives the same learners.")
@click.option(
    "--own", is_flag=True, help="With marks and retakes as in the tenant's own evidence, where there is enough."
)
@for_framework
@command_options
def simulate_policy(context: Context, file: Path, learners: int, seed: int, own: bool, framework: str) -> None:
    """
    Try a policy on simulated learners whose true level is known; needs no stack but for --own.

    Says who is held back although the level is clearly there (three of four fresh tasks would be at the cut), who comes through
    although it clearly is not (fewer than half would be), and after how many pieces, for slow, typical and fast learners. Who is
    in between counts as neither. Each has 8 pieces, with all that the policy asks for beside the mark, on as many days. One
    model: read directions, not decimals.
    """
    read = policy_of(file)
    model, of = _own_model(context, framework) if own else (Model(), PUBLISHED)
    context.say(f"simulating {learners} learners, {PIECES} pieces each")
    progress = Progress()
    found = simulate(
        read.rule, learners=learners, seed=seed, model=model,
        lived=lambda n: progress.show(f"{bar(n / learners)} {n:,} of {learners:,}"),
    )  # fmt: skip
    progress.clear()
    result = {
        "policy": read.id, "version": read.version, "learners": learners, "seed": seed, "model_of": of, "model": model._asdict(),
        "goals": {goal: {pace: _plain(row) for pace, row in rows.items()} for goal, rows in found.items()},
    }  # fmt: skip
    context.emit(result, "\n".join([f"Policy {read.id}, version {read.version}; {of}", *_table(found)]))


def _own_model(context: Context, framework: str) -> tuple[Model, str]:
    """Return the model with the noise of the policy in force that has most evidence, and in words what it rests on."""
    query = {"framework": framework}
    items = ask(context, "progression", "GET", "/v1/policies/audit", params=query, timeout_s=TIMEOUT_S)["items"]
    found = [Noise(**item["noise"]) for item in items if item["noise"] is not None]
    if not found:
        return Model(), f"{PUBLISHED}: too little evidence of marks on a scale for one of your own"
    noise = max(found)
    of_task = "" if noise.task_share is not None else ", of which the task's share as published"
    return Model().like(noise), (
        f"marks vary by {noise.variance:.2f} squared points{of_task}, {noise.retakes:.0%} are retakes,"
        f" by {noise.differences:,} successive pieces"
    )


def _plain(outcome: Outcome) -> dict[str, Any]:
    return outcome._asdict() | {"false_hold": {str(after): share for after, share in outcome.false_hold.items()}}


def _table(found: dict[str, dict[str, Outcome]]) -> list[str]:
    lines = []
    for goal, rows in found.items():
        lines += [
            "",
            f"{goal}: share of clear masters held back after so many pieces; share of those through who are clear non-masters",
            f"  {'':8}{''.join(f'{after:>6}' for after in ASKED_AT)}   wrongly through   pieces   through by {PIECES}",
        ]
        for pace in ("all", *PACES):
            row = rows[pace]
            held = "".join(f"{_percent(row.false_hold[after]):>6}" for after in ASKED_AT)
            pieces = f"{row.pieces:.1f}" if row.pieces is not None else "-"
            lines.append(f"  {pace:8}{held}   {_percent(row.false_advance):>15}   {pieces:>6}   {row.through:>12.0%}")
    return [*lines, "", "One model of learners: read directions, not decimals."]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
