"""What is a valid statement, by the cases of the public conformance suite; and when two statements are the same."""

import datetime
import gzip
import json
import uuid
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.evidence.formats import xapi
from services.evidence.formats.lexical import is_duration, is_language
from services.evidence.formats.reading import Origin, Reading
from services.evidence.formats.xapi import fingerprint
from services.evidence.formats.xapi_statement import Version, read_statement
from shared.errors import InvalidEvent
from tests.support.shared_data import shared_file

VERSIONS: tuple[tuple[Version, str], ...] = (("1.0.3", "v1_0_3"), ("2.0.0", "v2_0"))
MINE: dict[str, Any] = {
    "id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa0", "timestamp": "2026-03-04T10:15:00Z",
    "actor": {"objectType": "Group", "name": "both", "member": [{"mbox": "mailto:a@x.org"}, {"mbox": "mailto:b@x.org"}]},
    "verb": {"id": "http://example.com/did", "display": {"en": "did"}},
    "object": {"id": "http://example.com/quiz", "definition": {"name": {"en": "Quiz"}}},
    "result": {"duration": "PT1H", "score": {"scaled": 0.5}},
    "context": {"contextActivities": {"parent": {"id": "http://example.com/course"}}},
}  # fmt: skip


def cases(file: str) -> Iterator[dict[str, Any]]:
    for line in shared_file(f"data/formats/xapi/statement_cases_{file}.jsonl").read_text().splitlines():
        yield json.loads(line)


@pytest.mark.parametrize(("version", "file"), VERSIONS)
def test_every_valid_case_is_accepted_and_every_invalid_one_refused_with_a_pointer(version: Version, file: str) -> None:
    wrong = []
    found = {200: 0, 400: 0, 500: 0}
    for case in cases(file):
        try:
            read_statement(json.dumps(case["body"]).encode(), version)
            answer = 200
        except InvalidEvent as error:
            answer = 400 if error.members["reason"] and error.pointer is not None else 500
        found[answer] += 1
        if answer != case["expect"]:
            wrong.append(case["n"])

    assert wrong == []
    assert min(found[200], found[400]) > 200


def test_real_statements_are_valid() -> None:
    with gzip.open(shared_file("data/formats/xapi/fun_mooc_statements.jsonl.gz")) as lines:
        read = [read_statement(line, "1.0.3") for line, _ in zip(lines, range(2000), strict=False)]

    assert len(read) == 2000


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"actor": {"mbox": "mailto:a@x.org", "openid": "http://x.org/a"}}, "/actor/openid"),
        ({"object": {"objectType": "SubStatement", "actor": {"mbox": "mailto:a@x.org"}, "verb": {"id": "no iri"},
                     "object": {"id": "http://x.org"}}}, "/object/verb/id"),
        ({"result": {"score": {"raw": 5, "max": 4}}}, "/result/score/raw"),
        ({"result": {"extensions": {"a/b": 1}}}, "/result/extensions/a~1b"),
        ({"context": {"contextActivities": {"parent": [{"id": "x:y"}, {"id": 5}]}}},
         "/context/contextActivities/parent/1/id"),
        ({"context": {"contextAgents": []}}, "/context/contextAgents"),
        ({"colour": 1}, "/colour"),
        ({"verb": None}, "/verb"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_pointer(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        read_statement(json.dumps(MINE | changes).encode(), "1.0.3")

    assert caught.value.pointer == pointer


ORIGIN = Origin(
    "demo", "urn:x", datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC), datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC),
    ZoneInfo("UTC"),
)  # fmt: skip


def comes_to(**changes: Any) -> Reading:
    one = {name: value for name, value in (MINE | changes).items() if value is not None}
    return xapi.read(json.dumps(one).encode(), ORIGIN, "1.0.3", lambda: str(uuid.uuid4()))


@pytest.mark.parametrize(
    ("score", "kept"),
    [
        ({"scaled": -0.25}, (None, None, 0.0, -0.25)),
        ({"scaled": 0.5, "raw": 5, "max": 10}, (None, None, 0.0, 0.5)),
        ({"raw": 5, "min": 1, "max": 10}, (5.0, 10.0, 1.0, None)),
        ({"raw": -1, "min": -2, "max": 2}, (-1.0, 2.0, -2.0, None)),
    ],
)
def test_trap_3_a_scaled_score_may_be_negative_or_absent(
    score: dict[str, float], kept: tuple[float | None, ...]
) -> None:
    [made] = comes_to(actor={"mbox": "mailto:a@x.org"}, result={"score": score}).commands

    found = made.content.score
    assert found is not None
    assert (found.raw, found.max, found.min, found.scaled) == kept


def test_trap_13_a_group_is_no_single_learner() -> None:
    member = [{"mbox": "mailto:a@x.org"}]
    named = {"objectType": "Group", "mbox": "mailto:team@x.org", "member": member}

    assert comes_to().acknowledged == "group_actor"
    assert comes_to(actor=named).acknowledged == "group_actor"
    assert comes_to(actor={"objectType": "Group", "member": member}).acknowledged == "group_actor"


@pytest.mark.parametrize(
    ("actor", "learner"),
    [
        ({"mbox": "mailto:a@x.org", "name": "Ada"}, "mailto:a@x.org"),
        ({"mbox_sha1sum": "A" * 40}, f"mbox_sha1sum:{'a' * 40}"),
        ({"openid": "https://id.x.org/ada"}, "https://id.x.org/ada"),
        ({"account": {"homePage": "https://x.org", "name": "ada"}}, "https://x.org|ada"),
    ],
)
def test_a_learner_is_known_by_the_one_identifier(actor: dict[str, Any], learner: str) -> None:
    [made] = comes_to(actor=actor).commands

    assert made.content.learner == learner


def digest(**changes: Any) -> bytes:
    return fingerprint(read_statement(json.dumps(MINE | changes).encode(), "1.0.3"))


def test_what_the_specification_ignores_makes_no_other_statement() -> None:
    turned = {"objectType": "Group", "name": "both",
              "member": [{"mbox": "mailto:b@x.org", "objectType": "Agent"}, {"mbox": "mailto:a@x.org"}]}  # fmt: skip

    assert digest() == digest(
        id="00000000-b88b-4b20-a0a5-a4c32391aaa0", timestamp="2026-03-04T11:15:00.000+01:00", actor=turned,
        verb={"id": "http://example.com/did"}, object={"id": "http://example.com/quiz", "objectType": "Activity"},
        stored="2026-01-01T00:00:00Z", version="1.0.0", authority={"mbox": "mailto:lrs@x.org"},
        context={"contextActivities": {"parent": [{"id": "http://example.com/course"}]}},
        attachments=[{"usageType": "http://x.org/a", "display": {"en": "a"}, "contentType": "text/plain", "length": 1,
                      "sha2": "0" * 64, "fileUrl": "http://x.org/f"}],
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"result": {"duration": "PT60M", "score": {"scaled": 0.5}}},
        {"result": {"duration": "PT1H", "score": {"scaled": 0.6}}},
        {"verb": {"id": "http://example.com/made"}},
        {"timestamp": "2026-03-04T10:15:01Z"},
        {"object": {"id": "http://example.com/quiz-2"}},
        {"context": {"contextActivities": {"grouping": {"id": "http://example.com/course"}}}},
    ],
)
def test_anything_else_makes_another_statement(changes: dict[str, Any]) -> None:
    assert digest() != digest(**changes)


@pytest.mark.parametrize(
    ("text", "holds"),
    [("en", True), ("de-CH-1996", True), ("zh-cmn-Hans-CN", True), ("sl-rozaj-biske-1994", True), ("x-whatever", True),
     ("i-klingon", True), ("en-a-bbb-x-a-ccc", True), ("de-419-DE", False), ("a-DE", False), ("ar-a-aaa-b-bbb-a-ccc", False),
     ("de-1996-1996", False), ("en_US", False), ("", False)],
)  # fmt: skip
def test_language_tags(text: str, holds: bool) -> None:
    assert is_language(text) == holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [("P4W", True), ("PT0.5S", True), ("P1DT2H", True), ("P", False), ("PT", False), ("P1DT", False), ("P4W1D", False)],
)
def test_durations(text: str, holds: bool) -> None:
    assert is_duration(text) == holds
