"""xAPI over HTTP: the statement resource, and what statements come to."""

import asyncio
import base64
import gzip
import hashlib
import json
import uuid
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from services.evidence.domain.evidence import evidence_id
from tests.evidence.builders import token
from tests.evidence.running import Running
from tests.support.shared_data import shared_file
from tests.support.waiting import until

QUIZ = "http://example.com/quiz/1"
SOURCE = "https://lms.example"
STATEMENTS = "/xapi/statements"
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"


@pytest.fixture(scope="module", autouse=True)
async def aligned(service: Running) -> None:
    await service.publish_framework("x", "1", "2")
    entry = {"id": QUIZ, "source": "", "competencies": [{"competency": "x:1"}]}
    answer = await service.client("policy:write").post("/v1/alignments", json=entry)
    assert answer.status_code == 200


def client(service: Running, version: str = "1.0.3", **claims: str) -> httpx.AsyncClient:
    made = service.client(**({"source": SOURCE} | claims))
    made.headers["X-Experience-API-Version"] = version
    return made


def statement(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": str(uuid.uuid4()), "timestamp": "2026-03-04T10:15:00Z",
        "actor": {"account": {"homePage": "https://school.example", "name": "ada"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/scored"}, "object": {"id": QUIZ},
        "result": {"score": {"raw": 3, "min": 0, "max": 4}, "success": True},
    } | changes  # fmt: skip
    return {name: value for name, value in made.items() if value is not None}


def void(target: str) -> dict[str, Any]:
    return statement(
        verb={"id": "http://adlnet.gov/expapi/verbs/voided"}, object={"objectType": "StatementRef", "id": target},
        result=None,
    )  # fmt: skip


async def told(service: Running, id: str) -> list[dict[str, Any]]:
    return [event["data"] for event in await service.feed() if event["data"].get("id") == id]


async def is_valid(service: Running, id: str) -> bool:
    shown = await service.client().get(f"/v1/evidence/{evidence_id('demo', SOURCE, id)}")
    return bool(shown.json()["valid"])


async def test_a_scored_statement_becomes_evidence_once(service: Running) -> None:
    one = statement()

    first = await client(service).post(STATEMENTS, json=one)
    again = await client(service).post(STATEMENTS, json=[one])

    [data] = await told(service, one["id"])
    assert (first.status_code, first.json()) == (200, [one["id"]])
    assert (again.status_code, again.json()) == (200, [one["id"]])
    assert first.headers["X-Experience-API-Version"] == "1.0.3"
    assert (data["competencies"], data["score"], data["source"]) == (
        ["x:1"],
        {"raw": 3.0, "max": 4.0, "min": 0.0},
        SOURCE,
    )
    assert data["occurred_at"] == "2026-03-04T10:15:00.000000Z"


async def test_put_takes_the_id_of_the_query_and_get_gives_it_back(service: Running) -> None:
    id = str(uuid.uuid4())
    at = {"statementId": id}

    put = await client(service, "2.0.0").put(STATEMENTS, params=at, json=statement(id=None))
    got = await client(service, "2.0.0").get(STATEMENTS, params=at)
    other = await client(service).put(STATEMENTS, params=at, json=statement(id=None, timestamp="2026-03-05T10:15:00Z"))
    wrong = await client(service).put(STATEMENTS, params=at, json=statement())
    none = await client(service).get(STATEMENTS, params={"statementId": str(uuid.uuid4())})

    assert put.status_code == 204
    assert got.json()["id"] == id
    assert {"stored", "authority", "version", "timestamp"} <= got.json().keys()
    assert got.headers["X-Experience-API-Consistent-Through"]
    assert (other.status_code, wrong.status_code, wrong.json()["pointer"]) == (409, 400, "/id")
    assert none.status_code == 404


async def test_trap_2_the_same_id_with_other_content_is_refused_and_nothing_of_the_batch_is_stored(
    service: Running,
) -> None:
    one, new = statement(), statement()
    await client(service).post(STATEMENTS, json=one)

    answer = await client(service).post(STATEMENTS, json=[new, one | {"result": {"score": {"scaled": 0}}}])

    assert answer.status_code == 409
    assert await told(service, new["id"]) == []


async def test_trap_1_a_void_before_its_target(service: Running) -> None:
    late, early = statement(), statement()

    assert (await client(service).post(STATEMENTS, json=void(late["id"]))).status_code == 200
    await client(service).post(STATEMENTS, json=late)
    await client(service).post(STATEMENTS, json=early)
    await client(service).post(STATEMENTS, json=void(early["id"]))
    plain = await client(service).get(STATEMENTS, params={"statementId": late["id"]})
    voided = await client(service).get(STATEMENTS, params={"voidedStatementId": late["id"]})

    assert not await is_valid(service, late["id"])
    assert not await is_valid(service, early["id"])
    assert (plain.status_code, voided.status_code) == (404, 200)


async def test_a_void_of_another_source_voids_nothing(service: Running) -> None:
    one = statement()
    await client(service).post(STATEMENTS, json=one)

    await client(service, source="https://other.example").post(STATEMENTS, json=void(one["id"]))

    assert await is_valid(service, one["id"])


async def test_statements_without_scores_are_counted_once_and_not_kept(service: Running) -> None:
    real = gzip.decompress(shared_file("data/formats/xapi/fun_mooc_statements.jsonl.gz").read_bytes()).splitlines()
    sender = client(service, tenant="mooc")
    for _ in range(2):
        for start in range(0, len(real), 450):
            body = b"[" + b",".join(real[start : start + 450]) + b"]"
            answer = await sender.post(STATEMENTS, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 200, answer.text

    counts = (await sender.get("/xapi/counts")).json()
    rows = await service.rows("select count(body) kept, count(learner_source_id) people from xapi_statement"
                              " where tenant = 'mooc'")  # fmt: skip
    evidence = await service.rows("select count(*) n from evidence where tenant = 'mooc'")

    assert counts == {"statements": 17_901, "outcomes": {"no_score": 17_901}}
    assert (rows[0]["kept"], rows[0]["people"], evidence[0]["n"]) == (0, 0, 0)


async def test_statements_that_are_no_evidence_say_why(service: Running) -> None:
    sender = client(service, tenant="why")
    group = {"objectType": "Group", "member": [{"mbox": "mailto:a@x.org"}]}
    agent = {"objectType": "Agent", "mbox": "mailto:b@x.org"}
    await sender.post(STATEMENTS, json=[
        statement(actor=group), statement(object=agent), statement(result={"score": {"raw": 3}}),
        statement(verb={"id": "https://w3id.org/xapi/adl/verbs/waived"}), statement(result=None), statement(),
    ])  # fmt: skip

    outcomes = (await sender.get("/xapi/counts")).json()["outcomes"]

    assert outcomes == {
        "evidence": 2, "group_actor": 1, "no_score": 1, "object_is_no_activity": 1, "score_without_max": 1,
    }  # fmt: skip


async def test_a_valid_statement_from_the_future_is_accepted_and_quarantined(service: Running) -> None:
    one = statement(timestamp="2126-01-01T00:00:00Z")

    answer = await client(service).post(STATEMENTS, json=one)
    listed = (await service.client().get("/v1/quarantine?reason=future_time")).json()["items"]

    assert answer.status_code == 200
    assert [(item["id"], item["pointer"]) for item in listed] == [(one["id"], "/timestamp")]


async def test_the_same_statements_from_many_at_once_are_stored_once(service: Running) -> None:
    sender = client(service, tenant="at-once")
    batch = [statement() for _ in range(20)]
    changed = [{**batch[0], "verb": {"id": "x:changed"}}, statement()]

    answers = await asyncio.gather(*(sender.post(STATEMENTS, json=batch) for _ in range(10)))
    each = await asyncio.gather(*(sender.post("/v1/intake/xapi", json=batch) for _ in range(4)))
    conflict = await sender.post(STATEMENTS, json=changed)
    counts = (await sender.get("/xapi/counts")).json()
    evidence = await service.rows("select count(*) n from evidence where tenant = 'at-once'")

    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json() == [one["id"] for one in batch] for answer in answers)
    assert {item["status"] for answer in each for item in answer.json()["items"]} <= {"duplicate", "parked"}
    assert conflict.status_code == 409
    assert counts == {"statements": 20, "outcomes": {"evidence": 20}}, "of a batch with a conflict nothing is stored"
    assert evidence[0]["n"] == 20


async def test_what_cmi5_waives_is_evidence_that_says_why(service: Running) -> None:
    await service.publish_framework("w", "1")
    entry = {"id": "x:waived", "competencies": [{"competency": "w:1"}]}
    assert (await service.client("policy:write").post("/v1/alignments", json=entry)).status_code == 200
    reason = {"https://w3id.org/xapi/cmi5/result/extensions/reason": "Tested Out"}
    one = statement(verb={"id": "https://w3id.org/xapi/adl/verbs/waived"}, object={"id": "x:waived"},
                    result={"success": True, "completion": True, "extensions": reason})  # fmt: skip

    await client(service).post(STATEMENTS, json=one)
    [told] = [event["data"] for event in await service.feed() if event["data"].get("id") == one["id"]]

    assert (told["score"]["level"], told["score"]["scale"]) == ("waived", "cmi5 Tested Out")
    assert told["competencies"] == ["w:1"]


async def test_cmi5_mastery_is_a_claim(service: Running) -> None:
    score = {"https://w3id.org/xapi/cmi5/context/extensions/masteryscore": 0.7}
    one = statement(verb={"id": "http://adlnet.gov/expapi/verbs/passed"}, context={"extensions": score},
                    result={"score": {"scaled": -0.25}, "success": True})  # fmt: skip

    await client(service).post(STATEMENTS, json=one)
    shown = (await service.client().get(f"/v1/evidence/{evidence_id('demo', SOURCE, one['id'])}")).json()

    assert shown["content"]["score"] == {"min": 0.0, "scaled": -0.25}
    assert shown["content"]["extensions"]["claims"] == {
        "verb": "http://adlnet.gov/expapi/verbs/passed", "success": True, "mastery_score": 0.7,
    }  # fmt: skip


async def test_trap_15_an_unaligned_activity_waits_and_flows(service: Running) -> None:
    one = statement(object={"id": "http://example.com/unaligned"})
    answer = await client(service).post(STATEMENTS, json=one)
    entry = {"id": "http://example.com/unaligned", "competencies": [{"competency": "x:2"}]}
    await service.client("policy:write").post("/v1/alignments", json=entry)

    async def flowed() -> list[dict[str, Any]]:
        return await told(service, one["id"])

    [data] = await until(flowed)

    assert answer.status_code == 200
    assert data["competencies"] == ["x:2"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"verb": {"id": "x:y"}, "object": {"id": QUIZ}}, "/actor"),
        ([statement(), statement(result={"score": {"scaled": 2}})], "/1/result/score/scaled"),
        ([statement(id="fd41c918-b88b-4b20-a0a5-a4c32391aaa0")] * 2, "/id"),
    ],
)
async def test_a_bad_statement_is_refused_with_its_pointer(service: Running, body: Any, pointer: str) -> None:
    answer = await client(service).post(STATEMENTS, json=body)

    assert (answer.status_code, answer.json()["pointer"]) == (400, pointer)


async def test_versions_are_negotiated(service: Running) -> None:
    anyone = httpx.AsyncClient(base_url=service.url)
    about = await anyone.get("/xapi/about")
    codes = []
    for version in ("1.0", "1.0.9", "2.0.0", "0.95", "1.1.0", "2.1"):
        answer = await client(service, version).post(STATEMENTS, json=statement())
        codes.append((version, answer.status_code, answer.headers.get("X-Experience-API-Version")))
    bare = await service.client().post(STATEMENTS, json=statement())
    await anyone.aclose()

    assert about.json()["version"] == ["2.0.0", "1.0.3"]
    assert codes == [
        ("1.0", 200, "1.0.3"), ("1.0.9", 200, "1.0.3"), ("2.0.0", 200, "2.0.0"), ("0.95", 400, None),
        ("1.1.0", 400, None), ("2.1", 400, None),
    ]  # fmt: skip
    assert (bare.status_code, bare.json()["reason"]) == (400, "version_missing")


async def test_basic_credentials_carry_an_api_key(service: Running) -> None:
    made = (await service.client().post("/v1/keys", json={"source": SOURCE})).json()
    one = statement()
    headers = {"X-Experience-API-Version": "1.0.3"}
    async with httpx.AsyncClient(base_url=service.url, headers=headers, auth=("lms", made["key"])) as lrs_client:
        answer = await lrs_client.post(STATEMENTS, json=one)

    assert (answer.status_code, answer.json()) == (200, [one["id"]])
    assert [data["source"] for data in await told(service, one["id"])] == [SOURCE]


async def test_basic_credentials_carry_the_token(service: Running) -> None:
    bearer = token(service.config, "evidence:write", source=SOURCE)["Authorization"].removeprefix("Bearer ")
    basic = base64.b64encode(f"lms:{bearer}".encode()).decode()
    headers = {"X-Experience-API-Version": "1.0.3"}
    async with httpx.AsyncClient(base_url=service.url, headers=headers) as anyone:
        good = await anyone.post(STATEMENTS, json=statement(), headers={"Authorization": f"Basic {basic}"})
        bad = await anyone.post(STATEMENTS, json=statement(), headers={"Authorization": "Basic bG1zOm5v"})

    assert (good.status_code, bad.status_code) == (200, 401)


async def test_what_is_not_offered_says_so(service: Running) -> None:
    query = await client(service).get(STATEMENTS, params={"verb": "http://x.org"})
    alternate = await client(service).post(f"{STATEMENTS}?method=PUT", json=statement())

    assert (query.status_code, query.json()["reason"]) == (400, "not_offered")
    assert (alternate.status_code, alternate.json()["reason"]) == (400, "not_offered")


def multipart(one: dict[str, Any], *contents: bytes, hash: str | None = None) -> dict[str, Any]:
    parts = [b"Content-Type: application/json\r\n\r\n" + json.dumps(one).encode()]
    for content in contents:
        sha2 = hash or hashlib.sha256(content).hexdigest()
        head = f"Content-Transfer-Encoding: binary\r\nX-Experience-API-Hash: {sha2}\r\n\r\n"
        parts.append(b"Content-Type: application/octet-stream\r\n" + head.encode() + content)
    body = b"".join(b"--bound\r\n" + part + b"\r\n" for part in parts) + b"--bound--\r\n"
    return {"content": body, "headers": {"Content-Type": "multipart/mixed; boundary=bound"}}


def attachment(content: bytes, **changes: Any) -> dict[str, Any]:
    return {"usageType": "http://x.org/photo", "display": {"en": "it"}, "contentType": "application/octet-stream",
            "length": len(content), "sha2": hashlib.sha256(content).hexdigest()} | changes  # fmt: skip


async def test_attachments_are_held_against_their_hash(service: Running) -> None:
    content = b"a photo\r\n\r\nof a poster"
    sender = client(service)

    good = await sender.post(STATEMENTS, **multipart(statement(attachments=[attachment(content)]), content))
    missing = await sender.post(STATEMENTS, json=statement(attachments=[attachment(content)]))
    elsewhere = await sender.post(
        STATEMENTS, json=statement(attachments=[attachment(content, fileUrl="http://x.org/f")])
    )
    other = await sender.post(
        STATEMENTS, **multipart(statement(attachments=[attachment(content)]), b"x", hash=attachment(content)["sha2"])
    )
    unnamed = await sender.post(STATEMENTS, **multipart(statement(), content))
    short = await sender.post(STATEMENTS, **multipart(statement(attachments=[attachment(content, length=3)]), content))

    assert [answer.status_code for answer in (good, missing, elsewhere, other, unnamed, short)] == [
        200, 400, 200, 400, 400, 400,
    ]  # fmt: skip
    assert [answer.json()["reason"] for answer in (missing, other, unnamed, short)] == [
        "attachment_missing", "attachment_hash", "attachment_unnamed", "attachment_length",
    ]  # fmt: skip


async def test_a_signature_signs_the_statement_that_it_is_attached_to(service: Running) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    mine, other = statement(), statement(timestamp="2026-01-01T00:00:00Z")

    def signed(one: dict[str, Any], payload: dict[str, Any], algorithm: str = "RS256") -> dict[str, Any]:
        secret: Any = key if algorithm == "RS256" else "0123456789abcdef0123456789abcdef"
        content = jwt.PyJWS().encode(json.dumps(payload).encode(), secret, algorithm=algorithm).encode()
        return multipart(one | {"attachments": [attachment(content, usageType=SIGNATURE)]}, content)

    sender = client(service)
    good = await sender.post(STATEMENTS, **signed(mine, mine))
    forged = await sender.post(STATEMENTS, **signed(statement(), other))
    weak = await sender.post(STATEMENTS, **signed(other, other, "HS256"))

    assert (good.status_code, forged.status_code, weak.status_code) == (200, 400, 400), good.text
    assert forged.json()["reason"] == weak.json()["reason"] == "signature"


async def test_an_erased_learner_is_in_no_statement(service: Running) -> None:
    actor = {"account": {"homePage": "https://school.example", "name": "bob"}}
    one = statement(actor=actor)
    await client(service).post(STATEMENTS, json=one)
    admin = service.client()
    query = {"source": SOURCE, "source_id": "https://school.example|bob"}
    learner = (await admin.get("/v1/learners", params=query)).json()["learner"]
    await admin.delete(f"/v1/learners/{learner}")

    rows = await service.rows("select from xapi_statement where body like $1", b"%|bob%")
    left = await service.rows("select from xapi_statement where learner_source_id like '%bob'")
    again = await client(service).get(STATEMENTS, params={"statementId": one["id"]})

    assert (rows, left, again.status_code) == ([], [], 404)


async def test_an_erased_learner_is_in_no_statement_of_others(service: Running) -> None:
    home = "https://school.example"
    sue, others = (
        {"account": {"homePage": home, "name": "sue"}},
        [{"mbox": "mailto:ann@x.org"}, {"mbox": "mailto:abe@x.org"}],
    )
    said = [
        statement(actor=others[0], object={"objectType": "Agent", **sue}),
        statement(actor={"objectType": "Group", "member": [sue, others[1]]}),
        statement(actor=others[0], context={"instructor": sue}), statement(actor=others[0]),
    ]  # fmt: skip
    assert (await client(service).post(STATEMENTS, json=[*said, statement(actor=sue)])).status_code == 200
    admin = service.client()
    query = {"source": SOURCE, "source_id": f"{home}|sue"}
    await admin.delete(f"/v1/learners/{(await admin.get('/v1/learners', params=query)).json()['learner']}")

    shown = [(await client(service).get(STATEMENTS, params={"statementId": one["id"]})).status_code for one in said]
    left = await service.rows("select from xapi_statement where body like $1 or people like $2", b"%sue%", "%sue%")

    assert shown == [404, 404, 404, 200]
    assert left == []


async def test_a_source_of_mostly_bad_statements_is_stopped(service: Running) -> None:
    sender = client(service, source="urn:bad-xapi")
    codes = [(await sender.post(STATEMENTS, json=[{"verb": 1}] * 500)).status_code for _ in range(3)]

    assert codes == [400, 400, 429]
