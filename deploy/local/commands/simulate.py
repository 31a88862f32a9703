"""`attain policy simulate`: what a policy does to learners whose true level is known."""

from pathlib import Path
from typing import Any

import click

from deploy.local.commands.policy import PolicyFile, policy_of
from deploy.local.options import Context, command_options
from services.progression.domain.analysis.simulation import ASKED_AT, PACES, PIECES, Model, Outcome, simulate

LEARNERS = 10_000
SEED = 1


@click.command("simulate")
@click.argument("file", type=PolicyFile)
@click.option("--learners", type=click.IntRange(100, 1_000_000), default=LEARNERS, show_default=True)
@click.option("--seed", type=int, default=SEED, show_default=True, help="The same seed gives the same learners.")
@command_options
def simulate_policy(context: Context, file: Path, learners: int, seed: int) -> None:
    """
    Try a policy on simulated learners whose true level is known; needs no stack.

    Says who is held back although the level is clearly there, who comes through although it clearly is not, and after how
    many pieces, for slow, typical and fast learners. One model: read directions, not decimals.
    """
    read = policy_of(file)
    context.say(f"simulating {learners} learners, {PIECES} pieces each")
    found = simulate(read.rule, learners=learners, seed=seed)
    result = {
        "policy": read.id, "version": read.version, "learners": learners, "seed": seed, "model": Model()._asdict(),
        "goals": {goal: {pace: _plain(row) for pace, row in rows.items()} for goal, rows in found.items()},
    }  # fmt: skip
    context.emit(result, "\n".join([f"Policy {read.id}, version {read.version}", *_table(found)]))


def _plain(outcome: Outcome) -> dict[str, Any]:
    return outcome._asdict() | {"false_hold": {str(after): share for after, share in outcome.false_hold.items()}}


def _table(found: dict[str, dict[str, Outcome]]) -> list[str]:
    lines = []
    for goal, rows in found.items():
        lines += [
            "",
            f"{goal}: of clear masters held back after so many pieces; of those through, clear non-masters",
            f"  {'':8}{''.join(f'{after:>6}' for after in ASKED_AT)}   wrongly through   pieces   through",
        ]
        for pace in ("all", *PACES):
            row = rows[pace]
            held = "".join(f"{_percent(row.false_hold[after]):>6}" for after in ASKED_AT)
            pieces = f"{row.pieces:.1f}" if row.pieces is not None else "-"
            lines.append(f"  {pace:8}{held}   {_percent(row.false_advance):>15}   {pieces:>6}   {row.through:>7.0%}")
    return [*lines, "", "One model of learners: read directions, not decimals."]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
