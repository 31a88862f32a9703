"""Input that is wrong: a clear problem with a pointer, nothing half-applied, nobody frozen; on the running stack."""

from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.system.district import SOURCE, ZERO, District, Item

STREAK_1 = {"id": "s", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}}


def answer(n: int, competency: str = "math:c1", **more: Any) -> Item:
    return {
        "id": f"w{n}", "source": SOURCE, "learner": "ada", "competencies": [competency],
        "score": {"raw": 1, "max": 1}, "occurred_at": f"2026-03-02T10:00:{n:02}Z", **more,
    }  # fmt: skip


async def opened(stack: Stack, name: str) -> District:
    return await District(stack, name).open()


async def refused(district: District, path: str, **request: Any) -> tuple[int, str]:
    """Post what is to be refused; return the status and the pointer, after a look at the words."""
    reply = await district.http.post(f"{district.stack.urls['progression']}{path}", **request)
    problem = reply.json()
    assert problem["detail"]
    return reply.status_code, problem.get("pointer", "")


async def closed_clean(district: District) -> None:
    """Show that nobody is frozen: three right answers more are folded and shown, and the audit is clean."""
    await district.send([answer(n) for n in (51, 52, 53)])
    await district.until(lambda told: "competency.mastered" in told)
    verified = await district.verify()
    assert [verified[name] for name in ZERO] == [0] * len(ZERO)
    await district.close()


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b"{", ""),
        (b'{"id": "x", "method": {"type": "streak", "n": 0}}', "/method/n"),
        (b'{"id": "x", "method": {"type": "streak", "n": 2}, "gender": "f"}', "/gender"),
        (b'{"id": "x", "method": {"type": "streak", "n": 2}, "applies_to": {"competencies": ["math:c1", "math:z"]}}',
         "/applies_to/competencies/1"),
        (b'{"id": "x", "method": {"type": "streak", "n": 2}, "advancement": {"require": {"all": ["z"]}}}',
         "/advancement/require/all/0"),
    ],
)  # fmt: skip
async def test_a_policy_that_is_not_well_formed_or_names_what_no_framework_has(
    stack: Stack, content: bytes, pointer: str
):
    district = await opened(stack, "policy")
    before = (await district.get("progression", "/v1/policies"))["items"]

    assert await refused(district, "/v1/policies?framework=math", content=content) == (422, pointer)
    assert (await district.get("progression", "/v1/policies"))["items"] == before
    await closed_clean(district)


async def test_an_override_without_a_reason_or_a_right(stack: Stack):
    district = await opened(stack, "override")
    await district.send([answer(1)])
    await district.drained()
    ada = await district.learner("ada")
    body = {"learner": ada, "competency": "math:c1", "status": "mastered"}
    signed, unknown = ({"learner": ada, "competency": f"math:{code}"} for code in ("c1", "z"))
    token = district.stack.token(district.tenant, "records:read")
    headers = {"Authorization": f"Bearer {token}"}

    assert await refused(district, "/v1/overrides", json=body) == (422, "/reason")
    assert (await refused(district, "/v1/overrides", json=body | {"reason": "seen"}, headers=headers))[0] == 403
    assert await refused(district, "/v1/sign-offs", json={"items": [unknown, signed]}) == (422, "/items/0/competency")
    assert await refused(district, "/v1/sign-offs", json={"items": [signed]}) == (409, "/items/0"), "it does not wait"
    assert await district.advancements() == []
    await closed_clean(district)


async def test_a_framework_with_cycles_self_loops_and_dangling_ends_is_imported_and_says_so(stack: Stack):
    district = await opened(stack, "cycles")
    framework = {"id": "loop", "nodes": "code,title\na,A\nb,B\nc,C\n", "edges": "from,to\na,b\nb,a\nc,c\na,z\n"}
    answered = await district.post("progression", "/v1/frameworks", framework)
    await district.post("progression", "/v1/policies?framework=loop", b'{"id":"s","method":{"type":"streak","n":1}}')
    await district.send([answer(1, "loop:a")])
    await district.drained()
    ada = await district.learner("ada")

    assert answered["competencies"] == 3
    assert len(answered["problems"]) == 3
    assert any("a, b" in problem or "b, a" in problem or "cycle" in problem for problem in answered["problems"])
    frontier = await district.get("progression", f"/v1/learners/{ada}/frontier")
    assert "loop:b" in [each["competency"] for each in frontier["ready"]]
    await closed_clean(district)


async def test_evidence_for_a_retired_competency_waits_and_its_learner_goes_on(stack: Stack):
    district = await opened(stack, "retired")
    await district.post("progression", "/v1/frameworks", {"id": "old", "nodes": "code,title\na,A\nb,B\n"})
    await district.post("progression", "/v1/frameworks", {"id": "old", "nodes": "code,title\na,A\n"})
    await district.drained()
    items = await district.send([answer(1, "old:a"), answer(2, "old:b")])

    assert [(item["status"], item["pointer"]) for item in items] == [("accepted", None), ("parked", "/competencies/0")]
    await closed_clean(district)


async def test_a_clock_in_2099(stack: Stack):
    district = await opened(stack, "future")
    items = await district.send([answer(1), answer(2, occurred_at="2099-01-01T00:00:00Z"), answer(3)])

    assert [(item["status"], item["reason"], item["pointer"]) for item in items] == [
        ("accepted", None, None), ("rejected", "future_time", "/occurred_at"), ("accepted", None, None),
    ]  # fmt: skip
    await closed_clean(district)


@pytest.mark.parametrize(
    "path", ["/v1/journal?shard=0&after=9223372036854775808", "/v1/journal?shard=99999999999", "/v1/states?limit=-1"]
)
async def test_a_number_beyond_all_numbers_is_refused(stack: Stack, path: str):
    district = await opened(stack, "numbers")
    reply = await district.http.get(f"{stack.urls['progression']}{path}")
    await district.close()

    assert reply.status_code == 422
    assert reply.json()["detail"]


async def test_no_route_passes_over_a_parameter_that_it_does_not_have(stack: Stack):
    """A filter that is mistyped would show more than was asked for, a cursor the first page again."""
    district = await opened(stack, "mistyped")
    wrong, tried = [], 0
    for url in stack.urls.values():
        document = (await district.http.get(f"{url}/openapi.json")).json()
        for path, of in document["paths"].items():
            # Status lists are for whoever verifies a record, and have nothing to ask for.
            for method in of if path.startswith("/v1/") and "/credentials/status/" not in path else ():
                tried += 1
                reply = await district.http.request(method, f"{url}{path}", params={"sinze": "1"})
                if (reply.status_code, reply.json().get("pointer")) != (422, "/sinze"):
                    wrong.append((method, path, reply.status_code))
    await district.close()

    assert tried > 100
    assert wrong == []
