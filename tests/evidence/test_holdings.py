"""What is held of a learner can be seen whole, and after erasure there is nothing to be seen."""

import json
import uuid
from typing import Any

from tests.evidence.builders import SOURCE, item
from tests.evidence.running import Running
from tests.evidence.test_formats_read import live, result


async def test_everything_that_is_held_of_a_learner_is_shown(service: Running) -> None:
    await service.publish_framework("h", "1")
    admin = service.client("admin records:read evidence:write")
    roster = {"source": SOURCE, "classes": [{"class": "c", "title": "C"}], "learners": [{"source_id": "hal", "name": "Hal"}],
              "enrolments": [{"class": "c", "learner": "hal"}], "groups": [{"group": "EL", "learner": "hal"}]}  # fmt: skip
    assert (await admin.post("/v1/roster", json=roster)).status_code == 200
    mine = item("h1", learner="hal", competencies=["h:1"], extensions={"note": "mine"})
    waits = item("h2", learner="hal", competencies=None, activity={"id": "unaligned"})
    await service.submit(mine, waits, item("h3", learner="other", competencies=["h:1"]))
    learner = (await admin.get("/v1/learners", params={"source": SOURCE, "source_id": "hal"})).json()["learner"]

    held = (await admin.get(f"/v1/learners/{learner}/holdings")).json()
    unasked = await service.client("records:read").get(f"/v1/learners/{learner}/holdings")
    certificates = [(await admin.delete(f"/v1/learners/{learner}")).json() for _ in range(2)]
    gone = await admin.get(f"/v1/learners/{learner}/holdings")
    never = await admin.get(f"/v1/learners/{uuid.uuid4()}/holdings")

    assert held["identities"] == [{"source": SOURCE, "source_id": "hal", "name": "Hal"}]
    assert [(one["id"], one["private"]["extensions"], one["body"]["data"]["id"]) for one in held["evidence"]] == [
        ("h1", {"note": "mine"}, "h1")
    ]
    assert [(one["id"], one["reason"], '"h2"' in one["original"]) for one in held["kept"]] == [
        ("h2", "unaligned", True)
    ]
    assert [one["class_id"] for one in held["roster"]] == ["c"]
    assert held["groups"] == [{"group": "EL", "value": ""}]
    assert len({one["certificate"] for one in certificates}) == 1
    assert [one["identities"] for one in certificates] == [1, 0]
    assert (unasked.status_code, gone.status_code, never.status_code) == (403, 404, 404)


async def test_what_is_held_of_somebody_who_is_no_learner_yet_is_shown_by_the_id_of_the_source(
    service: Running,
) -> None:
    await service.publish_framework("h", "1")
    admin = service.client(tenant="held-of-nobody", source=SOURCE)
    name = f"{SOURCE}|nell"
    said = {
        "actor": {"account": {"homePage": SOURCE, "name": "nell"}},
        "verb": {"id": "x:y"},
        "object": {"id": "x:nell"},
    }
    await admin.put("/v1/limits", json={"statements_kept": "all"})
    await admin.post("/v1/intake/xapi", json=said)
    pieces = item("n1", learner=name, competencies=["none:yet"]), item("n2", learner="other", competencies=["none:yet"])
    await service.submit(*pieces, tenant="held-of-nobody")

    async def held(source_id: str, scope: str = "admin") -> Any:
        return await service.client(scope, tenant="held-of-nobody").get(
            "/v1/holdings", params={"source": SOURCE, "source_id": source_id}
        )

    of_nobody, unasked, never = [await held(name), await held(name, "records:read"), await held("nemo")]
    await admin.post("/v1/roster", json={"source": SOURCE, "learners": [{"source_id": name, "name": "Nell"}]})
    learner = (await admin.get("/v1/learners", params={"source": SOURCE, "source_id": name})).json()["learner"]
    by_id = (await admin.get(f"/v1/learners/{learner}/holdings")).json()

    shown = of_nobody.json()
    assert (shown["learner"], [one["id"] for one in shown["kept"]]) == ("", ["n1"])
    assert [one["body"]["object"]["id"] for one in shown["statements"]] == ["x:nell"]
    assert (unasked.status_code, never.status_code) == (403, 404)
    assert (await held(name)).json() == by_id
    assert {key: by_id[key] for key in ("kept", "statements")} == {key: shown[key] for key in ("kept", "statements")}


async def test_what_takes_a_piece_back_is_held_with_it_also_where_it_came_first(service: Running) -> None:
    """It names nobody, or whoever it likes: it is of whom the piece is, also while a merge has moved that."""
    await service.publish_framework("h", "1", tenant="held-first")
    admin = service.client("admin records:read evidence:write", tenant="held-first")
    back = [
        item(
            f"back-{n}", learner=who, competencies=None, score=None, retracts=f"p{n}", extensions={"note": f"note {n}"}
        )
        for n, who in enumerate((None, "ivy", "nemo"))
    ]
    before = await service.submit(*back, tenant="held-first")
    pieces = [item(f"p{n}", learner="ivy", competencies=["h:1"]) for n in range(3)]
    other = item("p9", learner="other", competencies=["h:1"])
    await service.submit(*pieces, other, tenant="held-first")
    ivy, jo = [
        (await admin.get("/v1/learners", params={"source": SOURCE, "source_id": who})).json()["learner"]
        for who in ("ivy", "other")
    ]

    async def held(learner: str) -> list[str]:
        found = (await admin.get(f"/v1/learners/{learner}/holdings")).json()["evidence"]
        return sorted(one["id"] for one in found)

    apart = [await held(ivy), await held(jo)]
    merge = (await admin.post(f"/v1/learners/{ivy}/merge", json={"into": jo, "reason": "x"})).json()["merge"]
    merged = await held(jo)
    await admin.post(f"/v1/merges/{merge}/undo", json={})

    everything = ["back-0", "back-1", "back-2", "p0", "p1", "p2"]
    assert [one["status"] for one in before] == ["corrected"] * 3
    assert apart == [everything, ["p9"]]
    assert merged == [*everything, "p9"]
    assert [await held(ivy), await held(jo)] == apart


async def test_who_sends_takes_out_or_has_erased_is_noted(service: Running) -> None:
    await service.publish_framework("n", "1")
    admin = service.client("admin records:read evidence:write", tenant="noted")
    sender = service.client("evidence:write", tenant="noted", source=SOURCE)
    await service.publish_framework("n", "1", tenant="noted")
    for n in range(3):
        assert (
            await sender.post("/v1/evidence", json=item(f"n{n}", learner="ned", competencies=["n:1"]))
        ).status_code == 201
    learner = (await admin.get("/v1/learners", params={"source": SOURCE, "source_id": "ned"})).json()["learner"]

    await admin.get(f"/v1/learners/{learner}/holdings")
    [sent, taken] = (await admin.get("/v1/accesses")).json()["items"]
    certificate = (await admin.delete(f"/v1/learners/{learner}")).json()
    page = (await admin.get("/v1/accesses")).json()
    unasked = await sender.get("/v1/accesses")

    assert (sent["person"], sent["act"], sent["target"]) == ("tester", "intake", f"native {SOURCE}")
    assert (taken["person"], taken["act"], taken["target"]) == ("tester", "export", learner)
    assert [(one["act"], one["target"]) for one in page["items"]] == [
        ("intake", f"native {SOURCE}"), ("export", ""), ("erasure", certificate["certificate"])
    ]  # fmt: skip
    assert (await admin.get("/v1/accesses", params={"after": page["next"]})).json()["items"] == []
    assert unasked.status_code == 403


async def test_a_refused_canvas_event_is_held_of_whom_it_names_and_goes_with_them(service: Running) -> None:
    source = "urn:canvas:held"
    admin = service.client(tenant="canvas", source=source)
    roster = {"source": source, "learners": [{"source_id": "ada"}, {"source_id": "5"}]}
    await service.client(tenant="canvas").post("/v1/roster", json=roster)
    bad = [
        live("learning_outcome_result_created", **result(user_uuid="ada", score="much")),
        live("grade_change", student_id=5, submission_id=1, score="much"),
    ]  # fmt: skip
    for one in bad:
        assert (await admin.post("/canvas/events", json=one)).status_code == 422
    found = [(await admin.get("/v1/learners", params={"source": source, "source_id": id})).json()["learner"]
             for id in ("ada", "5")]  # fmt: skip
    held = [(await admin.get(f"/v1/learners/{learner}/holdings")).json()["kept"] for learner in found]
    for learner in found:
        await admin.delete(f"/v1/learners/{learner}")
    left = await service.rows("select original from quarantine where tenant = 'canvas'")

    assert [[json.loads(one["original"]) for one in kept] for kept in held] == [[bad[0]], [bad[1]]]
    assert left == []


async def test_what_is_of_nobody_goes_at_the_end_of_a_tenant_and_of_no_other(service: Running) -> None:
    """Whose pieces only wait, or whose statements are no evidence, is no learner and has no id to be erased by."""
    said = {"actor": {"mbox": "mailto:mark@x.org"}, "verb": {"id": "x:y"}, "object": {"id": "x:q"}}
    for tenant in ("ends", "stays"):
        await service.client("service", tenant=tenant).put("/v1/limits", json={"statements_kept": "all"})
        await service.submit(
            item("mark-1", learner="mark", competencies=["nothing:yet"], extensions={"of": "mark"}),
            item("mark-2", learner=None, competencies=None, score=None, retracts="mark-3"), tenant=tenant,
        )  # fmt: skip
        await service.client(tenant=tenant, source=SOURCE).post("/v1/intake/xapi", json=said)

    async def held(tenant: str) -> set[str]:
        return {table for table in ("evidence", "quarantine", "xapi_statement") for row in await service.rows(
            f"select to_jsonb(t)::text as plain from {table} t where tenant = $1", tenant
        ) if b"mark" in row["plain"].encode() or b"mark".hex() in row["plain"]}  # fmt: skip

    before = await held("ends")
    kept = await service.client(tenant="ends").delete("/v1/quarantine")
    waits = await held("ends")
    gone = await service.client(tenant="ends").delete("/v1/quarantine", params={"ended": True})
    again = await service.submit(item("mark-1", learner="mark", competencies=["nothing:yet"]), tenant="ends")

    assert before == waits == await held("stays") == {"evidence", "quarantine", "xapi_statement"}
    assert (kept.json(), gone.json()) == ({"deleted": 0}, {"deleted": 1})
    assert await held("ends") == set()
    assert [one["reason"] for one in again] == ["erased"]


async def test_who_is_no_learner_yet_is_erased_by_the_id_of_a_source(service: Running) -> None:
    """Of somebody whose pieces wait or could not be used, or who is named in statements, nothing is found afterwards."""
    tenant, id = "nobodys", f"{SOURCE}|wren"
    said = {
        "actor": {"account": {"homePage": SOURCE, "name": "wren"}},
        "verb": {"id": "x:y"},
        "object": {"id": "x:wren"},
    }
    admin, owner = service.client(tenant=tenant), service.client(tenant=tenant, source=SOURCE)
    await service.client("service", tenant=tenant).put("/v1/limits", json={"statements_kept": "all"})
    await service.submit(
        item("wren-1", learner=id, competencies=["nothing:yet"], extensions={"of": "wren"}),
        item("wren-2", learner=id, competencies=["nothing:yet"], score={"raw": 2, "max": 1, "min": 3}),
        item("owl-1", learner="owl", competencies=["nothing:yet"]), tenant=tenant,
    )  # fmt: skip
    await owner.post("/v1/intake/xapi", json=said)

    async def held(mark: str) -> set[str]:
        found = set()
        for table in ("evidence", "quarantine", "xapi_statement", "learner_identity", "event_log", "access_log"):
            for row in await service.rows(
                f"select to_jsonb(t)::text as plain from {table} t where tenant = $1", tenant
            ):
                if mark in row["plain"] or mark.encode().hex() in row["plain"]:
                    found.add(table)
        return found

    before = await held("wren")
    of_wren = {"source": SOURCE, "source_id": id}
    refused = await service.client("records:read", tenant=tenant).delete("/v1/learners", params=of_wren)
    unknown = await admin.delete("/v1/learners", params=of_wren | {"source_id": "nobody"})
    erased = (await admin.delete("/v1/learners", params=of_wren)).json()
    again = await admin.delete("/v1/learners", params=of_wren)
    sent_again = await service.submit(item("wren-1", learner=id, competencies=["nothing:yet"]), tenant=tenant)

    assert before == {"evidence", "quarantine", "xapi_statement"}
    assert (refused.status_code, unknown.status_code, again.status_code) == (403, 404, 404)
    assert (erased["identities"], erased["evidence"]) == (1, 1)
    assert [one["reason"] for one in sent_again] == ["erased"]
    assert await held("owl") == {"evidence", "quarantine"}
    told = [event for event in await service.feed() if event["subject"] == erased["learner"]]
    assert [(event["type"], event["data"]["certificate"]) for event in told] == [
        ("attain.evidence.learner_erased.v1", erased["certificate"])
    ]
    # What was sent again is refused and kept with its reason; of what was there nothing is.
    await service.rows("delete from quarantine where tenant = $1 and reason = 'erased'", tenant)
    assert await held("wren") == set()
