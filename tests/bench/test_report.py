"""The page of figures says what the stored figures say."""

import dataclasses
import json

import pytest

from tests.bench.__main__ import SECTIONS
from tests.bench.figures import from_json
from tests.bench.report import STORED, joined, render
from tests.bench.sections import NAMES, Lacking


def test_the_page_and_its_plots_are_those_of_the_stored_figures() -> None:
    for path, text in render(json.loads(STORED.read_text())).items():
        assert path.read_text() == text, path.name


def test_a_figure_that_was_not_measured_is_named_with_how_to_measure_it() -> None:
    stored = json.loads(STORED.read_text())
    without = [figure for figure in stored["figures"] if figure["name"] != "soak-evidence"]

    with pytest.raises(Lacking, match=r"of soak: soak-evidence\. .* --only soak$"):
        render(stored | {"figures": without})


def test_new_figures_take_the_place_of_those_of_their_names() -> None:
    stored = json.loads(STORED.read_text())
    [before] = [figure for figure in from_json(stored["figures"]) if figure.name == "explain"]

    after = joined(stored, [dataclasses.replace(before, value=1.0)], "2030-01-02")

    found = {figure.name: figure for figure in from_json(after["figures"])}
    assert found["explain"].value == 1.0
    assert (after["measured"]["explain"], len(found)) == ("2030-01-02", len(stored["figures"]))


def test_each_figure_of_the_page_is_measured_by_a_section_that_the_benchmark_has() -> None:
    assert NAMES.keys() <= SECTIONS.keys()
