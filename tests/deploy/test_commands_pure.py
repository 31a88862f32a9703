"""What the commands do without a stack: reading files, mapping rows, patience, and refusals in one line."""

import contextlib
import gzip
import json
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
import jwt
import msgspec
import pytest
import yaml
from click.testing import CliRunner

from deploy.local.client import asking
from deploy.local.client.days import day_in, local_days
from deploy.local.client.sending import LANES, Item, Tally, lane_of, post
from deploy.local.commands.adopting import audit_text, level_lines, split_lines
from deploy.local.commands.alignment import missing_text
from deploy.local.commands.class_ import class_
from deploy.local.commands.completeness import text as sources_text
from deploy.local.commands.correct import lines as correction_lines
from deploy.local.commands.drain import waiting_stage
from deploy.local.commands.explain import explain, rule_lines
from deploy.local.commands.explain import text as explanation_text
from deploy.local.commands.learner import further_lines, text
from deploy.local.commands.learner import learner as learner_command
from deploy.local.commands.passback import Target, read_target
from deploy.local.commands.privacy import export_learner
from deploy.local.commands.quarantine import show as show_quarantined
from deploy.local.commands.rollover import term_before
from deploy.local.commands.roster import COLUMNS, import_roster, read_table, requests
from deploy.local.commands.tenant import LIMITS, SAID, export_tenant, in_words
from deploy.local.errors import StackError
from deploy.local.files.items import ItemFile, with_source
from deploy.local.files.messages import mapped
from deploy.local.files.responses import ResponseLog
from deploy.local.files.writing import whole
from deploy.local.options import Context
from shared.auth import issue_token
from tests.support.command import attain_here

TREE = Path(__file__).parents[2]
ADA = "00000000-0000-4000-8000-000000000001"
LOG = "student,seq,item,timestamp,correct,skill,extra\ns 1,0,,53.0,1,12,x\n\ns 1,1,i7,60.5,0,7,x\n"


def _file(tmp_path: Path, content: bytes, name: str = "items.json") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "items", "lines"),
    [
        (b'{"id": 1}', [b'{"id": 1}'], True),
        (b'{\n "id": 1\n}\n', [b'{\n "id": 1\n}'], False),
        (b'[{"id": 1},\n {"id": 2}]', [b'{"id": 1}', b'{"id": 2}'], False),
        (b'\n{"id": 1}\r\n\n{"id": 2}', [b'{"id": 1}', b'{"id": 2}'], True),
        (b'\xef\xbb\xbf{"id": 1}\n{"id": 2}\n', [b'{"id": 1}', b'{"id": 2}'], True),
        (b'{"id": \n{"id": 2}\n', [b'{"id": ', b'{"id": 2}'], True),
        (b"", [], True),
    ],
)
def test_items_of_a_file_are_recognised(tmp_path: Path, content: bytes, items: list[bytes], lines: bool) -> None:
    for data in (content, gzip.compress(content)):
        file = ItemFile(_file(tmp_path, data))

        assert list(file.items()) == items
        assert file.lines == lines


def test_array_that_is_not_json_is_refused_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="is not JSON"):
        ItemFile(_file(tmp_path, b'[{"id": 1},'))


def test_zipped_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path, gzip.compress(b'{"id": 1}\n' * 1000)[:-12])

    with pytest.raises(StackError, match="is not whole"):
        list(ItemFile(path).items())


def test_source_is_given_to_items_that_name_none() -> None:
    assert json.loads(with_source(b'{"id": "1", "n": 1.50}', "urn:x")) == {"source": "urn:x", "id": "1", "n": 1.5}
    assert with_source(b'{"source": "urn:y"}', "urn:x") == b'{"source": "urn:y"}'
    assert with_source(b"no json", "urn:x") == b"no json"


def test_items_of_a_learner_share_a_lane() -> None:
    lanes = {lane_of(b'{"id": "%d", "learner": "a", "score": {"raw": 1}}' % number) for number in range(20)}

    assert len(lanes) == 1
    assert {lane_of(b'{"learner": "%d"}' % number) for number in range(50)} == set(range(LANES))
    assert lane_of(b"no json") == lane_of(b"\xff") == 0


def _service(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(base_url="http://service", transport=httpx.MockTransport(answer))


def _accept(request: httpx.Request, most: int) -> httpx.Response:
    items = gzip.decompress(request.content).splitlines()
    if len(items) > most:
        return httpx.Response(413, json={"detail": "smaller batches"})
    return httpx.Response(200, json={"items": [{"index": n, "id": i.decode(), "status": "accepted"} for n, i in
                                               enumerate(items)]})  # fmt: skip


def test_service_with_lower_limits_gets_halves() -> None:
    with _service(lambda request: _accept(request, 3)) as client:
        found = post(client, [b"%d" % number for number in range(10)], True)
    tally = Tally(lambda item: True)
    tally.add(found, range(100, 110))

    assert [(item.index, item.id) for item in tally.items] == [(100 + n, str(n)) for n in range(10)]
    assert tally.taken == 10


def test_item_that_no_limit_has_room_for_is_rejected() -> None:
    with _service(lambda request: _accept(request, 0)) as client:
        assert post(client, [b"1"], True) == [Item(0, None, "rejected", "too_large", "", "smaller batches")]


def test_lost_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[httpx.Response | Exception] = [
        httpx.ConnectError("gone"), httpx.Response(503), httpx.Response(200, json={"items": []})
    ]  # fmt: skip

    def answer(request: httpx.Request) -> httpx.Response:
        following = answers.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    monkeypatch.setattr(asking, "PAUSE_S_MIN", 0.001)
    with _service(answer) as client:
        assert asking.patiently(client.get, "/").status_code == 200
    assert answers == []


def test_who_has_to_wait_is_told_so_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers = [*[httpx.Response(503, json={"detail": "the database is away"})] * 5, httpx.Response(200)]
    for name in ("PAUSE_S_MIN", "PAUSE_S_MAX", "TELLING_S"):
        monkeypatch.setattr(asking, name, 0.001)
    with _service(lambda request: answers.pop(0)) as client:
        asking.patiently(client.get, "/")

    assert capsys.readouterr().err == (
        "http://service/ cannot answer now (the database is away); asking again, for up to 60 s\n"
    )


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE_S", 0.0)
    with (
        _service(lambda request: httpx.Response(503)) as client,
        pytest.raises(StackError, match=r"cannot answer now \(503\), for 0 s"),
    ):
        asking.patiently(client.get, "/")


def test_stage_with_most_left_to_do_is_named() -> None:
    stages: list[dict[str, Any]] = [{"name": "relay", "behind_events": 0}, {"name": "fold", "behind_events": 1200}]

    assert waiting_stage(stages) == "stage fold has 1,200 events left to do"
    assert waiting_stage(stages[:1]) == waiting_stage([]) == ""
    assert waiting_stage([*stages, {"name": "intake", "behind_events": None}]).startswith("stage intake cannot see")


def test_row_of_a_response_log_is_native_evidence(tmp_path: Path) -> None:
    log = ResponseLog(_file(tmp_path, gzip.compress(LOG.encode()), "Some_Log.v2.csv.gz"))
    first, second = (msgspec.json.decode(piece) for piece in log.evidence())

    assert log.tenant == "responses-some-log-v2"
    assert first == {
        "id": "s 1-0",
        "source": "urn:attain:responses:Some_Log.v2",
        "learner": "s 1",
        "competencies": ["Some_Log.v2:12"],
        "activity": {"id": "s 1-0"},
        "score": {"raw": 1, "max": 1},
        "occurred_at": "2009-09-01T00:00:53Z",
        "kind": "practice",
    }
    assert second["activity"] == {"id": "i7"}
    assert second["occurred_at"] == "2009-09-01T00:01:01.500000Z"


def test_log_without_timestamps_counts_from_its_beginning(tmp_path: Path) -> None:
    log = ResponseLog(_file(tmp_path, b"student,seq,skill,correct\n5,86400,7,0\n", "log.csv"))

    (piece,) = (msgspec.json.decode(line) for line in log.evidence())
    assert piece["occurred_at"] == "2009-09-02T00:00:00Z"


def test_survey_of_a_response_log_is_its_framework(tmp_path: Path) -> None:
    survey = ResponseLog(_file(tmp_path, LOG.encode(), "log.csv")).survey()

    assert survey.rows == 2
    assert survey.nodes_csv() == "code,title\n7,7\n12,12\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("student,seq,skill\n", "lacks column correct"),
        ("", "lacks column student"),
        ("student,seq,skill,correct\n1,0,7,yes\n", "line 2: could not convert"),
        ("student,seq,skill,correct\n1,0,7\n", "line 2: 3 cells, not 4"),
        ("student,seq,skill,correct\n1,0,,1\n", "line 2: student or skill is empty"),
        ("student,seq,skill,correct\n1,99999999999999,7,1\n", "line 2: "),
    ],
)
def test_response_log_that_is_not_of_its_form_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(StackError, match=message):
        list(ResponseLog(_file(tmp_path, content.encode(), "log.csv")).evidence())


def _problem(status: int, detail: str, **members: object) -> httpx.Response:
    return httpx.Response(status, json={"status": status, "title": "No", "detail": detail} | members)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_problem(404, "the tenant has no such webhook"), "the tenant has no such webhook"),
        (_problem(409, "the register is full"), "refused: the register is full"),
        (_problem(422, "name is missing", pointer="/name"), "refused: name is missing (/name)"),
        (
            _problem(401, "it has ended"),
            "http://service/ does not accept the token or key: it has ended; give another in",
        ),
        (_problem(500, "KeyError"), "http://service/ failed (500): KeyError; `attain doctor` looks for what is wrong"),
        (httpx.Response(307), "http://service/ failed (307): no reason given; `attain doctor`"),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_service(answer: httpx.Response, said: str) -> None:
    with _service(lambda request: answer) as client, pytest.raises(StackError) as refused:
        asking.told(client.get("/v1/webhooks/x?secret=1"))

    assert refused.value.message.startswith(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("term", "close", ""), "'NAME': it is empty"),
        (("key", "revoke", " "), "'KEY_ID': it is empty"),
        # Left out, these would mean all of the source.
        (("correct", "--source", "urn:x", "--activity", "", "--apply"), "'--activity': it is empty"),
        (("correct", "--source", "urn:x", "--item", "", "--apply"), "'--item': it is empty"),
        (("tenant", "create", "--time-zone", "UTC", "--source", ""), "'--source': it is empty"),
        (("key", "rotate", "x", "--overlap", "nan"), "'--overlap': it is no finite number"),
        (("token", "--expires", "inf"), "'--expires': it is no finite number"),
    ],
)
def test_what_is_given_and_empty_is_refused_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = attain_here(capsys, *arguments, "--home", tmp_path / "none")

    assert (code, said in err, err.count("\n")) == (2, True, 1), err


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ATTAIN_REPORTING_URL", "attain.example.edu", "ATTAIN_REPORTING_URL is 'attain.example.edu', and has to be"),
        ("ATTAIN_PROGRESSION_URL", "ftp://x", "ATTAIN_PROGRESSION_URL is 'ftp://x', and has to be an address"),
        ("ATTAIN_TOKEN_KEY_FILE", "/none", "ATTAIN_TOKEN_KEY_FILE is /none, and there is no such file"),
    ],
)
def test_a_wrong_setting_of_a_stack_that_is_not_local_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    for service in ("EVIDENCE", "PROGRESSION", "REPORTING"):
        monkeypatch.setenv(f"ATTAIN_{service}_URL", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, value)
    code, _, err = attain_here(capsys, "key", "list")

    assert (code, err.startswith(f"attain: {said}"), err.count("\n")) == (1, True, 1), err


def test_a_correction_of_nothing_says_where_the_sources_are_listed() -> None:
    nothing: dict[str, Any] = {
        "pieces": 0, "learners": 0, "pairs": 0, "statuses": [], "events": {}, "schools": [], "credentials": [], "parked": 0,
    }  # fmt: skip

    assert "no piece that counts is of this source" in "\n".join(
        correction_lines(nothing, "taken back", False, {}, day_in("UTC"))
    )


def test_explanations_and_corrections_have_the_days_of_the_districts_time_zone() -> None:
    piece = {"occurred_at": "2026-03-05T03:30:00Z", "value": 3, "counted": True, "weight": 1}
    explained: dict[str, Any] = {
        "competency": "f:a", "status": "not_yet", "score": None, "as_of": None, "policy": None, "evidence": [piece],
        "trace": [], "missing": [], "minimal_change": {"text": "none"},
    }  # fmt: skip
    record = {"id": "r", "learner": "l", "whole_record": True, "issued_at": "2026-03-05T03:30:00Z", "scopes": ["f:a"]}
    corrected: dict[str, Any] = {
        "pieces": 1, "learners": 1, "pairs": 1, "statuses": [], "events": {}, "schools": [], "credentials": [record],
        "parked": 0,
    }  # fmt: skip
    chicago = day_in("America/Chicago")

    assert "  2026-03-04       3" in explanation_text(explained, chicago)
    assert "issued 2026-03-04" in "\n".join(correction_lines(corrected, "taken back", True, {}, chicago))


@pytest.mark.parametrize(
    ("answer", "day"),
    [(httpx.Response(200, json={"time_zone": "Asia/Tokyo"}), "2026-03-06"), (httpx.Response(403), "2026-03-05")],
)
def test_days_are_of_utc_with_a_token_that_may_not_ask_for_the_time_zone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: httpx.Response, day: str
) -> None:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer), base_url="http://progression")
    monkeypatch.setattr(Context, "client", lambda *_, **__: contextlib.nullcontext(client))

    assert local_days(Context(tmp_path, "demo"))("2026-03-05T15:00:00Z") == day


def test_breaks_and_none_at_once_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = attain_here(capsys, "settings", "--no-breaks", "--break", "2026-06-10/2026-08-20")

    assert (code, "say opposite things" in err) == (2, True)


def test_a_file_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for service in ("EVIDENCE", "PROGRESSION", "REPORTING"):
            patch.setenv(f"ATTAIN_{service}_URL", "http://127.0.0.1:9")
        patch.setenv("ATTAIN_TOKEN", "x")
        code, _, err = attain_here(capsys, "export", "learner", ADA, "--output", tmp_path / "none" / "x.zip")

    assert (code, err) == (1, f"attain: {tmp_path}/none/x.zip.part: No such file or directory\n")


def _example(page: str) -> str:
    """Return the YAML example of a page of the documents."""
    [block] = re.findall(r"```yaml\n(.*?)```", (TREE / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def test_the_documented_mapping_maps_a_row(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mapping = _file(tmp_path, _example("sending.md").encode(), "mapping.yaml")
    rows = _file(
        tmp_path, b"student,quiz,standards,date,points\nada,q7,math:add; math:sub,2026-03-04T10:15,8\n", "rows.csv"
    )
    [item] = [json.loads(each) for each in mapped(rows, mapping, "https://lms.example.edu") if isinstance(each, bytes)]

    assert (item["id"], item["source"], item["competencies"]) == (
        "ada-q7", "https://lms.example.edu", ["math:add", "math:sub"]
    )  # fmt: skip
    assert item["occurred_at"].startswith("2026-03-04T16:15:00")
    code, out, _ = attain_here(
        capsys, "ingest", rows, "--format", "csv", "--source", "urn:a", "--mapping", mapping, "--dry-run"
    )
    assert (code, out) == (0, "1 item is of the format, 0 are not; nothing was sent\n")


def test_the_documented_passback_file_has_every_member(tmp_path: Path) -> None:
    target = read_target(_file(tmp_path, _example("webhooks.md").encode(), "passback.yaml"))

    assert target.on == "advanced"
    assert set(yaml.safe_load(_example("webhooks.md").replace("on:", '"on":'))) == set(Target.__struct_fields__)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("learner,level\nada,1\n", "it has no line_items"),
        ("- one\n- two\n", "it has no line_items"),
        ("", "it has no line_items"),
        ("line_item: x\n", "line_item is not known"),
        ("line_items: 3\n", "Expected `str`, got `int` - at `$.line_items`"),
    ],
)
def test_a_file_that_is_none_for_passback_is_told_what_it_lacks(tmp_path: Path, content: str, said: str) -> None:
    file = _file(tmp_path, content.encode(), "other.csv")
    with pytest.raises(StackError) as refused:
        read_target(file)

    where = "docs/webhooks.md has an example"
    assert refused.value.message == f"{file} does not say where standings go: {said}; {where}"


def test_learner_rows_in_other_requests_keep_their_source() -> None:
    tables = {
        "learners": [{"source_id": "1", "source": "urn:other"}, {"source_id": "2"}],
        "enrolments": [{"class": "a", "learner": "1"}, {"class": "a", "learner": "2"}],
    }

    assert list(requests("urn:roster", tables)) == [
        {"source": "urn:roster", "learners": tables["learners"]},
        {"source": "urn:roster", "enrolments": [
            {"source": "urn:other", "class": "a", "learner": "1"},
            {"source": "urn:roster", "class": "a", "learner": "2"},
        ]},
    ]  # fmt: skip


def test_roster_file_is_read_strictly(tmp_path: Path) -> None:
    assert read_table("classes", _file(tmp_path, b"class,title,subject\na,,\nb, Two ,math\n")) == [
        {"class": "a", "title": ""},
        {"class": "b", "title": "Two", "subject": "math"},
    ]
    for content, message in (
        (b"class\na\n", "lacks column title"),
        (b"class,title,colour\n", "'colour' that is not known"),
        (b"class,title\n,x\n", "line 2: class is empty"),
    ):
        with pytest.raises(StackError, match=message):
            read_table("classes", _file(tmp_path, content))


def test_record_as_text_uses_the_words_of_people() -> None:
    item = {
        "competency": "f:A1", "framework": "f", "title": "Adds", "subject": "math", "level": "1", "score": 0.5,
        "status": "reverify_due", "evidence_count": 1, "mastered_at": "2025-01-03T01:00:00.250000Z",
    }  # fmt: skip
    level = {"level": "1", "total": 2, "mastered": 1, "counts": {}}
    subject = {"subject": "math", "framework": "f", "levels": [level], "current_level": "1", "mastered": 1, "total": 2}
    stated = [
        {
            "competency": "f:b",
            "title": "",
            "text": "Not\nso\x1b[2J.",
            "stated_at": "2026-03-05T05:59:59Z",
            "stated_as": "guardian",
        }
    ]
    record = {
        "learner": "x",
        "items": [item],
        "subjects": [subject],
        "next": [],
        "review": [item],
        "statements": stated,
    }
    page = text(record, "Ada", day_in("America/Chicago"))

    assert "math: 1 of 2 on the record, working at level 1" in page
    assert "mastered, re-check due since 2025-01-02" in page
    assert "stated by the guardian on 2026-03-04 of b:\n  Not so[2J." in page
    assert page.startswith("Ada  (x)")
    assert not any(word in page for word in ("failed", "stuck", "behind"))


def _dry_run(capsys: pytest.CaptureFixture[str], path: Path, form: str, *more: str) -> dict[str, Any]:
    _, out, err = attain_here(capsys, "ingest", str(path), "--format", form, "--dry-run", "--json", *more)
    result: dict[str, Any] = json.loads(out)
    assert "error" not in result, err
    return result


def test_dry_run_checks_every_format(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    statement = {"actor": {"mbox": "mailto:a@x.org"}, "verb": {"id": "x:y"}, "object": {"id": "x:q"}}
    score = {"userId": "u", "timestamp": "2025-01-01T00:00:00Z", "activityProgress": "Completed", "lineItem": "l",
             "gradingProgress": "FullyGraded", "scoreGiven": 1, "scoreMaximum": 2}  # fmt: skip
    event = {"metadata": {"event_name": "quiz_submitted", "event_time": "2025-01-01T00:00:00Z"}, "body": {}}
    result = {"sourcedId": "r", "status": "tobedeleted", "dateLastModified": "2025-01-01T00:00:00Z"}
    given: dict[str, list[Any]] = {
        "xapi": [statement, {}], "ags": [score, {}], "canvas": [event, {}], "oneroster": [{"results": [result, {}]}],
        "caliper": [{"type": "Person", "id": "x:a"}, {}],
        "edfi": [{"assessmentItems": [{"assessmentReference": {"assessmentIdentifier": "a"}, "identificationCode": "1"},
                                      {"identificationCode": "2"}]}],
    }  # fmt: skip
    for form, payloads in given.items():
        path = tmp_path / f"{form}.json"
        path.write_text(json.dumps(payloads))
        found = _dry_run(capsys, path, form)

        assert (found["accepted"] + found["acknowledged"], found["rejected"]) == (1, 1), form
        assert found["items"][0]["pointer"].startswith("/"), form
        assert found["reasons"][-1]["count"] == 1, form


def test_rows_become_items_by_a_mapping(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "student,quiz,points,day,codes\nann,q1,3,2025-01-01,f:1;f:2\nann,q2,many,2025-01-01,f:1\n"
        "bob,q1,9,2025-01-02,f:1\n,q1,9,2025-01-02,f:1\nbob,q2,9,soon,f:1\n"
    )
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "source: {constant: 'urn:s'}\nid: '{student}-{quiz}'\nlearner: student\noccurred_at: day\n"
        "competencies: codes\nscore: {raw: points, max: {constant: 5}}\nactivity: {id: quiz}\n"
    )

    found = _dry_run(capsys, rows, "csv", "--mapping", str(mapping))

    assert (found["accepted"], found["rejected"]) == (2, 3)
    assert [(one["index"], one["id"], one["reason"], one["pointer"]) for one in found["items"]] == [
        (1, None, "invalid", "/points"), (3, "-q1", "missing_member", "/learner"), (4, None, "invalid_time", "/day"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        ("colour: x\n", "/colour"), ("score: {rew: x}\n", "/score/rew"), ("id: 5\n", "/id"), ("- 1\n", "an object"),
        ("id: {constant: 1, x: 2}\n", "/id"), ("time_zone: Moon\n", "/time_zone"), ("a: [\n", "not YAML"),
        ("id: nowhere\n", "/nowhere there is no such column"),
    ],
)  # fmt: skip
def test_a_bad_mapping_is_refused_by_its_member(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, mapping: str, why: str
) -> None:
    rows, file = tmp_path / "rows.csv", tmp_path / "mapping.yaml"
    rows.write_text("a,b\n1,2\n")
    file.write_text(mapping)
    code, _, err = attain_here(capsys, "ingest", str(rows), "--format", "csv", "--mapping", str(file), "--dry-run")

    assert code == 1
    assert why in err


def test_dry_run_needs_no_stack_and_names_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good = {"id": "1", "source": "s", "learner": "a", "competencies": ["f:1"], "score": {"raw": 1, "max": 1},
            "occurred_at": "2025-01-01T00:00:00Z"}  # fmt: skip
    bad = {name: member for name, member in good.items() if name != "learner"}
    path = _file(tmp_path, json.dumps([good, bad]).encode())
    code, out, _ = attain_here(capsys, "ingest", str(path), "--format", "native", "--dry-run", "--json")
    result = json.loads(out)

    assert code == 1
    assert (result["accepted"], result["rejected"], result["dry_run"]) == (1, 1, True)
    assert [
        (item["index"], item["id"], item["status"], item["reason"], item["pointer"]) for item in result["items"]
    ] == [(1, "1", "rejected", "missing_member", "/learner")]


@pytest.fixture
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack is at addresses where nothing listens."""
    for service in ("EVIDENCE", "PROGRESSION", "REPORTING"):
        monkeypatch.setenv(f"ATTAIN_{service}_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ATTAIN_TOKEN", "x")


@pytest.mark.usefixtures("nobody_answers")
def test_drain_of_a_stack_that_does_not_answer_ends_and_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = attain_here(capsys, "drain", "--timeout", "0.2", "--json")

    assert code == 1
    assert err == "attain: not drained in 0.2 s: evidence does not answer (ConnectError)\n"
    assert set(json.loads(out)) == {"error"}


@pytest.mark.usefixtures("nobody_answers")
def test_drain_tells_that_nobody_answers_while_it_waits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.commands.drain.TELLING_S", 0.1)
    _, _, err = attain_here(capsys, "drain", "--timeout", "0.4")

    assert err.splitlines()[0] == ("evidence does not answer (ConnectError); asking again, for up to 0.4 s in all")
    assert err.count("asking again") == 1


@pytest.mark.usefixtures("nobody_answers")
def test_status_of_a_stack_that_does_not_answer_names_each_service_and_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = attain_here(capsys, "status", "--json")
    told, _, _ = attain_here(capsys, "status")

    assert (code, told) == (1, 1)
    assert [(each["name"], each["answers"]) for each in json.loads(out)["services"]] == [
        ("evidence", False), ("progression", False), ("reporting", False)
    ]  # fmt: skip


def test_a_key_file_makes_the_tokens_for_a_stack_that_is_not_local(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = tmp_path / "token_key"
    key.write_text("ab" * 32)
    with pytest.MonkeyPatch.context() as patch:
        for service in ("EVIDENCE", "PROGRESSION", "REPORTING"):
            patch.setenv(f"ATTAIN_{service}_URL", "http://127.0.0.1:9")
        patch.setenv("ATTAIN_TOKEN_KEY_FILE", str(key))
        context = Context(tmp_path, "demo")
        made = jwt.decode(context.token("admin service"), bytes.fromhex("ab" * 32), ["HS256"], audience="attain")
        patch.setenv("ATTAIN_TOKEN", "given")
        given = context.token("admin")
        patch.delenv("ATTAIN_TOKEN")
        code, printed, _ = attain_here(capsys, "token", "--scope", "admin", "--home", str(tmp_path / "none"))
        patch.delenv("ATTAIN_TOKEN_KEY_FILE")
        with pytest.raises(StackError, match="ATTAIN_TOKEN_KEY_FILE"):
            context.token()

    assert (made["tenant"], made["scope"]) == ("demo", "admin service")
    shown = jwt.decode(printed.strip(), bytes.fromhex("ab" * 32), ["HS256"], audience="attain")
    assert (code, shown["scope"]) == (0, "admin")
    assert given == "given"


def test_a_token_that_is_given_is_the_one_for_a_local_stack_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So a second person approves on a laptop as elsewhere."""
    monkeypatch.setenv("ATTAIN_TOKEN", "given")

    assert Context(tmp_path, "demo").token("admin") == "given"


def test_a_token_for_another_tenant_is_refused_and_says_which_tenant_is_meant_where_none_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("EVIDENCE", "PROGRESSION", "REPORTING"):
        monkeypatch.setenv(f"ATTAIN_{service}_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ATTAIN_TOKEN", issue_token(bytes(32), subject="me", tenant="west", scope="admin", expires_s=60))
    named = Context(Path(), "east")
    code, _, err = attain_here(capsys, "settings", "--tenant", "east")
    seen: list[str] = []

    def away(context: Context, *_: object, **__: object) -> None:
        seen.append(context.tenant)
        raise StackError("away")

    monkeypatch.setattr(Context, "client", away)
    attain_here(capsys, "policy", "list")

    assert (code, err) == (1, "attain: the token is for tenant west, not east; give --tenant west\n")
    assert seen == ["west"]
    assert named.token("service").count(".") == 2


def test_nothing_that_anybody_has_sent_commands_a_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sent = "Ada\x1b]52;c;cm0=\x07 \x9b2J\x00\r\x7fé\t😀\n"
    context = Context(tmp_path, "demo")
    context.say(sent)
    context.emit({"name": sent})
    context.emit({}, sent)
    told = capsys.readouterr()
    _, _, refused = attain_here(capsys, "learner", sent, "--home", str(tmp_path))

    for printed in (told.out, told.err, refused):
        assert all(char.isprintable() or char in "\n\t" for char in printed), printed
    assert "Ada]52;c;cm0= 2Jé\t😀\n" in told.out
    context.json = True
    context.emit({"name": sent})
    assert json.loads(capsys.readouterr().out) == {"name": sent}


@pytest.mark.parametrize(
    ("public", "pages"),
    [("", "http://reporting:8100"), ("https://records.example.edu/", "https://records.example.edu")],
)
def test_browsers_are_sent_to_the_public_address_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, public: str, pages: str
) -> None:
    for service in ("evidence", "progression", "reporting"):
        monkeypatch.setenv(f"ATTAIN_{service.upper()}_URL", f"http://{service}:8100")
    monkeypatch.setenv("ATTAIN_PUBLIC_URL", public)

    assert Context(tmp_path, "demo").pages_url == pages


def test_compose_tells_the_address_that_its_host_reaches_unless_its_operator_says_another() -> None:
    folder = TREE / "deploy" / "compose"
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    (port,) = services["reporting"]["ports"]
    host, _, _ = port.rpartition(":")

    assert f"ATTAIN_PUBLIC_URL=http://{host}\n" in (folder / "defaults.env").read_text()
    for service in ("evidence", "progression", "reporting", "attain"):
        # A later file wins over an earlier one, and `environment` over both.
        assert [file["path"] for file in services[service]["env_file"]] == ["defaults.env", "settings.env"]
        assert "ATTAIN_PUBLIC_URL" not in services[service]["environment"]


def test_silent_sources_come_first() -> None:
    sent = {"accepted": 1_412, "duplicate": 20, "parked": 0, "rejected": 1}
    waiting = {"parked": 3, "quarantined": 0, "unaligned": 2}
    base: dict[str, Any] = {"sent": sent, "waiting": waiting, "last_evidence": "2026-03-06"}
    items = [
        base | {"source": "", "last_evidence": None, "usual_gap": None, "silent_since": None},
        base | {"source": "lms", "usual_gap": 1.0, "silent_since": None},
        base | {"source": "sis", "usual_gap": 2.5, "silent_since": "2026-03-06"},
    ]

    head, *lines = sources_text(items, 28, "Monday to Friday but for breaks, in UTC").splitlines()

    assert head == "1 of 3 sources silent; last 28 days (school days: Monday to Friday but for breaks, in UTC):"
    assert [line.split(":")[0].split() for line in lines] == [
        ["silent", "sis"], ["no", "habit", "yet", "(source", "not", "known)"], ["heard", "lms"],
    ]  # fmt: skip
    assert lines[0].endswith(
        "last evidence 2026-03-06, every 2.5 school days; 1,412 accepted, 20 duplicate, 1 refused;"
        " now 3 parked, 0 quarantined, 2 handed in without an alignment"
    )
    assert "last evidence never; " in lines[1]


def test_an_explanation_is_asked_for_in_a_language_and_says_what_waits_for_an_adult(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    found: dict[str, Any] = {
        "competency": "m:a", "status": "not_yet", "score": None, "as_of": None, "policy": None, "evidence": [], "trace": [],
        "missing": [], "minimal_change": {"text": "one more"}, "enough": "uno más no cambia nada",
        "ungraded": [{"text": "essay espera una calificación"}],
    }  # fmt: skip

    def explanation(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"time_zone": "UTC"} if request.url.path == "/v1/settings" else found)

    client = httpx.Client(transport=httpx.MockTransport(explanation), base_url="http://attain")
    monkeypatch.setattr(Context, "client", lambda *_, **__: contextlib.nullcontext(client))
    done = CliRunner().invoke(explain, [ADA, "m:a", "--language", "es"])
    refused = CliRunner().invoke(explain, [ADA, "m:a", "--language", "tlh"])

    assert asked[0] == f"http://attain/v1/learners/{ADA}/competencies/m:a/explanation?language=es"
    assert "waits for an adult:\n  essay espera una calificación\n" in done.output
    assert "\nuno más no cambia nada\n" in done.output
    assert (done.exit_code, refused.exit_code) == (0, 2)


def test_rules_are_listed_below_the_status_that_they_are_for() -> None:
    def rules(*pointers: str) -> list[str]:
        trace = [{"rule": each, "met": False, "asks": each, "found": "0"} for each in pointers]
        return [line.removeprefix("  not met  ").removesuffix(" (0)") for line in rule_lines(trace)]

    assert rules("/provisional/method", "/mastered/any_of/1/method", "/mastered/any_of/0/sign_off", "/decision/latch") == [
        "rules for provisional:", "/provisional/method",
        "rules for mastered, way 1:", "/mastered/any_of/0/sign_off",
        "rules for mastered, way 2:", "/mastered/any_of/1/method",
        "other rules:", "/decision/latch",
    ]  # fmt: skip
    assert rules("/sufficiency/min_evidence", "/method", "/sign_off", "/credit") == [
        "rules for mastered:", "/sufficiency/min_evidence", "/method", "/sign_off", "other rules:", "/credit",
    ]  # fmt: skip


def test_what_a_tenant_has_set_is_said_in_words() -> None:
    held = {
        "learners": 3, "time_zone": "UTC", "breaks": [{"first": "2026-06-10", "last": "2026-08-20"}],
        "freezes": [{"first": "2026-06-08", "last": "2026-06-12"}], "requests_per_s": 1000.0,
        "small_number": 15, "own": ["small_number"], "staff_names": 2,
    }  # fmt: skip

    assert in_words(held).splitlines() == [
        "learners: 3", "time zone: UTC", "break: 2026-06-10 to 2026-08-20", "freeze: 2026-06-08 to 2026-06-12",
        "requests a second of a source, 0 without limit: 1000", "counts of people that are not told, below: 15 (its own)",
        "staff names: 2",
    ]  # fmt: skip
    assert {name for names in LIMITS.values() for name in names} == SAID.keys()


def test_a_learner_is_told_with_what_is_enough_and_the_smallest_next_evidence() -> None:
    lines = further_lines(
        {"enough": ["m:a"], "next": [{"competency": "m:b", "text": "One more piece would make it mastered."}]},
        [{"competency": "m:a", "title": "Adds"}],
    )

    assert lines == [
        "", "one more test, however it turns out, changes nothing:", "  a Adds",
        "", "the smallest next evidence:", "  b: One more piece would make it mastered.",
    ]  # fmt: skip
    assert further_lines({"enough": [], "next": []}, []) == []


@pytest.mark.parametrize(
    ("enough", "options", "named"),
    [
        (5, [], ["  c0", "  c1", "  c2", "  c3", "  c4"]),
        (8, [], ["  c0", "  c1", "  c2", "  c3", "  c4", "  and 3 more; --all lists them"]),
        (8, ["--all"], [f"  c{n}" for n in range(8)]),
    ],
)
def test_of_many_competencies_with_enough_evidence_the_first_by_name_are_listed(
    monkeypatch: pytest.MonkeyPatch, enough: int, options: list[str], named: list[str]
) -> None:
    answers = {
        "record": {"learner": "x", "items": []},
        "next-evidence": {"enough": [f"m:c{n}" for n in reversed(range(enough))], "next": []},
        "settings": {"time_zone": "UTC"},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(request.url.path.rpartition("/")[2])
        return httpx.Response(404 if found is None else 200, json=found)

    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://attain")
    monkeypatch.setattr(Context, "client", lambda *_, **__: contextlib.nullcontext(client))
    done = CliRunner().invoke(learner_command, [ADA, *options])

    assert done.output.splitlines()[2:] == ["one more test, however it turns out, changes nothing:", *named]


def test_levels_that_a_policy_would_change_are_told_by_level_and_school_and_few_are_not_counted() -> None:
    report = {
        "learners_gaining": 12, "learners_losing": None, "items": [{"level": "m#m/1", "gained": 12, "lost": None}],
        "schools": [{"school": "north", "learners": 40, "gained": 12, "lost": None}], "groups": [],
    }  # fmt: skip

    assert level_lines(report) == [
        "12 learners would have shown all that a level asks for, few no longer; who has advanced stays",
        "  m#m/1: 12 gain it, few lose it",
    ]
    heading, row = split_lines(report, "gain level", "lose level")[1:]
    assert heading.split() == ["school", "learners", "gain", "level", "lose", "level"]
    assert row.split() == ["north", "40", "12", "few"]


def test_what_waits_for_an_alignment_is_told_by_activity() -> None:
    item = {"source": "lms", "activity": "essay", "parked": 1_200, "handed_in": 2}

    assert missing_text([item]) == "lms  essay: 1,200 parked, 2 handed in and not graded"
    assert missing_text([]) == "nothing waits for an alignment"


@pytest.mark.parametrize(
    ("session", "before"),
    [
        ("2026-27", "2025-26"),
        ("2000-01", "1999-00"),
        ("2026-2027", "2025-2026"),
        ("2099-00", "2098-99"),
    ],
)
def test_the_term_that_a_session_ends_is_the_year_before(session: str, before: str) -> None:
    assert term_before(session) == before


@pytest.mark.parametrize("session", ["autumn", "2026", "2026/27", "2026-28", "2026-27 autumn", "26-27"])
def test_the_term_that_ends_is_asked_for_where_the_session_does_not_say_it(session: str) -> None:
    with pytest.raises(click.UsageError, match="--ends"):
        term_before(session)


@pytest.mark.parametrize(
    "files",
    [
        {"enrolments": "class,learner\nc1,u1\n"},
        {"classes": "class,title\n"},
        {"users": "sourcedId\nu1\n"},
        {"users": "sourcedId\nu1\n", "classes": "sourcedId,title,schoolSourcedId\n"},
        {"users": "sourcedId\nu1\n", "classes": "sourcedId,title,schoolSourcedId,status\nc1,A,s,tobedeleted\n"},
    ],
    ids=["files-without", "files-empty", "bundle-without", "bundle-empty", "bundle-deleted"],
)
def test_a_year_does_not_begin_with_a_roster_without_classes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, files: dict[str, str]
) -> None:
    """With none that goes on every enrolment would end."""
    for name, content in files.items():
        (tmp_path / f"{name}.csv").write_text(content)
    code, _, err = attain_here(capsys, "rollover", tmp_path, "--session", "2026-27", "--yes", "--home", tmp_path)

    assert (code, "which classes go on?" in err) == (1, True)


def test_what_is_exported_of_people_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "all.zip"
    (tmp_path / "all.zip.part").write_text("of a run that was killed")
    with whole(file) as part, part.open("a") as stream:
        stream.write("all")

    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("all", 0o600)


def test_the_export_of_a_learner_has_all_pages_and_takes_its_place_only_when_it_is_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    events, step = [{"n": number} for number in range(5)], {"competency": "m:b"}
    fails: list[BaseException] = []

    def answer(request: httpx.Request) -> httpx.Response:
        what = request.url.path.rpartition("/")[2]
        if what == "terms":
            return httpx.Response(200, json={"items": []})
        if what == "advancements":
            after = int(request.url.params.get("after", 0))
            return httpx.Response(200, json={"items": events[after : after + 2], "next": str(min(after + 2, 5))})
        if what == "record" and fails:
            raise fails[0]
        found = {"items": [step], "next": [step]} if what == "record" else {"held": what, "merges": []}
        return httpx.Response(200, json=found)

    def client(*_: object, **__: object) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://attain")

    monkeypatch.setattr(Context, "client", client)
    file = tmp_path / "held.zip"
    done = CliRunner().invoke(export_learner, [ADA, "--output", str(file)])

    with zipfile.ZipFile(file) as bundle:
        assert json.loads(bundle.read("advancements.json"))["items"] == events
        assert json.loads(bundle.read("record.json")) == {"items": [step], "next": [step]}
        assert json.loads(bundle.read("evidence.json")) == {"held": "holdings", "merges": []}
    before = file.read_bytes()
    fails.append(KeyboardInterrupt())
    cut_off = CliRunner().invoke(export_learner, [ADA, "--output", str(file)])
    assert (done.exit_code, cut_off.exit_code) == (0, 1)
    assert [*tmp_path.iterdir()] == [file]
    assert file.read_bytes() == before


def test_the_export_of_a_tenant_says_how_far_it_is_where_nobody_watches_and_what_it_wrote(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    identities = "".join(json.dumps({"tenant": "demo", "learner": id}) + "\n" for id in ("ada", "bob"))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/identities":
            return httpx.Response(200, text=identities, headers={"Attain-Next": "bob"})
        return httpx.Response(200, json={"items": [], "merges": []})

    def client(*_: object, **__: object) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://attain")

    monkeypatch.setattr(Context, "client", client)
    monkeypatch.setattr("deploy.local.client.progress.EVERY_ELSEWHERE_S", 0.0)
    done = CliRunner().invoke(export_tenant, ["--output", str(tmp_path / "all.zip")])

    assert done.stderr.splitlines() == ["1 of 2 learners", "2 of 2 learners"]
    assert f"file: {tmp_path / 'all.zip'}" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("command", "given", "asked"),
    [
        (explain, [ADA, "m:1/2?#%"], f"/v1/learners/{ADA}/competencies/m:1%2F2%3F%23%25/explanation?language=en"),
        (class_, ["maths 7/8 #2"], "/v1/classes/maths%207%2F8%20%232/mastery"),
        (show_quarantined, ["../keys"], "/v1/quarantine/..%2Fkeys"),
    ],
)
def test_an_id_is_asked_for_whatever_is_in_it(
    monkeypatch: pytest.MonkeyPatch, command: click.Command, given: list[str], asked: str
) -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(404, json={"items": [{"class": str(number)} for number in range(14)]})

    def client(*_: object, **__: object) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://attain")

    monkeypatch.setattr(Context, "client", client)
    CliRunner().invoke(command, given)

    assert paths[0] == asked


def test_help_names_the_columns_of_every_file_of_a_roster() -> None:
    told = CliRunner().invoke(import_roster, ["--help"]).output

    for name, (needed, possible) in COLUMNS.items():
        assert f"  {name}.csv  {','.join(needed)}[,{','.join(possible)}]\n" in told


def test_an_audit_says_what_each_share_is_of_and_judges_no_verdicts_where_there_are_none():
    """All are alike, so nothing is beyond chance; a policy that always asks for a signature has verdicts of its own of nobody."""
    split = {"agreement": 1.0, "kappa": None, "reliability": None}
    outside = {
        "source": "urn:state",
        "pairs": 40,
        "agreement": 0.75,
        "kappa": 0.47,
        "false_advance": 0.25,
        "false_hold": None,
    }
    item: dict[str, Any] = {
        "policy": "p", "version": "1", "pairs_in_halves": 40, "split_half": split, "classification": None, "shown": 40,
        "fragile": 0.1, "over_testing_index": 0.25, "redundancy": None, "outside": outside, "bias": [], "noise": None,
        "replayed": {"pairs": 40, "agreement": 1.0, "kappa": None},
    }  # fmt: skip
    said = audit_text(item, "urn:state")
    signed = audit_text(item | {"shown": 0, "fragile": None, "over_testing_index": 0.0}, "urn:state")

    assert "alike for 100% of 40 pairs (kappa not defined: all are alike)" in said
    assert "cut for 100% of 40 pairs (kappa not defined: all are alike)" in said
    assert "25% of the pieces came after mastery was shown, re-checks left out" in said
    assert "25% of those on the record are below the cut there" in said
    assert "not on the record" not in said
    assert "evidence alone puts nothing on the record" in signed
    assert "urn:state" not in signed
    assert "either half" not in signed
