"""The record that travels, from a running service: signed, verified by others without a network, revoked, rotated."""

import copy
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.reporting.domain.credentials import BADGE_CONTEXT, CLR_CONTEXT, VC_CONTEXT
from services.reporting.entrypoints.examples import AFFECTED
from services.reporting.handlers.access import AccessLog
from services.reporting.handlers.credentials import CredentialReader
from services.reporting.handlers.people import People
from services.reporting.handlers.signing import _context, did_key, keys_of, method_of, signed
from shared.contracts.internal_events import IDENTITY_ERASED, Competency
from shared.errors import Refused
from shared.observability import OWN_LOGGERS, configure_logging
from shared.peer import Peer
from shared.settings import Settings
from tests.reporting.builders import assignment, authorization, class_, enrolment, framework, happened, mastery, staff
from tests.reporting.running import Running
from tests.reporting.verifying import verdicts
from tests.support.logs import logging_as_it_was, named_loggers
from tests.support.shared_data import shared_file

ADA = "0b9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c"
BO = "1c9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c"
IDENTIFIER = "6b9f2a3e-0d6c-11e8-ba89-0ed5f89f718b"
BASIS = {
    "kind": "evidence", "pieces": 3, "occasions": 2, "first_at": "2026-01-10", "last_at": "2026-03-04",
    "evidence_ids": ["51c3a6de-3fd4-5d6e-8c32-6f6f6c1f8a01"], "digest": "d1",
}  # fmt: skip
POLICY = {"id": "classroom", "version": "5f1c09ab77d2", "hash": "5f1c09ab77d2" * 5}
GOOD = {"valid_signature": True, "revocation_status": True, "expiration": True, "registered_issuer": False}
"""No registry knows a did:key of a test."""


def write_keys(file: Path, *keys: Ed25519PrivateKey) -> None:
    pem = (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in keys)
    file.write_bytes(b"".join(pem))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("keys")
    write_keys(made / "issuer.pem", Ed25519PrivateKey.generate())
    return made


@pytest.fixture(scope="module")
def config(config: Settings, folder: Path) -> Settings:
    return config.model_copy(
        update={"credential_keys": folder, "status_list_s": 0, "public_url": f"http://127.0.0.1:{config.port}"}
    )


@pytest.fixture(scope="module", autouse=True)
async def told(reporting: Running) -> None:
    """Tell of two learners: what ada has shown, was credited and signed off; what bo has shown."""
    codes = [
        Competency("a", "Unit fractions", 1, "3", "Mathematics", identifier=IDENTIFIER),
        Competency("b", "Area", 2, "3"),
    ]
    await reporting.told("curriculum", *framework("m", codes, []))
    await reporting.told(
        "roster", class_("k", "s"), enrolment("k", ADA), enrolment("k", BO), staff("k", "t-1"),
        assignment("registrar-1", "registrar", "school", "s"),
    )  # fmt: skip
    await reporting.told("progression", mastery(ADA, "m:a"), mastery(ADA, "m:b", "credited"), mastery(BO, "m:a"))
    await reporting.told(
        "advancement",
        happened(ADA, "competency.mastered", "m:a", basis=BASIS, policy=POLICY),
        happened(ADA, "competency.credited", "m:b", provenance="Transfer from River School."),
        happened(ADA, "level.advanced", "m#Mathematics/3"),
        happened(BO, "competency.mastered", "m:a", basis=BASIS, policy=POLICY),
    )  # fmt: skip


async def record(reporting: Running, whose: str = ADA, **rest: Any) -> dict[str, Any]:
    answer = await reporting.get(f"/v1/learners/{whose}/credential", **rest)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/vc"
    found: dict[str, Any] = answer.json()
    return found


def badges(whole: dict[str, Any]) -> dict[str, dict[str, Any]]:
    inside = whole["credentialSubject"]["verifiableCredential"]
    return {each["credentialSubject"]["achievement"]["humanCode"]: each for each in inside}


async def documents(reporting: Running, *credentials: dict[str, Any]) -> dict[str, Any]:
    """Return all that a verifier needs: contexts, and the status lists that the service gives to anybody."""
    found = {url: _context(url) for url in (VC_CONTEXT, CLR_CONTEXT, BADGE_CONTEXT)}
    for url in {each["credentialStatus"]["statusListCredential"] for each in credentials}:
        answer = await reporting.client.get(url)
        assert answer.status_code == 200, answer.text
        found[url] = answer.json()
    return found


async def test_two_independent_verifiers_accept_it_and_refuse_what_was_done_to_it(
    reporting: Running, folder: Path
) -> None:
    whole = await record(reporting)
    one = badges(whole)["a"]
    key = keys_of(folder, "demo")[0]
    tampered, inside, undefined = (copy.deepcopy(each) for each in (one, whole, one))
    tampered["credentialSubject"]["achievement"]["name"] = "Calculus"
    badges(inside)["a"]["awardedDate"] = "2020-01-01T00:00:00Z"
    undefined["masteryPolicyHash"] = "forged"
    body = {name: member for name, member in one.items() if name != "proof"}
    expired = signed(body | {"validUntil": "2026-01-02T00:00:00Z", "validFrom": "2026-01-01T00:00:00Z"}, key,
                     method_of(did_key(key), key), "2026-01-01T00:00:00Z")  # fmt: skip
    said = verdicts(
        await documents(reporting, whole, one),
        {
            "record": whole,
            "tampered": tampered,
            "tampered inside": inside,
            "undefined term": undefined,
            "expired": expired,
        }
        | badges(whole),
    )

    for name in ("record", "a", "b", "3"):
        assert said[name]["digitalbazaar"] == "verified", name
        assert said[name]["verifierCore"] | {"schemas": None} == GOOD | {"schemas": None}, name
    for name in ("tampered", "tampered inside"):
        assert "Invalid signature" in said[name]["digitalbazaar"], name
        assert said[name]["verifierCore"] == {"error": "invalid_signature"}, name
    assert "Safe mode" in said["undefined term"]["digitalbazaar"]
    assert "error" in said["undefined term"]["verifierCore"]
    assert "validUntil" in said["expired"]["digitalbazaar"]
    assert said["expired"]["verifierCore"]["expiration"] is False


async def test_verifiers_find_it_valid_by_the_published_schemas(reporting: Running) -> None:
    whole = await record(reporting)
    found = await documents(reporting, whole)
    for schema, file in (
        (whole["credentialSchema"], "clr_schemas/clr_v2p0_clrcredential_schema.json"),
        (badges(whole)["a"]["credentialSchema"], "openbadges_schemas/ob_v3p0_achievementcredential_schema.json"),
    ):
        found[schema[0]["id"]] = json.loads(shared_file(f"data/formats/credentials/{file}").read_text())
    said = verdicts(found, {"record": whole, "a": badges(whole)["a"]})

    assert [said[name]["verifierCore"]["schemas"] for name in ("record", "a")] == [[True], [True]]


async def test_a_withdrawal_revokes_the_badge_and_the_record_and_its_undoing_gives_them_back(
    reporting: Running,
) -> None:
    whole = await record(reporting, BO)
    issued = {"record": whole, "a": badges(whole)["a"]}

    async def said() -> list[tuple[str, bool]]:
        found = verdicts(await documents(reporting, *issued.values()), issued)
        return [(found[name]["digitalbazaar"], found[name]["verifierCore"]["revocation_status"]) for name in issued]

    assert await said() == [("verified", True)] * 2
    await reporting.told("advancement", happened(BO, "competency.withdrawn", "m:a"))
    assert await said() == [("revoked", False)] * 2
    refused = await reporting.get(f"/v1/learners/{BO}/credential")
    assert refused.status_code == 409
    await reporting.told("advancement", happened(BO, "competency.reinstated", "m:a"))
    assert await said() == [("verified", True)] * 2
    assert (await record(reporting, BO))["id"] == whole["id"]


async def test_what_was_revoked_stays_so_when_its_learner_is_erased_and_what_was_not_stays_good(
    reporting: Running,
) -> None:
    eve = "2d9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c"
    await reporting.told("roster", enrolment("k", eve))
    await reporting.told("progression", mastery(eve, "m:a"), mastery(eve, "m:b"))
    await reporting.told(
        "advancement", *(happened(eve, "competency.mastered", of, basis=BASIS, policy=POLICY) for of in ("m:a", "m:b"))
    )
    whole = await record(reporting, eve)
    held = {"record": whole, **badges(whole)}

    async def revoked() -> list[str]:
        found = verdicts(await documents(reporting, *held.values()), held)
        return [name for name in held if not found[name]["verifierCore"]["revocation_status"]]

    await reporting.told("advancement", happened(eve, "competency.withdrawn", "m:a"))
    before = await revoked()
    await reporting.told("roster", (IDENTITY_ERASED, eve, {"learner": eve, "certificate": "c"}))
    await reporting.told("advancement", ("attain.learner.erased.v1", eve, {"learner": {"id": eve}}))
    async with reporting.database.connection() as connection:
        known = await connection.fetchval("select count(*) from credential where learner = $1", eve)

    assert before == await revoked() == ["record", "a"]
    assert known == 0


async def test_it_tells_what_was_shown_where_it_stands_and_whose_it_is(reporting: Running) -> None:
    whole = await record(reporting)
    found = badges(whole)
    of_a = found["a"]["credentialSubject"]

    assert list(found) == ["3", "a", "b"]
    assert of_a["achievement"]["alignment"][0] == {
        "type": ["Alignment"], "targetCode": "a", "targetName": "Title of m:a", "targetFramework": "Framework m",
        "targetUrl": f"urn:uuid:{IDENTIFIER}", "targetType": "CFItem",
    }  # fmt: skip
    assert POLICY["hash"] in of_a["achievement"]["criteria"]["narrative"]
    assert "Transfer from River School." in found["b"]["credentialSubject"]["achievement"]["criteria"]["narrative"]
    assert {each["identityHash"] for each in of_a["identifier"]} == {ADA, f"Name of {ADA[:4]}"}
    assert whole["partial"] is False
    assert len({each["credentialStatus"]["statusListIndex"] for each in (whole, *found.values())}) == 4


async def test_the_same_achievements_keep_their_ids_and_places(reporting: Running) -> None:
    first, again = await record(reporting), await record(reporting)
    of_one = await record(reporting, parameters={"framework": "m"})

    assert (first["id"], first["credentialStatus"]) == (again["id"], again["credentialStatus"])
    assert of_one["partial"] is True
    assert (await reporting.get(f"/v1/learners/{ADA}/credential", parameters={"framework": "x"})).status_code == 409


async def test_learner_guardian_and_registrar_take_it_and_a_teacher_does_not(reporting: Running) -> None:
    own = {"scope": "records:read:self", "learner": ADA, "subject": "ada"}
    assert (await record(reporting, **own))["type"][1] == "ClrCredential"
    assert (await record(reporting, scope="records:read:classes", subject="registrar-1"))["type"][1] == "ClrCredential"
    teacher = await reporting.get(f"/v1/learners/{ADA}/credential", "records:read:classes", subject="t-1")
    other = await reporting.get(f"/v1/learners/{BO}/credential", **own)
    accesses = (await reporting.get(f"/v1/learners/{ADA}/accesses", **own)).json()["items"]

    assert (teacher.status_code, other.status_code) == (403, 404)
    assert ("registrar-1", "credential") in {(each["person"], each["view"]) for each in accesses}


async def test_a_transcript_is_a_pdf_for_the_same_people(reporting: Running) -> None:
    own = {"scope": "records:read:self", "learner": ADA, "subject": "ada"}
    taken = await reporting.get(f"/v1/learners/{ADA}/transcript", parameters={"lang": "es"}, **own)
    teacher = await reporting.get(f"/v1/learners/{ADA}/transcript", "records:read:classes", subject="t-1")

    assert (taken.status_code, taken.headers["Content-Type"], teacher.status_code) == (200, "application/pdf", 403)
    assert taken.content.startswith(b"%PDF-")


async def test_no_library_logs_what_it_does_for_a_request_or_a_transcript(
    reporting: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """To make a PDF smaller, fontTools tells which letters are in it, and so what the learner is called."""
    with logging_as_it_was():
        configure_logging("DEBUG")
        transcript = await reporting.get(f"/v1/learners/{ADA}/transcript")
        written = {line.split(" ")[3] for line in capsys.readouterr().err.splitlines()}
        wordy = {each.name for each in named_loggers() if each.isEnabledFor(logging.INFO)}

    assert transcript.status_code == 200
    assert "fontTools.subset" in {each.name for each in named_loggers()}
    for name in wordy | written:
        assert name.startswith(OWN_LOGGERS), name


async def test_a_new_key_signs_and_what_the_old_one_signed_stays_good(reporting: Running, folder: Path) -> None:
    before, old = await record(reporting), (folder / "issuer.pem").read_bytes()
    write_keys(folder / "issuer.pem", Ed25519PrivateKey.generate())
    (folder / "issuer.pem").write_bytes((folder / "issuer.pem").read_bytes() + old)
    after = await record(reporting)
    said = verdicts(await documents(reporting, before, after), {"before": before, "after": after})

    assert before["issuer"]["id"] != after["issuer"]["id"]
    assert [each["digitalbazaar"] for each in said.values()] == ["verified", "verified"]


@contextmanager
def signing_with(reporting: Running, **settings: str) -> Iterator[None]:
    """Let the service sign with other settings."""
    state, config = reporting.app.state, reporting.config.model_copy(update=settings)
    people = People(Peer(config.evidence_url, config))
    before = state.credentials
    state.credentials = CredentialReader(reporting.database, config, people, AccessLog(reporting.database))
    yield
    state.credentials = before


@pytest.fixture
def by_did_web(reporting: Running) -> Iterator[str]:
    """Let the service sign as a did:web, and return it."""
    host = "did:web:records.example.org"
    with signing_with(reporting, credential_did=host):
        yield f"{host}:demo"


async def test_no_address_that_others_cannot_reach_is_ever_signed(reporting: Running) -> None:
    """A record names where it is looked up whether it is revoked: where nobody said that, none is issued."""
    named = badges(await record(reporting))["a"]["credentialStatus"]["statusListCredential"]
    with signing_with(reporting, public_url="", reporting_url="http://reporting:8100"):
        refused = await reporting.get(f"/v1/learners/{ADA}/credential")
        status_list = await reporting.client.get(named.removeprefix(reporting.config.public_url))
        transcript = await reporting.get(f"/v1/learners/{ADA}/transcript")

    assert named.startswith(f"{reporting.config.public_url}/")
    for answer in (refused, status_list):
        assert (answer.status_code, answer.headers["Content-Type"]) == (409, "application/problem+json")
        assert "public_url" in answer.json()["detail"]
    assert transcript.status_code == 200


async def test_a_did_web_keeps_its_name_through_keys(reporting: Running, folder: Path, by_did_web: str) -> None:
    before, old = await record(reporting), (folder / "issuer.pem").read_bytes()
    write_keys(folder / "issuer.pem", Ed25519PrivateKey.generate())
    (folder / "issuer.pem").write_bytes((folder / "issuer.pem").read_bytes() + old)
    after = await record(reporting)
    keys = (await reporting.client.get("/demo/did.json")).json()
    served = {by_did_web: keys, "https://records.example.org/demo/did.json": keys}
    said = verdicts(await documents(reporting, before, after) | served, {"before": before, "after": after})

    assert before["issuer"]["id"] == after["issuer"]["id"] == keys["id"] == by_did_web
    assert before["proof"]["verificationMethod"] != after["proof"]["verificationMethod"]
    for each in said.values():
        assert each["digitalbazaar"] == "verified"
        assert each["verifierCore"] | {"schemas": None} == GOOD | {"schemas": None}


async def test_who_comes_when_too_many_wait_is_told_to_come_again(
    reporting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.reporting.handlers.credentials.WAITING_MAX", 0)
    answer = await reporting.get(f"/v1/learners/{ADA}/credential")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


async def test_which_credentials_a_withdrawal_would_revoke(reporting: Running) -> None:
    whole = await record(reporting)
    asked = {"items": [{"learner": ADA, "scope": "m:a"}, {"learner": "nobody", "scope": "m:a"}]}
    admin = authorization(reporting.config, "admin")
    answer = await reporting.client.post("/v1/credentials/affected", json=asked, headers=admin)
    refused = await reporting.client.post(
        "/v1/credentials/affected", json=asked, headers=authorization(reporting.config, "records:read")
    )
    items = answer.json()["items"]

    assert set(items[0]) == set(AFFECTED["items"][0])
    assert {(f"urn:uuid:{each['id']}", each["whole_record"]) for each in items} >= {
        (whole["id"], True), (badges(whole)["a"]["id"], False),
    }  # fmt: skip
    assert all(each["scopes"] == ["m:a"] for each in items)
    assert badges(whole)["b"]["id"] not in {f"urn:uuid:{each['id']}" for each in items}
    assert refused.status_code == 403


async def test_lists_that_are_not_there_and_a_did_web_that_is_none(reporting: Running) -> None:
    url = (await record(reporting))["credentialStatus"]["statusListCredential"]

    assert (await reporting.client.get(f"{url}7")).status_code == 404
    assert (await reporting.client.get(url.replace("/demo/", "/other/"))).status_code == 404
    assert (await reporting.client.get("/demo/did.json")).status_code == 404


def test_without_a_key_nothing_is_signed_and_no_message_shows_one(tmp_path: Path) -> None:
    for content in (b"", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"):
        (tmp_path / "issuer.pem").write_bytes(content)
        with pytest.raises(Refused) as refused:
            keys_of(tmp_path, "demo")
        assert "c2VjcmV0" not in str(refused.value)
    with pytest.raises(Refused, match="credential_keys"):
        keys_of(None, "demo")
    write_keys(tmp_path / "demo.pem", Ed25519PrivateKey.generate())
    key = keys_of(tmp_path, "demo")[0]
    assert key.public in repr(key)
    assert "Ed25519PrivateKey" not in repr(key)


async def test_what_is_posted_is_answered_whatever_the_caller_says_to_have(reporting: Running) -> None:
    headers = authorization(reporting.config, "admin") | {"If-None-Match": "*"}
    answer = await reporting.client.post("/v1/credentials/affected", json={"items": []}, headers=headers)

    assert (answer.status_code, answer.json(), "etag" in answer.headers) == (200, {"items": []}, False)
