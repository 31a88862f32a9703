"""The page of figures says what the stored figures say."""

import json

from tests.bench.report import STORED, render


def test_the_page_and_its_plots_are_those_of_the_stored_figures() -> None:
    for path, text in render(json.loads(STORED.read_text())).items():
        assert path.read_text() == text, path.name


def test_a_section_without_figures_is_left_out() -> None:
    stored = json.loads(STORED.read_text())
    without = [figure for figure in stored["figures"] if not figure["name"].startswith("soak-")]

    [page] = [text for path, text in render(stored | {"figures": without}).items() if path.suffix == ".md"]

    assert "## Memory" not in page
    assert "## End to end" in page
