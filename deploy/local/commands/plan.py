"""`attain plan`: what an installation needs, so that somebody can price it."""

import math
import textwrap
from typing import Any

import click

from deploy.local import capacity
from deploy.local.capacity import BURST, BUSY, REPLICAS_HA, SCHOOL_DAYS, SMALL_BURST_PER_S, SMALL_LEARNERS, Load
from deploy.local.options import Context, command_options

SMALL = (
    f"One machine with compose, or values-small.yaml on Kubernetes: tested with {SMALL_LEARNERS:,} learners and"
    f" {SMALL_BURST_PER_S} pieces a second."
)
NOT_SMALL = (
    f"The small profile, one machine, ends at {SMALL_LEARNERS:,} learners or a burst of {SMALL_BURST_PER_S} pieces/s."
)
NOT_AVAILABLE = (
    "Not highly available: a machine that is lost may be an outage until it is back. High availability begins at --replicas"
    f" {REPLICAS_HA}, over {REPLICAS_HA} machines or zones: of two, neither Kafka's quorum nor a PostgreSQL that commits on two"
    " machines goes on without the other."
)
AVAILABLE = (
    "Highly available where the replicas are spread over as many machines or zones, with values-production.yaml, and Kafka and"
    " PostgreSQL as in deploy/kubernetes/examples: then the loss of any one is no outage and loses nothing."
)
LEFT_OUT = "Not in it: backups with their log, monitoring, the proxy with TLS, and what reading takes beside intake."


@click.command()
@click.option("--learners", type=click.IntRange(1, 1_000_000_000), required=True, help="Learners of all tenants.")
@click.option("--pieces", type=click.FloatRange(0.01, 10_000), default=capacity.EVIDENCE_A_DAY, show_default=True,
              help="Pieces of evidence a learner and school day.")  # fmt: skip
@click.option("--years", type=click.FloatRange(0.1, 100), default=1.0, show_default=True,
              help="School years of evidence that are kept.")  # fmt: skip
@click.option("--replicas", type=click.IntRange(1, 9), default=1, show_default=True,
              help="Of each service, of Kafka and of PostgreSQL, at least.")  # fmt: skip
@command_options
def plan(context: Context, learners: int, pieces: float, years: float, replicas: int) -> None:
    """Say what an installation needs a month: vCPU, memory and disk, and where high availability begins; needs no stack."""
    load, cost = Load(learners, pieces), capacity.measured()
    found = capacity.plan(load, cost, years=years, replicas=replicas)
    result = capacity.as_json(load, found, cost) | {"years": years, "replicas": replicas}
    notes = _notes(result)
    said = [textwrap.fill(note, 100) for note in notes]
    context.emit(result | {"notes": notes}, "\n".join([*_table(result), "", *said]))


def _table(result: dict[str, Any]) -> list[str]:
    rows = [
        f"{part['part']:12}{part['instances']:>10}{part['vcpu']:>12,.2f}{part['gib']:>10,.0f}{math.ceil(part['disk_gb']):>17,}"
        for part in result["parts"]
    ]
    return [
        f"{result['learners']:,} learners, {result['pieces_a_day']:g} pieces each a school day; school years kept:"
        f" {result['years']:g}; {result['profile']} profile",
        "",
        f"{'':12}{'instances':>10}{'vCPU each':>12}{'GiB each':>10}{'GB of disk each':>17}",
        *rows,
        "",
        f"a month: {result['vcpu']:,.2f} vCPU, {result['gib']:,.0f} GiB of memory, {math.ceil(result['disk_gb']):,} GB of disk"
        f" in the end; until then it grows by {result['disk_grows_gb_a_month']:,.1f} GB a month",
    ]


def _notes(result: dict[str, Any]) -> list[str]:
    """Return what is to be known beside the numbers, a sentence or two each."""
    notes = [SMALL] if result["profile"] == "small" else []
    if result["profile"] != "small" and result["replicas"] == 1:
        notes.append(NOT_SMALL)
    notes.append(AVAILABLE if result["highly_available"] else NOT_AVAILABLE)
    most = max(part["instances"] for part in result["parts"])
    if most > 1:
        notes.append(f"Set at least {most} shards; they can be raised later, not lowered.")
    us = sum(result["measured"]["us"].values())
    notes.append(
        f"Computed, not measured at this size: {us:.0f} µs of CPU a piece end to end (docs/performance.md), bursts of {BURST}"
        f" times the mean of a school day ({result['burst_per_s']:,.0f} pieces a second, {result['cores_at_burst']:,.2f} cores),"
        f" cores {BUSY:.0%} busy in them, {SCHOOL_DAYS} school days a year, what a school day touches in PostgreSQL's"
        " memory. Sizes are never below those of the chart."
    )
    return [*notes, LEFT_OUT]
