"""
`docs/performance.md` from figures: `python -m tests.bench.report bench.json` takes new ones in, without a file it renders
those of `docs/performance/figures.json` again.
"""

import argparse
import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.figures import as_json, from_json, read
from tests.bench.machine import facts
from tests.bench.sections import Sections, table

DOCS = Path(__file__).parents[2] / "docs"
STORED = DOCS / "performance" / "figures.json"
PAGE = DOCS / "performance.md"
REPEAT = [
    "## Repeat it", "", "```sh",
    "make bench          # end to end, latency at 500/s, progression beside Quix Streams; 5 minutes",
    "make bench-peers    # progression beside Quix Streams and Kafka Streams alone",
    "make bench-soak     # 20 minutes of memory",
    "make performance    # every section, then this page",
    "```", "",
    "Each section starts a stack of its own on loopback. `python -m tests.bench --help` lists the sections and sizes.",
]  # fmt: skip


def main() -> None:
    """Take figures in, if a file is named, and write the page with its plots."""
    parser = argparse.ArgumentParser(description="Render docs/performance.md.")
    parser.add_argument("figures", type=Path, nargs="?", help="what `make bench` wrote")
    arguments = parser.parse_args()
    if arguments.figures is not None:
        STORED.parent.mkdir(parents=True, exist_ok=True)
        result = {
            "measured": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": facts(),
            "figures": as_json(read(arguments.figures)),
        }
        STORED.write_text(json.dumps(result, indent=1) + "\n")
    for path, text in render(json.loads(STORED.read_text())).items():
        path.write_text(text)


def render(result: Mapping[str, Any]) -> dict[Path, str]:
    """Return the page and its plots, by path."""
    report = Sections({figure.name: figure for figure in from_json(result["figures"])}, result["machine"]["cores"])
    sections = [section for section in report.all() if section] + [REPEAT]
    head = [
        "# Performance",
        "",
        f"Figures as of {result['measured']}; `make performance` measures every section and writes this page, so do not edit it.",
        "",
        *table(("machine", ""), result["machine"].items()),
        "",
        "Load generator, Kafka, PostgreSQL and the three services share these cores. Rates are medians of the runs shown."
        " *Other load* is how many cores something else kept busy meanwhile; where it is well above 0, a quieter machine"
        " does better.",
    ]
    page = "\n\n".join(["\n".join(head), *("\n".join(section) for section in sections)]) + "\n"
    return {PAGE: page} | {STORED.parent / name: text for name, text in report.plots.items()}


if __name__ == "__main__":
    main()
