"""Every route of reporting by HTTP, behind real topics and feeds."""

import asyncio

import httpx
import pytest

from shared.shards import shard_of
from tests.reporting.builders import (
    Event,
    checkpoint,
    class_,
    competency,
    enrolment,
    framework,
    happened,
    mastery,
    school,
    staff,
    suggested,
)
from tests.reporting.running import Running, statements_of
from tests.support.waiting import until

PUPILS = [f"p{n:02}" for n in range(24)]


@pytest.fixture(scope="module", autouse=True)
async def district(reporting: Running) -> None:
    """Tell of a district with two schools, three classes, and what their learners have shown."""
    codes = [
        competency("count", 1, "K"),
        competency("add", 2, "1"),
        competency("share", 3, "1"),
        competency("frac", 4, "2"),
    ]
    await reporting.told(
        "curriculum", *framework("m", codes, [("count", "add"), ("add", "frac"), ("share", "frac")], parts=2)
    )
    await reporting.told("curriculum", *framework("m", codes[:1], []), tenant="other")
    await reporting.told(
        "roster", school("north", "d1"), school("south", "d1"), class_("c1", "north"), class_("c2", "south"),
        class_("c/3", "north"), staff("c1", "t1"), staff("c2", "t1", active=False), staff("c2", "t2"),
        enrolment("c1", "ada"), enrolment("c1", "bo"), enrolment("c1", "gone", active=False), enrolment("c2", "cy"),
        enrolment("c/3", "ada"), *(enrolment("c2", pupil) for pupil in PUPILS),
    )  # fmt: skip
    await reporting.told("roster", class_("c9"), enrolment("c9", "zoe"), tenant="other")
    await reporting.told(
        "progression", mastery("ada", "m:count"), mastery("ada", "m:add", "not_yet"),
        mastery("bo", "m:count", "reverify_due"),
        *(mastery(pupil, "m:count", "mastered" if n % 2 else "not_yet") for n, pupil in enumerate(PUPILS)),
    )  # fmt: skip
    await reporting.told("progression", mastery("zoe", "m:count"), tenant="other")


async def test_a_record_has_items_continuum_next_and_position(reporting: Running) -> None:
    body = (await reporting.get("/v1/learners/ada/record")).json()
    shard = shard_of("demo", "ada", reporting.config.shards)

    assert body["learner"] == "ada"
    assert body["position"].startswith(f"progression.1.{shard}.")
    assert [(item["competency"], item["title"], item["level"], item["status"]) for item in body["items"]] == [
        ("m:count", "Title of count", "K", "mastered"), ("m:add", "Title of add", "1", "not_yet"),
    ]  # fmt: skip
    assert body["items"][1]["missing"] == ["1 more piece"]
    assert body["items"][0]["policy"] == {"id": "classroom", "version": "0123456789ab"}
    assert [step["competency"] for step in body["next"]] == ["m:add", "m:share"]
    assert body["subjects"][0]["current_level"] == "1"
    assert body["stale"] is False


async def test_a_record_is_answered_304_until_it_changes(reporting: Running) -> None:
    await reporting.told("progression", mastery("eve", "m:count", "not_yet"))
    tag = (await reporting.get("/v1/learners/eve/record")).headers["etag"]
    same = await reporting.get("/v1/learners/eve/record", headers={"If-None-Match": tag})
    await reporting.told("progression", mastery("eve", "m:count", seq=2))
    changed = await reporting.get("/v1/learners/eve/record", headers={"If-None-Match": tag})

    assert (same.status_code, same.content) == (304, b"")
    assert changed.status_code == 200


async def test_a_class_shows_its_grid_and_counts(reporting: Running) -> None:
    body = (await reporting.get("/v1/classes/c1/mastery")).json()

    assert body == {
        "class": "c1", "title": "Class c1", "learners": ["ada", "bo"], "competencies": ["m:count", "m:add"],
        "titles": {"m:count": "Title of count", "m:add": "Title of add"},
        "counts": {"m:count": {"mastered": 1, "reverify_due": 1}, "m:add": {"no_evidence": 1, "not_yet": 1}},
        "rows": [
            {"learner": "ada", "statuses": {"m:count": "mastered", "m:add": "not_yet"}},
            {"learner": "bo", "statuses": {"m:count": "reverify_due"}},
        ],
    }  # fmt: skip


async def test_a_class_id_may_have_a_slash(reporting: Running) -> None:
    assert (await reporting.get("/v1/classes/c%2F3/mastery")).json()["learners"] == ["ada"]


async def test_classes_lists_what_the_caller_may_see(reporting: Running) -> None:
    async def seen(scope: str, subject: str = "x", tenant: str = "demo") -> list[str]:
        items = (await reporting.get("/v1/classes", scope, subject=subject, tenant=tenant)).json()["items"]
        return sorted(item["class"] for item in items)

    assert await seen("records:read") == ["c/3", "c1", "c2"]
    assert await seen("records:read:classes", "t1") == ["c1"]
    assert await seen("records:read:self") == []
    assert await seen("records:read", tenant="other") == ["c9"]


async def test_a_district_is_told_in_numbers_with_the_small_ones_hidden(reporting: Running) -> None:
    listed = (await reporting.get("/v1/districts")).json()["items"]
    body = (await reporting.get("/v1/districts/d1/mastery")).json()
    count = body["competencies"][1]

    assert listed == [{"district": "d1", "title": "d1", "schools": 2}]
    assert [(one["school"], one["learners"]) for one in body["schools"]] == [("north", None), ("south", None)]
    assert (body["learners"], body["suppressed_below"], count["competency"]) == (27, 10, "m:count")
    assert set(count["schools"]["north"].values()) == {None}
    assert count["counts"]["reverify_due"] is None


@pytest.mark.parametrize(
    "asked",
    [
        ("/v1/learners/ada/record", "records:read", "x", None, 200),
        ("/v1/learners/ada/record", "records:read:classes", "t1", None, 200),
        ("/v1/learners/ada/record", "records:read:classes", "t2", None, 404),
        ("/v1/learners/gone/record", "records:read:classes", "t1", None, 404),
        ("/v1/learners/cy/record", "records:read:classes", "t1", None, 404),
        ("/v1/learners/ada/record", "records:read:self", "x", "ada", 200),
        ("/v1/learners/bo/record", "records:read:self", "x", "ada", 404),
        ("/v1/learners/bo/record", "records:read:self", "t1", None, 404),
        ("/v1/learners/bo/record", "records:read:self records:read:classes", "t1", "ada", 200),
        ("/v1/learners/ada/record", "service", "x", None, 403),
        ("/v1/learners/ada/record", "admin", "x", None, 403),
        ("/v1/learners/zoe/record", "records:read", "x", None, 404),
        ("/v1/learners/zoe/record", "records:read:self", "x", "zoe", 404),
        ("/v1/learners/nobody/record", "records:read:classes", "t1", None, 404),
        ("/v1/classes/c1/mastery", "records:read", "x", None, 200),
        ("/v1/classes/c1/mastery", "records:read:classes", "t1", None, 200),
        ("/v1/classes/c2/mastery", "records:read:classes", "t1", None, 404),
        ("/v1/classes/c2/mastery", "records:read:self", "x", "cy", 404),
        ("/v1/classes/c9/mastery", "records:read", "x", None, 404),
        ("/v1/classes/c1/mastery", "evidence:write", "x", None, 403),
        ("/v1/districts", "records:read:classes", "t1", None, 403),
        ("/v1/districts/d1/mastery", "records:read", "x", None, 200),
        ("/v1/districts/d1/mastery", "records:read:classes", "t1", None, 403),
        ("/v1/districts/d2/mastery", "records:read", "x", None, 404),
        ("/v1/states", "service", "x", None, 200),
        ("/v1/states", "records:read", "x", None, 403),
        ("/v1/lag", "service", "x", None, 200),
        ("/v1/lag", "records:read", "x", None, 403),
        ("/v1/people?q=A", "records:read", "x", None, 200),
        ("/v1/people?q=A", "records:read:classes", "t1", None, 403),
        ("/v1/people?q=A", "service", "x", None, 403),
        ("/v1/rebuild/mastery", "service", "x", None, 200),
        ("/v1/rebuild/mastery", "records:read", "x", None, 403),
        ("/v1/rebuild/nothing", "service", "x", None, 404),
    ],
)  # fmt: skip
async def test_permission(reporting: Running, asked: tuple[str, str, str, str | None, int]) -> None:
    """Rows are (path, scope, subject, claim learner, status)."""
    path, scope, subject, learner, status = asked
    answer = await reporting.get(path, scope, subject=subject, learner=learner)

    assert answer.status_code == status, answer.text
    assert status == 200 or answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "scope", "subject", "statements"),
    [
        ("/v1/learners/ada/record", "records:read", "x", 1),
        ("/v1/learners/ada/record", "records:read:classes", "t1", 1),
        ("/v1/classes/c1/mastery", "records:read", "x", 1),
        ("/v1/classes/c1/mastery", "records:read:classes", "t1", 1),
    ],
)
async def test_what_is_asked_most_takes_one_statement(
    reporting: Running, path: str, scope: str, subject: str, statements: int
) -> None:
    await reporting.get(path, scope, subject=subject)
    with statements_of(reporting.database) as told:
        answer = await reporting.get(path, scope, subject=subject)

    assert (answer.status_code, len(told)) == (200, statements), told


async def test_who_knows_a_tag_is_told_nothing_without_the_right(reporting: Running) -> None:
    for path, status in (
        ("/v1/learners/ada/record", 404), ("/v1/classes/c1/mastery", 404), ("/v1/districts/d1/mastery", 403)
    ):  # fmt: skip
        tag = {"If-None-Match": (await reporting.get(path)).headers["etag"]}

        assert (await reporting.get(path, headers=tag)).status_code == 304
        assert (await reporting.get(path, "records:read:classes", subject="t2", headers=tag)).status_code == status


async def test_who_sends_no_token_is_refused_everywhere(reporting: Running) -> None:
    for path in ("/v1/classes", "/v1/learners/ada/record", "/v1/districts", "/v1/states", "/v1/people?q=a", "/v1/lag"):
        assert (await reporting.client.get(path)).status_code == 401, path


async def test_wait_returns_when_the_event_is_folded(reporting: Running) -> None:
    [token] = await reporting.tell("progression", mastery("fay", "m:count"))
    answer = await reporting.get("/v1/learners/fay/record", parameters={"wait": token})

    assert answer.json()["items"][0]["status"] == "mastered"


async def test_wait_for_evidence_returns_with_the_checkpoint(reporting: Running) -> None:
    shard = shard_of("demo", "gil", reporting.config.shards)
    waiting = asyncio.create_task(
        reporting.get("/v1/learners/gil/record", parameters={"wait": f"evidence.1.{shard}.100"})
    )
    await reporting.told("progression", mastery("gil", "m:count"), checkpoint("gil", 99))
    await asyncio.sleep(0.2)
    early = waiting.done()
    await reporting.told("progression", checkpoint("gil", 100))

    assert early is False
    assert (await waiting).status_code == 200


@pytest.mark.parametrize(
    ("log", "event"),
    [
        ("advancement", happened("hal", "competency.mastered", "m:count")),
        ("support", suggested("hal", "m:count")),
    ],
    ids=["advancement", "support"],
)
async def test_wait_for_evidence_is_for_all_that_follows_from_it(reporting: Running, log: str, event: Event) -> None:
    shard, pos = shard_of("demo", "hal", reporting.config.shards), 300 + len(log)
    async with reporting.database.transaction() as held:
        # The consumer of the other log is late: it waits for its own row.
        await held.execute("select from consumer_shard where consumer = $1 for update", f"reporting-{log}-v1")
        await reporting.tell(log, event)
        await reporting.told("progression", mastery("hal", "m:count"), checkpoint("hal", pos))
        waiting = asyncio.create_task(
            reporting.get("/v1/learners/hal/timeline", parameters={"wait": f"evidence.1.{shard}.{pos}"})
        )
        await asyncio.wait([waiting], timeout=0.5)
        early = waiting.done()

    assert early is False
    assert [item["kind"] for item in (await waiting).json()["items"]] == ["competency.mastered"]


@pytest.mark.parametrize(
    "token", ["nonsense", "progression.1.99.1", "decisions.1.0.1", "progression.1.0.-1", "evidence.1.0"]
)
async def test_wait_refuses_what_is_no_position_of_ours(reporting: Running, token: str) -> None:
    assert (await reporting.get("/v1/classes", parameters={"wait": token})).status_code == 422


async def test_wait_for_an_earlier_generation_is_gone(reporting: Running) -> None:
    assert (await reporting.get("/v1/classes", parameters={"wait": "progression.0.0.1"})).status_code == 410


async def test_states_are_paged_in_key_order_over_all_tenants(reporting: Running) -> None:
    rows, after = [], ""
    while True:
        answer = await reporting.get("/v1/states", "service", parameters={"after": after, "limit": 7})
        page = [httpx.Response(200, content=line).json() for line in answer.content.splitlines()]
        if not page:
            break
        rows += page
        after = answer.headers["attain-next"]
    keys = [(row["tenant"], row["learner"], row["competency"]) for row in rows]
    only = await reporting.get("/v1/states", "service", parameters={"tenant": "other"})

    assert keys == sorted(set(keys))
    assert {"demo", "other"} == {key[0] for key in keys}
    assert set(rows[0]) == {
        "tenant", "learner", "competency", "status", "score", "evidence_count", "last_evidence_at", "mastered_at",
        "seq",
    }  # fmt: skip
    assert len(only.content.splitlines()) == 1


async def test_people_are_found_by_evidence(reporting: Running) -> None:
    answer = await reporting.get("/v1/people", parameters={"q": "Ada"})

    assert answer.json() == [{"learner": "ada", "name": "Ada L.", "source": "sis", "source_id": "17"}]


async def test_lag_names_a_stage_a_read_model_that_catch_up(reporting: Running) -> None:
    async def caught_up() -> bool:
        stages = (await reporting.get("/v1/lag", "service")).json()["stages"]
        assert [stage["name"] for stage in stages] == [
            "reporting", "reporting-curriculum", "reporting-roster", "reporting-advancement",
            "reporting-support",
        ]  # fmt: skip
        return all(stage["behind_events"] == 0 and stage["behind_seconds"] == 0 for stage in stages)

    await until(caught_up)


async def test_the_service_is_alive_and_ready(reporting: Running) -> None:
    assert (await reporting.client.get("/livez")).status_code == 200
    assert (await reporting.client.get("/readyz")).status_code == 200
    assert b"attain_consumer_folded_total" in (await reporting.client.get("/metrics")).content
