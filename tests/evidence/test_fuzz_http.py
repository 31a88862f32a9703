"""Broken payloads through HTTP: each is answered, none with a 5xx, and a good one beside them is taken in all the same."""

import json
from itertools import islice

import pytest

from tests.evidence.builders import item
from tests.evidence.fuzzing import GOOD, broken_at_random
from tests.evidence.running import Running

PAYLOADS_A_FORM = 40
WAYS = {form: "/v1/evidence" if form == "native" else f"/v1/intake/{form}" for form in GOOD}


def payloads(form: str) -> list[bytes]:
    return list(islice(broken_at_random(form), PAYLOADS_A_FORM))


@pytest.mark.parametrize("form", GOOD)
async def test_no_broken_payload_is_a_fault_of_the_service(service: Running, form: str) -> None:
    client = service.client()
    for payload in payloads(form):
        answer = await client.post(WAYS[form], content=payload)

        assert answer.status_code < 500, (payload, answer.text)
        if answer.status_code >= 400:
            assert answer.json().get("reason") or answer.json().get("detail"), payload
        else:
            items = answer.json().get("items", [answer.json()])
            assert all(one["reason"] and one["pointer"] is not None for one in items if one["status"] == "rejected")


async def test_a_good_item_among_broken_ones_is_taken_in(service: Running) -> None:
    await service.publish_framework("z", "1")
    lines = [payload for payload in payloads("native") if b"\n" not in payload and payload.strip()]
    good = json.dumps(item("good-among", competencies=["z:1"])).encode()
    answer = await service.client().post(
        "/v1/evidence", content=b"\n".join([*lines, good]), headers={"Content-Type": "application/x-ndjson"}
    )

    assert answer.status_code == 200
    assert len(answer.json()["items"]) == len(lines) + 1
    assert answer.json()["items"][-1]["status"] == "accepted"
