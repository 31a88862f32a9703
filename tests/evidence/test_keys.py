"""API keys of learning systems: given once, only for their source and scopes, rotated, revoked, ended."""

import asyncio
import datetime
from typing import Any

import asyncpg
import httpx
import pytest

from services.evidence.domain.keys import ApiKey, check, check_scopes, digest_of, parse, text_of
from shared.errors import InvalidEvent, Unauthorized
from tests.evidence.builders import SOURCE, item
from tests.evidence.running import Running

NOW = datetime.datetime(2026, 3, 4, tzinfo=datetime.UTC)
SECRET = bytes(range(32))
KEY = ApiKey("0123456789abcdef", "demo", "", SOURCE, ("evidence:write",), digest_of(SECRET), NOW)


def test_a_key_is_read_back_and_kept_as_its_digest_only() -> None:
    text = text_of(KEY.key_id, SECRET)

    assert parse(text) == (KEY.key_id, SECRET)
    assert SECRET.hex() not in repr(KEY)
    identity = check(KEY, SECRET, NOW)
    assert (identity.tenant, identity.source, identity.scopes) == ("demo", SOURCE, frozenset({"evidence:write"}))


@pytest.mark.parametrize("text", ["", "atk_", "atk_0123456789abcdef_00", f"atk_0123456789ABCDEF_{'0' * 64}", "x" * 85])
def test_what_has_not_the_form_of_a_key_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized, match="not of the form"):
        parse(text)


@pytest.mark.parametrize(
    ("kept", "secret", "why"),
    [
        (None, SECRET, "no such"),
        (KEY, bytes(32), "no such"),
        (
            ApiKey(**{name: getattr(KEY, name) for name in KEY.__struct_fields__} | {"revoked_at": NOW}),
            SECRET,
            "revoked",
        ),
        (
            ApiKey(**{name: getattr(KEY, name) for name in KEY.__struct_fields__} | {"expires_at": NOW}),
            SECRET,
            "past its end",
        ),
    ],
)
def test_a_key_that_is_not_good_is_refused(kept: ApiKey | None, secret: bytes, why: str) -> None:
    with pytest.raises(Unauthorized, match=why):
        check(kept, secret, NOW)


@pytest.mark.parametrize("scopes", [(), ("admin",), ("evidence:write", "service")])
def test_keys_have_no_scope_of_people_or_services(scopes: tuple[str, ...]) -> None:
    with pytest.raises(InvalidEvent):
        check_scopes(scopes)


async def _give(service: Running, **wanted: Any) -> dict[str, Any]:
    answer = await service.client().post("/v1/keys", json={"source": SOURCE} | wanted)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_key_asked_for_again_is_one_and_its_secret_is_shown_once(service: Running) -> None:
    """Also of two at once, and once it was rotated; something else under the same Idempotency-Key is refused."""
    sooner, later = [
        (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)).isoformat() for days in (200, 300)
    ]

    async def give(idempotency_key: str = "k-1", **wanted: Any) -> httpx.Response:
        headers = {"Idempotency-Key": idempotency_key}
        return await service.client().post("/v1/keys", headers=headers, json={"source": "urn:again"} | wanted)

    at_once = await asyncio.gather(*(give(expires_at=later) for _ in range(4)))
    [made] = [answer.json() for answer in at_once if answer.status_code == 201]
    other, unlike = (
        await give("k-2"),
        [await give(expires_at=sooner), await give(source="urn:other"), await give(name="x")],
    )
    rotated = await service.client().post(f"/v1/keys/{made['key_id']}/rotate", json={"overlap_s": 0})
    again = await give(expires_at=later)
    listed = (await service.client().get("/v1/keys")).json()["items"]

    assert sorted(answer.status_code for answer in at_once) == [200, 200, 200, 201]
    assert {answer.json()["key_id"] for answer in (*at_once, again)} == {made["key_id"]}
    assert not any("key" in answer.json() for answer in (*at_once, again) if answer.status_code == 200)
    assert [(answer.status_code, answer.json()["reason"]) for answer in unlike] == [(409, "other_content")] * 3
    assert (await _send(service, rotated.json()["key"], source="urn:again")).is_success
    mine = {key["key_id"] for key in listed if key["source"] == "urn:again"}
    assert mine == {made["key_id"], other.json()["key_id"], rotated.json()["key_id"]}


async def _send(service: Running, key: str, **changes: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {key}"}) as client:
        return await client.post("/v1/evidence", json=item(**changes))


async def test_a_key_writes_as_its_source_and_no_other(service: Running) -> None:
    key = (await _give(service))["key"]

    assert (await _send(service, key, id="by-key")).status_code in (201, 202)
    assert (await _send(service, key, id="other", source="https://other.example.edu")).status_code == 403
    async with httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {key}"}) as client:
        for path in ("/v1/keys", "/v1/learners", "/v1/quarantine", "/v1/feed?log=evidence&shard=0"):
            assert (await client.get(path)).status_code in (403, 422), path


async def test_a_revoked_key_is_refused_at_once_here(service: Running) -> None:
    made = await _give(service)
    assert (await _send(service, made["key"], id="before")).status_code in (201, 202)

    revoked = await service.client().delete(f"/v1/keys/{made['key_id']}")

    assert revoked.json()["revoked_at"]
    assert (await _send(service, made["key"], id="after")).status_code == 401


async def test_a_rotated_key_is_good_for_the_overlap_and_no_longer(service: Running) -> None:
    made = await _give(service)
    rotated = (await service.client().post(f"/v1/keys/{made['key_id']}/rotate", json={"overlap_s": 60})).json()
    again = (await service.client().post(f"/v1/keys/{rotated['key_id']}/rotate", json={"overlap_s": 0})).json()

    assert (await _send(service, made["key"], id="old")).status_code in (201, 202)
    assert (await _send(service, rotated["key"], id="ended")).status_code == 401
    assert (await _send(service, again["key"], id="new")).status_code in (201, 202)
    assert again["source"] == SOURCE


async def test_a_rotated_key_ends_when_the_old_one_was_to(service: Running) -> None:
    ends = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(days=3)
    made = await _give(service, expires_at=ends.isoformat())
    path = f"/v1/keys/{made['key_id']}/rotate"
    rotated = (await service.client().post(path)).json()
    again = await service.client().post(path)

    assert datetime.datetime.fromisoformat(rotated["expires_at"]) == ends
    # The old one ends within another overlap now: a key that follows it would soon be dead.
    assert (again.status_code, again.json()["title"]) == (409, "Conflict")
    assert "ends at" in again.json()["detail"]
    assert (await _send(service, rotated["key"], id="rotated")).status_code in (201, 202)


async def test_a_key_past_its_end_is_refused(service: Running) -> None:
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    made = await _give(service, expires_at=ends.isoformat())
    await asyncio.sleep(1.1)

    assert (await _send(service, made["key"])).status_code == 401


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        # A year, and no second of the first of January 1970.
        ({"expires_at": "2099"}, "/expires_at"),
        ({"expires_at": 4_000_000_000}, "/expires_at"),
        # No evidence can name such a source.
        ({"source": "x" * 257}, "/source"),
        ({"source": "urn:x\x7f"}, "/source"),
        ({"source": ""}, "/source"),
    ],
)
async def test_a_key_that_would_be_good_for_nothing_is_refused(
    service: Running, wanted: dict[str, Any], pointer: str
) -> None:
    answer = await service.client().post("/v1/keys", json={"source": SOURCE} | wanted)

    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)


async def test_keys_are_of_their_tenant_and_for_its_administrators(service: Running) -> None:
    made = await _give(service, name="North LMS")
    other = service.client(tenant="other")

    assert made["key_id"] not in (await other.get("/v1/keys")).text
    assert (await other.delete(f"/v1/keys/{made['key_id']}")).status_code == 404
    assert (await other.post(f"/v1/keys/{made['key_id']}/rotate")).status_code == 404
    assert (await service.client().delete("/v1/keys/no-key")).json()["detail"] == "no such API key"
    assert (await service.client(scope="evidence:write").post("/v1/keys", json={"source": SOURCE})).status_code == 403
    listed = (await service.client().get("/v1/keys")).text
    assert "North LMS" in listed
    assert made["key"] not in listed
    assert "digest" not in listed


async def test_the_database_holds_no_key(service: Running) -> None:
    secret = parse((await _give(service))["key"])[1]
    connection = await asyncpg.connect(service.config.evidence_database)
    try:
        rows = await connection.fetch("select to_jsonb(k)::text as row from api_key k")
    finally:
        await connection.close()

    assert rows
    assert all(secret.hex() not in row["row"] for row in rows)


async def test_wrong_scopes_are_refused_with_their_pointer(service: Running) -> None:
    answer = await service.client().post("/v1/keys", json={"source": SOURCE, "scopes": ["admin"]})

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/scopes")
