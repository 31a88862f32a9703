"""docs/accessibility.md: it judges every criterion, and says of none that a test shows it which there is not."""

import re
from pathlib import Path

TREE = Path(__file__).parents[2]
REPORT = (TREE / "docs/accessibility.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d\.\d\.\d+) ([^|]+) \| ([^|]+) \| ([^|]*)\| ([^|]+) \|$", re.MULTILINE)
TERMS = {"Supports", "Partially supports", "Does not support", "Not applicable"}
LEVELS = {
    "A": "1.1.1 1.2.1 1.2.2 1.2.3 1.3.1 1.3.2 1.3.3 1.4.1 1.4.2 2.1.1 2.1.2 2.1.4 2.2.1 2.2.2 2.3.1 2.4.1 2.4.2 2.4.3 2.4.4"
    " 2.5.1 2.5.2 2.5.3 2.5.4 3.1.1 3.2.1 3.2.2 3.2.6 3.3.1 3.3.2 3.3.7 4.1.2",
    "AA": "1.2.4 1.2.5 1.3.4 1.3.5 1.4.3 1.4.4 1.4.5 1.4.10 1.4.11 1.4.12 1.4.13 2.4.5 2.4.6 2.4.7 2.4.11 2.5.7 2.5.8 3.1.2"
    " 3.2.3 3.2.4 3.3.3 3.3.4 3.3.8 4.1.3",
}
"""The success criteria of WCAG 2.2. Source: https://www.w3.org/TR/WCAG22/"""


def test_every_criterion_is_judged_once_at_its_level() -> None:
    parts = REPORT.split("\n## Level ")[1:]
    found = {part.split("\n", 1)[0]: " ".join(row[0] for row in ROW.findall(part)) for part in parts}

    assert found == LEVELS


def test_a_judgement_is_of_the_terms_and_what_is_not_whole_says_why() -> None:
    for number, _, judged, remark, _ in ROW.findall(REPORT):
        assert judged in TERMS, number
        assert remark.strip() or judged in ("Supports", "Not applicable"), number


def test_what_a_test_is_said_to_show_is_shown_by_one_that_there_is() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in (TREE / "tests").rglob("test_*.py"))
    written = set(re.findall(r"^(?:async )?def (test_\w+)\(", tests, re.MULTILINE))
    for number, _, _, _, shown in ROW.findall(REPORT):
        named = re.fullmatch(r"(?:(?:`test_\w+`|read)(?:, (?=.)|$))+", shown)
        assert named, number
        assert set(re.findall(r"`(test_\w+)`", shown)) <= written, number
