"""`attain policy` without a stack: begin one, hold it against a framework and the version before, have it explained."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.local.commands import policy as policy_commands
from deploy.local.commands.reaching import reach_lines
from services.progression.domain.curriculum.importing import read_import
from services.progression.domain.policy import read_policy
from services.progression.domain.policy.templates import NAMES, template
from shared.events import now
from tests.support.command import attain_here

NODES = "code,title,level,subject\nA,Adds,1,math\nB,Subtracts,1,math\n"
STREAK = {"id": "s", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"}}


@pytest.fixture
def attain(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a command where no stack is; return its exit code, standard output and standard error."""
    monkeypatch.setenv("ATTAIN_HOME", str(tmp_path / "no-home"))

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        return attain_here(capsys, *arguments)

    return run


def file_with(folder: Path, content: object, name: str = "policy.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_written_as_it_is_checked_clean_and_explained(attain: Any, tmp_path: Path, name: str):
    file = tmp_path / "own.yaml"
    assert attain("policy", "new", "--template", name, "--out", file)[0] == 0
    code, checked, _ = attain("policy", "check", file, "--json")
    _, explained, _ = attain("policy", "explain", file, "--json")
    _, translated, _ = attain("policy", "explain", file, "--language", "es", "--json")

    assert file.read_bytes() == template(name)
    assert json.loads(translated)["language"] == "es"
    assert not set(json.loads(translated)["sentences"]) & set(json.loads(explained)["sentences"])
    assert (code, json.loads(checked)["policy"], json.loads(checked)["problems"]) == (0, name, [])
    assert json.loads(checked)["version"] == json.loads(explained)["version"] == read_policy(template(name)).version
    assert len(json.loads(explained)["sentences"]) == 6


def test_without_out_a_template_goes_to_the_terminal_and_nothing_is_written_over(attain: Any, tmp_path: Path):
    file = file_with(tmp_path, "mine", "mine.yaml")
    code, _, err = attain("policy", "new", "--template", "k2", "--out", file)

    assert attain("policy", "new", "--template", "k2")[1] == template("k2").decode()
    assert (code, err) == (1, f"attain: {file} exists; name another file, or move it away\n")
    assert file.read_text() == "mine"


def test_an_unknown_template_is_refused_with_the_names(attain: Any):
    code, _, err = attain("policy", "new", "--template", "k3")

    assert code == 2
    assert "'classroom'" in err


def test_a_problem_is_a_line_with_its_severity_pointer_and_text(attain: Any, tmp_path: Path):
    worse = STREAK | {"method": {"type": "latest"}, "sufficiency": {"kinds_all": ["practice"]},
                      "evidence": {"kinds": {"practice": 0}}}  # fmt: skip
    code, out, _ = attain("policy", "check", file_with(tmp_path, worse))

    assert code == 1
    assert [line.split(": ", 2)[:2] for line in out.splitlines()[:2]] == [
        ["error", "/sufficiency/kinds_all"], ["warning", "/decision/latch"],
    ]  # fmt: skip


def test_a_warning_alone_is_no_failure(attain: Any, tmp_path: Path):
    code, out, _ = attain("policy", "check", file_with(tmp_path, STREAK | {"method": {"type": "highest"}}))

    assert code == 0
    assert out.startswith("warning: /decision/latch: ")
    assert out.endswith(": 1 warning\n")


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("id: x\nmethod: {type: streak, n: 0}\n", "/method/n"),
        ("[1", ""),
        ("id: x\nstuck: {}\nmethod: {}\n", "/stuck"),
    ],
)
def test_what_is_no_policy_is_one_error_with_its_pointer(attain: Any, tmp_path: Path, text: str, pointer: str):
    code, out, _ = attain("policy", "check", file_with(tmp_path, text), "--json")
    result = json.loads(out)

    assert (code, result["policy"]) == (1, None)
    assert [(each["severity"], each["pointer"]) for each in result["problems"]] == [("error", pointer)]
    assert attain("policy", "explain", tmp_path / "policy.json")[0] == 1


def test_competencies_that_a_policy_names_must_be_in_the_framework(attain: Any, tmp_path: Path):
    nodes = file_with(tmp_path, NODES, "nodes.csv")
    named = STREAK | {
        "applies_to": {"competencies": ["math:A", "math:Z"]},
        "advancement": {"require": {"all": ["A", "C"], "electives": [{"k": 1, "of": ["B", "other:A"]}]}},
    }
    file = file_with(tmp_path, named)
    code, out, _ = attain("policy", "check", file, "--framework", "math", nodes, "--json")

    assert code == 1
    assert [each["pointer"] for each in json.loads(out)["problems"]] == [
        "/applies_to/competencies/1", "/advancement/require/all/1", "/advancement/require/electives/0/of/1",
    ]  # fmt: skip
    assert attain("policy", "check", file)[0] == 0


def test_a_policy_for_what_no_framework_has_is_an_error(attain: Any, tmp_path: Path):
    nodes = file_with(tmp_path, NODES, "nodes.csv")
    for subject, expected in (("math", 0), ("science", 1)):
        file = file_with(tmp_path, STREAK | {"applies_to": {"subject": [subject]}})
        assert attain("policy", "check", file, "--framework", "math", nodes)[0] == expected


def test_a_case_package_is_a_framework_too(attain: Any, tmp_path: Path):
    package = {"CFDocument": {"identifier": "d", "title": "Math", "uri": "u"},
               "CFItems": [{"identifier": "i", "uri": "u", "fullStatement": "Adds", "humanCodingScheme": "A"}],
               "CFAssociations": []}  # fmt: skip
    case = file_with(tmp_path, package, "case.json")
    for code, expected in (("A", 0), ("B", 1)):
        file = file_with(tmp_path, STREAK | {"applies_to": {"competencies": [code]}})
        assert attain("policy", "check", file, "--framework", "math", case)[0] == expected


def test_a_file_that_is_no_framework_is_one_line(attain: Any, tmp_path: Path):
    code, _, err = attain("policy", "check", file_with(tmp_path, STREAK), "--framework", "m", tmp_path / "policy.json")

    assert code == 1
    assert len(err.splitlines()) == 1


def test_a_cut_lowered_without_saying_why_is_an_error(attain: Any, tmp_path: Path):
    before = file_with(tmp_path, STREAK, "before.json")
    lower = file_with(tmp_path, STREAK | {"method": {"type": "streak", "n": 2}})
    said = file_with(tmp_path, STREAK | {"method": {"type": "streak", "n": 2}, "rationale": "n"}, "said.json")
    code, out, _ = attain("policy", "check", lower, "--before", before, "--json")

    assert (code, json.loads(out)["problems"][0]["pointer"]) == (1, "/method/n")
    assert attain("policy", "check", said, "--before", before)[0] == 0


def test_a_card_on_the_terminal_is_six_numbered_sentences_with_pieces_and_re_checks(attain: Any, tmp_path: Path):
    _, out, _ = attain("policy", "explain", file_with(tmp_path, STREAK))

    assert [line[:2] for line in out.splitlines() if line[:1].isdigit()] == [f"{n}." for n in range(1, 7)]
    assert "For the record: at least three pieces of work, typically 3" in out
    assert "Re-checks a year: none." in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_framework_of_a_history_is_given_with_one_only_and_a_history_needs_a_stack(attain: Any, tmp_path: Path):
    file = file_with(tmp_path, STREAK)

    assert attain("policy", "check", file, "--for", "math")[0] == 2
    assert attain("policy", "check", file, "--history")[0] == 1


def test_a_reach_is_a_line_for_each_subject_and_grade():
    part = {"subject": "Mathematics", "grade": "3", "learners": 40, "pairs": 400, "decidable": 0.25,
            "undecided_by": {"min_evidence": 0.7, "min_occasions": 0.1}}  # fmt: skip
    small = {"subject": "unknown", "grade": "unknown", "learners": None, "pairs": None, "decidable": None,
             "undecided_by": {"min_evidence": None}}  # fmt: skip
    whole = {"learners": 43, "pairs": 408, "decidable": 0.25, "undecided_by": {"min_evidence": 0.7}}

    assert reach_lines(whole | {"subjects": [part, small]}) == [
        "408 pairs of learner and standard with evidence, of 43 learners:",
        "  25% can be decided, 75% cannot, for want of min_evidence (70%)",
        "subject                    grade  learners    pairs  decidable  undecidable  for want of",
        "Mathematics                    3        40      400        25%          75%  min_evidence (70%), min_occasions (10%)",
        "unknown                  unknown       few      few        few          few  min_evidence (few)",
        "",
    ]
    assert reach_lines(whole | {"pairs": 0, "subjects": []}) == []


def test_a_framework_is_read_as_of_the_day_on_which_the_service_would(
    attain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Wherever the operator is: the sign of these zones is turned round, so the day there is another one now."""
    days: list[str] = []

    def reading(body: bytes, today: str) -> Any:
        days.append(today)
        return read_import(body, today)

    monkeypatch.setattr(policy_commands, "read_import", reading)
    nodes = file_with(tmp_path, NODES, "nodes.csv")
    before = now()[:10]
    with monkeypatch.context() as abroad:
        abroad.setenv("TZ", "Etc/GMT+12" if int(now()[11:13]) < 12 else "Etc/GMT-14")
        time.tzset()
        code, *_ = attain("policy", "check", file_with(tmp_path, STREAK), "--framework", "math", nodes)
    time.tzset()

    # The day may end while the command runs.
    assert (code, days) in ((0, [before]), (0, [now()[:10]]))
