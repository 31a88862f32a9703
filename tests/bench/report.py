"""
`docs/performance.md` from figures: `python -m tests.bench.report bench.json` takes new ones in beside those of
`docs/performance/figures.json` that were not measured again, without a file it renders these.
"""

import argparse
import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.local.capacity import MEASURED
from tests.bench.figures import Figure, as_json, from_json, read
from tests.bench.machine import facts
from tests.bench.sections import Lacking, Sections, table

DOCS = Path(__file__).parents[2] / "docs"
STORED = DOCS / "performance" / "figures.json"
PAGE = DOCS / "performance.md"
REPEAT = [
    "## Repeat it", "", "```sh",
    "make bench          # end to end, latency at 500/s, progression beside Quix Streams; 5 minutes",
    "make bench-peers    # progression beside Quix Streams and Kafka Streams alone",
    "make bench-soak     # memory over 2,400,000 events, 20 minutes or more",
    "make performance    # every section, then this page",
    "```", "",
    "Each section starts a stack of its own on loopback. `python -m tests.bench --help` lists the sections and sizes.",
]  # fmt: skip


def main() -> None:
    """Take figures in, if a file is named, and write the page with its plots."""
    parser = argparse.ArgumentParser(description="Render docs/performance.md.")
    parser.add_argument("figures", type=Path, nargs="?", help="what `make bench` wrote")
    arguments = parser.parse_args()
    stored = json.loads(STORED.read_text())
    if arguments.figures is not None:
        stored = joined(stored, read(arguments.figures), datetime.datetime.now(datetime.UTC).date().isoformat())
    try:
        rendered = render(stored)
    except Lacking as error:
        raise SystemExit(str(error)) from error
    STORED.write_text(json.dumps(stored, indent=1) + "\n")
    for path, text in rendered.items():
        path.write_text(text)


def joined(stored: Mapping[str, Any], new: Sequence[Figure], day: str) -> dict[str, Any]:
    """Return what is stored with new figures in place of those of their names, and the day on which each was measured."""
    names = {figure.name for figure in new}
    kept = [figure for figure in from_json(stored["figures"]) if figure.name not in names]
    return {
        "measured": {**stored["measured"], **dict.fromkeys(names, day)},
        "machine": _machines(stored["machine"], day) if kept else facts(),
        "figures": as_json([*kept, *new]),
    }


def _machines(before: Mapping[str, str], day: str) -> dict[str, str]:
    """Return the facts of a machine on which some figures were measured anew; where they are others, both are told."""
    now = facts()
    if now["cores"] != before["cores"]:
        raise SystemExit(f"the other figures are of {before['cores']} cores, these of {now['cores']}: measure all")
    return {
        name: old if now[name] in old else f"{old}; on {day}: {now[name]}"
        for name, old in before.items()
    }  # fmt: skip


def render(result: Mapping[str, Any]) -> dict[Path, str]:
    """Return the page and its plots, by path; raises `Lacking` where a figure was not measured."""
    days = sorted(set(result["measured"].values()))
    report = Sections({figure.name: figure for figure in from_json(result["figures"])}, result["machine"]["cores"])
    sections = [*report.all(), REPEAT]
    head = [
        "# Performance",
        "",
        f"Figures measured on {' and '.join((days[0], days[-1])[: len(days)])}; `make performance` measures every section and"
        " writes this page, so do not edit it.",
        "",
        *table(("machine", ""), result["machine"].items()),
        "",
        "Load generator, Kafka, PostgreSQL and the three services share these cores. Rates are medians of the runs shown."
        " *Other load* is how many cores something else kept busy meanwhile; where it is well above 0, a quieter machine"
        " does better.",
    ]
    page = "\n\n".join(["\n".join(head), *("\n".join(section) for section in sections)]) + "\n"
    measured = json.dumps(report.measured()._asdict(), indent=1) + "\n"
    return {PAGE: page, MEASURED: measured} | {STORED.parent / name: text for name, text in report.plots.items()}


if __name__ == "__main__":
    main()
