"""The commands on a real stack: what they send, wait for and tell."""

import csv
import gzip
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import stack
from deploy.local.client.counting import count
from deploy.local.commands.demo_district import show_district
from deploy.local.errors import StackError
from deploy.local.options import Context
from deploy.local.sample import district as sample
from deploy.local.sample.people import Size
from deploy.local.stack import Stack
from shared.settings import Settings
from tests.support.command import attain_here

NODES = "code,title,level,subject\nA,Adds,1,math\nB,Subtracts,1,math\n"
EDGES = "from,to\nA,B\n"
ONE_IS_ENOUGH = {"id": "one", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}}
SOURCE = "urn:test:lms"

Attain = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture(scope="module")
def running(kept_home: Path, servers: Stack) -> Iterator[Stack]:
    """The services with a PostgreSQL of their own, on the Kafka of the other tests."""
    yield stack.start(kept_home, owner=os.getpid(), environment={"ATTAIN_KAFKA": servers.kafka})
    stack.stop(kept_home)


@pytest.fixture
def attain(running: Stack, capsys: pytest.CaptureFixture[str]) -> Attain:
    """Run a command on the stack with `--json`; return its exit code, its object and standard error."""

    def run(*arguments: str | Path) -> tuple[int, dict[str, Any], str]:
        code, out, err = attain_here(capsys, *arguments, "--json", "--home", running.home)
        return code, json.loads(out), err

    return run


def _piece(number: int, competency: str = "f:A", **members: object) -> dict[str, object]:
    return {
        "id": f"p-{number}", "source": SOURCE, "learner": "l-1", "competencies": [competency],
        "score": {"raw": 1, "max": 1}, "occurred_at": f"2025-01-01T00:00:{number:02}Z", **members,
    }  # fmt: skip


def _prepare(attain: Attain, folder: Path, tenant: str) -> dict[str, Any]:
    (folder / "nodes.csv").write_text(NODES)
    (folder / "edges.csv").write_text(EDGES)
    (folder / "policy.json").write_text(json.dumps(ONE_IS_ENOUGH))
    code, framework, _ = attain("framework", "import", folder / "nodes.csv", "--id", "f", "--format", "csv",
                                "--tenant", tenant)  # fmt: skip
    assert code == 0
    assert attain("policy", "set", folder / "policy.json", "--tenant", tenant)[0] == 0
    return framework


def test_framework_is_everywhere_when_its_import_returns(attain: Attain, tmp_path: Path) -> None:
    framework = _prepare(attain, tmp_path, "framework")
    (tmp_path / "one.json").write_text(json.dumps(_piece(1, "f:B")))

    assert {name: framework[name] for name in ("framework", "competencies", "prerequisites", "problems")} == {
        "framework": "f", "competencies": 2, "prerequisites": 1, "problems": [],
    }  # fmt: skip
    assert attain("ingest", tmp_path / "one.json", "--format", "native", "--tenant", "framework")[1]["accepted"] == 1


def test_items_that_are_not_accepted_are_listed_and_a_second_run_changes_nothing(
    attain: Attain, tmp_path: Path
) -> None:
    _prepare(attain, tmp_path, "ingest")
    lines = [json.dumps(_piece(n)) for n in range(3)]
    lines += ["{no json", json.dumps(_piece(9, "g:X")), json.dumps(_piece(5, supersedes="p-1"))]
    file = tmp_path / "items.ndjson.gz"
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    code, first, _ = attain("ingest", file, "--format", "native", "--tenant", "ingest")
    _, second, _ = attain("ingest", file, "--format", "native", "--tenant", "ingest")
    statuses = ("accepted", "duplicate", "corrected", "parked", "rejected")

    assert code == 1
    assert [first[status] for status in statuses] == [3, 0, 1, 1, 1]
    assert [(item["index"], item["id"], item["status"], item["reason"]) for item in first["items"]] == [
        (3, None, "rejected", "malformed_json"),
        (4, "p-9", "parked", "unknown_competency"),
        (5, "p-5", "corrected", None),
    ]
    assert [second[status] for status in statuses] == [0, 4, 0, 1, 1]


def test_a_correction_that_is_not_taken_is_an_error(attain: Attain, tmp_path: Path) -> None:
    """A score below its least is refused, and so is a piece that has no room to say that it was moved."""
    _prepare(attain, tmp_path, "correct")
    full = _piece(2, learner="l-2", extensions={"notes": ""})
    full["extensions"] = {"notes": "x" * (Settings().item_bytes_max - len(json.dumps(full)))}
    (tmp_path / "items.ndjson").write_text("\n".join(json.dumps(piece) for piece in (_piece(1), full)))
    (tmp_path / "scores.csv").write_text("id,raw,max\np-1,-1,1\n")
    assert attain("ingest", tmp_path / "items.ndjson", "--format", "native", "--tenant", "correct")[1]["accepted"] == 2
    assert attain("drain")[0] == 0
    asked: list[list[str | Path]] = [["--scores", tmp_path / "scores.csv"], ["--item", "p-2", "--to", "l-1"]]
    said = [attain("correct", "--source", SOURCE, *of, "--tenant", "correct") for of in asked]
    done = [attain("correct", "--source", SOURCE, *of, "--apply", "--tenant", "correct") for of in asked]

    assert [(code, result["sent"]) for code, result, _ in said] == [(0, {})] * 2
    assert [(code, result["sent"]["rejected"]) for code, result, _ in done] == [(1, 1)] * 2


def test_a_correction_of_a_source_that_nobody_heard_of_is_an_error(attain: Attain, tmp_path: Path) -> None:
    """What is mistyped would else look as if it were done; of what is done already there is nothing more to do."""
    _prepare(attain, tmp_path, "mistyped")
    (tmp_path / "items.json").write_text(json.dumps([_piece(1), _piece(2)]))
    (tmp_path / "scores.csv").write_text("id,raw,max\np-1,0,1\np-3,0,1\n")
    attain("ingest", tmp_path / "items.json", "--format", "native", "--tenant", "mistyped")
    assert attain("drain")[0] == 0
    unheard = [attain("correct", "--source", "urn:tset", *how, "--tenant", "mistyped") for how in ([], ["--apply"])]
    no_piece = attain("correct", "--source", SOURCE, "--item", "p-9", "--apply", "--tenant", "mistyped")
    _, scored, _ = attain("correct", "--source", SOURCE, "--scores", tmp_path / "scores.csv", "--tenant", "mistyped")
    done = [attain("correct", "--source", SOURCE, "--apply", "--tenant", "mistyped")]
    assert attain("drain")[0] == 0
    done.append(attain("correct", "--source", SOURCE, "--apply", "--tenant", "mistyped"))

    assert [(code, result["error"]) for code, result, _ in unheard] == [
        (1, "tenant mistyped knows no source urn:tset; `attain completeness` lists the sources")
    ] * 2
    assert (no_piece[0], no_piece[1]["error"]) == (1, "no such evidence")
    assert (scored["pieces"], scored["unchanged"]) == (1, 1)
    assert [(code, result["pieces"]) for code, result, _ in done] == [(0, 2), (0, 0)]


def test_a_correction_says_what_is_parked_and_so_not_corrected(attain: Attain, tmp_path: Path) -> None:
    _prepare(attain, tmp_path, "parked")
    pieces = [_piece(1), _piece(2, "unknown:A"), _piece(3, "unknown:A")]
    (tmp_path / "items.json").write_text(json.dumps(pieces))
    attain("ingest", tmp_path / "items.json", "--format", "native", "--tenant", "parked")
    assert attain("drain")[0] == 0
    _, of_source, _ = attain("correct", "--source", SOURCE, "--tenant", "parked")
    _, of_item, _ = attain("correct", "--source", SOURCE, "--item", "p-2", "--tenant", "parked")

    assert (of_source["pieces"], of_source["parked"]) == (1, 2)
    assert (of_item["pieces"], of_item["parked"]) == (0, 1)


def test_learner_is_found_by_the_id_of_the_source(attain: Attain, running: Stack, tmp_path: Path) -> None:
    _prepare(attain, tmp_path, "learner")
    (tmp_path / "items.json").write_text(json.dumps([_piece(1), _piece(2, "f:B", score={"raw": 0, "max": 1})]))
    attain("ingest", tmp_path / "items.json", "--format", "native", "--tenant", "learner")
    assert attain("drain", "--timeout", "60")[1]["drained"] is True
    _, record, _ = attain("learner", SOURCE, "l-1", "--tenant", "learner")
    with Context(running.home, "learner").client("reporting") as client:
        body = client.get(f"/v1/learners/{record['learner']}/record").json()

    assert record == body
    assert attain("learner", record["learner"], "--tenant", "learner")[1] == body
    explained = [
        attain("explain", *learner, "f:A", "--tenant", "learner")[1]
        for learner in ((SOURCE, "l-1"), (record["learner"],))
    ]
    assert explained[0] == explained[1]
    assert explained[0]["status"] == "mastered"
    assert {item["competency"]: item["status"] for item in record["items"]} == {"f:A": "mastered", "f:B": "not_yet"}


def test_learner_who_is_not_known_is_one_line(attain: Attain) -> None:
    code, result, err = attain("learner", SOURCE, "nobody", "--tenant", "learner")

    assert code == 1
    assert err == f"attain: tenant learner knows no learner 'nobody' of source {SOURCE}\n"
    assert set(result) == {"error"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "term close 2026-27",
            "tenant nowhere has no framework, so no record that a term could close; --tenant says which is",
        ),
        (
            "rollover {folder} --session 2026-27 --yes",
            "tenant nowhere has no framework, so no record that a term could close",
        ),
        ("policy shadow start {folder}/policy.json --framework none", "the tenant has no framework 'none'"),
        (
            "webhook add x https://x.example --purpose long-enough --framework none",
            "tenant nowhere has no framework 'none'",
        ),
        ("erase staff nobody", "tenant nowhere held no name of nobody, or has forgotten it already"),
        ("export tables {folder}/tables", "tenant nowhere has nothing in any table; --tenant says which is meant"),
    ],
)
def test_what_names_nothing_that_is_there_is_one_line_and_fails(
    attain: Attain, running: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, said: str
) -> None:
    (tmp_path / "policy.json").write_text(json.dumps(ONE_IS_ENOUGH))
    (tmp_path / "classes.csv").write_text("class,title\nc,Class\n")
    words = command.format(folder=tmp_path).split()
    code, _, err = attain_here(capsys, *words, "--tenant", "nowhere", "--home", running.home)

    assert code == 1
    assert err.splitlines()[-1].removeprefix("attain: ").startswith(said), err
    assert attain("term", "list", "--tenant", "nowhere")[1]["items"] == []


def test_what_cannot_be_an_opaque_id_is_told_how_a_learner_is_named(attain: Attain) -> None:
    for command in (["learner"], ["export", "learner"], ["erase", "learner", "--yes"]):
        code, result, _ = attain(*command, "l-1", "--tenant", "learner")

        assert code == 2
        assert result["error"].startswith("'l-1' is no opaque id; give the source that calls the learner so before it")
    code, result, _ = attain("explain", "l-1", "f:A", "--tenant", "learner")
    assert code == 2
    assert "no opaque id" in result["error"]


def test_policy_that_is_refused_is_a_result_with_its_pointer(attain: Attain, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("id: x\nmethod: {type: streak, n: 0}\n")
    code, checked, _ = attain("policy", "check", tmp_path / "policy.yaml")

    assert code == 1
    assert [problem["pointer"] for problem in checked["problems"]] == ["/method/n"]
    assert attain("policy", "set", tmp_path / "policy.yaml")[0] == 1


def test_policy_check_gives_the_version_that_set_gives(attain: Attain, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps(ONE_IS_ENOUGH))
    _, checked, _ = attain("policy", "check", tmp_path / "policy.json")
    code, set_, _ = attain("policy", "set", tmp_path / "policy.json", "--framework", "f", "--tenant", "policy")

    assert code == 0
    assert (checked["policy"], checked["version"]) == (set_["policy"], set_["version"])


def test_policy_with_an_error_is_refused_and_nothing_of_it_is_kept(attain: Attain, tmp_path: Path) -> None:
    _prepare(attain, tmp_path, "unknown")
    unknown = ONE_IS_ENOUGH | {"advancement": {"require": {"all": ["A", "Z"]}}}
    (tmp_path / "unknown.json").write_text(json.dumps(unknown))
    code, refused, _ = attain("policy", "set", tmp_path / "unknown.json", "--tenant", "unknown")

    assert code == 1
    assert refused["problems"] == [
        {"severity": "error", "pointer": "/advancement/require/all/1", "text": "no framework has Z"}
    ]
    assert attain("policy", "activate", "000000", "--tenant", "unknown")[0] == 1


def test_setting_a_policy_tells_what_the_lint_warns_of_also_when_it_is_set_again(
    attain: Attain, tmp_path: Path
) -> None:
    _prepare(attain, tmp_path, "warned")
    lucky = {"id": "lucky", "method": {"type": "highest"}, "decision": {"latch": "first_crossing"}}
    (tmp_path / "lucky.json").write_text(json.dumps(lucky))
    for _ in range(2):
        code, result, _ = attain("policy", "set", tmp_path / "lucky.json", "--framework", "g", "--tenant", "warned")

        assert code == 0
        assert [(each["severity"], each["pointer"]) for each in result["problems"]] == [
            ("warning", "/decision/latch"), ("warning", ""),
        ]  # fmt: skip
        assert result["problems"][1]["text"].startswith("no framework g is known yet")
    assert attain("policy", "check", tmp_path / "lucky.json")[1]["problems"] == result["problems"][:1]


def test_versions_are_listed_with_those_in_force_and_for_which_frameworks(
    attain: Attain, running: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert attain("policy", "list", "--tenant", "listed")[1] == {"items": []}
    (tmp_path / "nodes.csv").write_text(NODES)
    attain("framework", "import", tmp_path / "nodes.csv", "--id", "f", "--format", "csv", "--tenant", "listed")
    for id in ("one", "two"):
        (tmp_path / "policy.json").write_text(json.dumps(ONE_IS_ENOUGH | {"id": id}))
        attain("policy", "set", tmp_path / "policy.json", "--tenant", "listed")
    _, listed, _ = attain("policy", "list", "--tenant", "listed")
    _, in_words, _ = attain_here(capsys, "policy", "list", "--tenant", "listed", "--home", running.home)
    code, again, _ = attain("policy", "activate", "one", "--tenant", "listed")
    _, refused, _ = attain("policy", "activate", "three", "--tenant", "listed")

    assert {each["policy"]: (each["in_force"], each["frameworks"]) for each in listed["items"]} == {
        "one": (False, []), "two": (True, ["f"]),
    }  # fmt: skip
    assert {line[:3]: line.partition("  ")[2] for line in in_words.splitlines()} == {"one": "", "two": "in force for f"}
    assert (code, again["policy"]) == (0, "one")
    assert {each["policy"]: each["in_force"] for each in attain("policy", "list", "--tenant", "listed")[1]["items"]} == {
        "one": True, "two": False,
    }  # fmt: skip
    assert refused["error"].startswith("no versions of tenant listed are 'three'; there is ")
    assert f"one@{again['version']}" in refused["error"]


def test_earlier_version_is_put_into_force_again(attain: Attain, tmp_path: Path) -> None:
    versions = []
    for n in (1, 2):
        (tmp_path / "policy.json").write_text(json.dumps(ONE_IS_ENOUGH | {"method": {"type": "streak", "n": n}}))
        versions.append(attain("policy", "set", tmp_path / "policy.json", "--tenant", "again")[1]["version"])
    lower, _, _ = attain("policy", "activate", f"one@{versions[0]}", "--tenant", "again")
    (tmp_path / "policy.json").write_text(
        json.dumps(ONE_IS_ENOUGH | {"method": {"type": "streak", "n": 3}, "rationale": "Two were luck."})
    )
    attain("policy", "set", tmp_path / "policy.json", "--tenant", "again")
    (tmp_path / "policy.json").write_text(json.dumps({"id": "other", "method": {"type": "highest"}}))
    attain("policy", "set", tmp_path / "policy.json", "--tenant", "again")
    code, again, _ = attain("policy", "activate", versions[1], "--tenant", "again")

    assert lower == 1, "a cut that was lowered again needs a reason"
    assert (code, again["policy"], again["version"]) == (0, "one", versions[1])


def test_roster_is_counted_and_its_second_import_changes_nothing(attain: Attain, tmp_path: Path) -> None:
    for name, text in {
        "schools": "school,title,district\ns,School,d\n", "classes": "class,title,school\nc,Class,s\n",
        "learners": "source_id,name\n1,Ada\n2,Ben\n", "enrolments": "class,learner,status\nc,1,active\nc,2,active\n",
        "staff": "class,staff,role\nc,t-1,teacher\n", "people": "person,name\nt-1,Tea Cher\nt-2,\n",
    }.items():  # fmt: skip
        (tmp_path / f"{name}.csv").write_text(text)
    _, first, _ = attain("roster", "import", tmp_path, "--tenant", "roster")
    _, second, _ = attain("roster", "import", tmp_path, "--tenant", "roster")
    attain("drain")
    _, record, _ = attain("learner", "urn:attain:roster", "1", "--tenant", "roster")
    _, forgotten, _ = attain("erase", "staff", "t-1", "--tenant", "roster")
    counts = {"learners": 2, "classes": 1, "enrolments": 2, "staff": 1, "schools": 1}

    assert first == counts | {"changed": 5}
    assert second == counts | {"changed": 0}
    assert record["items"] == []
    assert (forgotten["person"], forgotten["had_name"]) == ("t-1", True)


def test_response_log_is_folded_as_by_hand_and_a_second_run_counts_the_same(attain: Attain, tmp_path: Path) -> None:
    dice = random.Random(7)
    rows = [(s, n, dice.randrange(4), int(dice.random() < 0.6)) for s in range(40) for n in range(30)]
    log = tmp_path / "Small_Log.csv.gz"
    with gzip.open(log, "wt", newline="") as file:
        csv.writer(file).writerows([("student", "seq", "skill", "correct"), *rows])
    runs: dict[tuple[int, int], str] = {}
    for student, _, skill, correct in rows:
        runs[student, skill] = runs.get((student, skill), "") + str(correct)
    mastered = sum("111" in run for run in runs.values())
    _, first, _ = attain("demo", "--responses", log)
    _, second, _ = attain("demo", "--responses", log)
    told = {
        "tenant": "responses-small-log", "evidence": 1200, "learners": 40, "competencies": 4, "pairs": len(runs),
        "mastered_pairs": mastered, "mastered_events": mastered, "withdrawn_events": 0, "reinstated_events": 0,
        "advancements": 0,
    }  # fmt: skip

    assert {name: first[name] for name in told} == told
    assert {name: second[name] for name in told} == told
    assert (first["accepted"], second["duplicate"]) == (1200, 1200)


def test_sample_district_is_folded_and_shown(running: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    context = Context(running.home, "small")
    district = sample.make_district(size=Size(learners=2))
    district = district._replace(months=district.months[:4])
    show_district(context, district, sample.read_policy())
    shown = capsys.readouterr()
    counts = count(context)
    show_district(context, district, sample.read_policy())

    assert counts["learners"] == 24
    assert 0 < int(str(counts["mastered_pairs"])) < int(str(counts["pairs"]))
    assert counts["mastered_pairs"] == int(str(counts["mastered_events"])) - int(str(counts["withdrawn_events"]))
    assert int(str(counts["withdrawn_events"])) <= district.mistake.results
    assert "worth looking at" in shown.out
    assert "#token=" in shown.out
    assert shown.err.count("\n") >= len(district.months) + 4
    assert count(context) == counts
    again = capsys.readouterr()
    with pytest.raises(StackError, match="has the other sample district already"):
        show_district(context, sample.make_district(size=Size(parallel=2, learners=1)), sample.read_policy())
    assert again.err == shown.err
