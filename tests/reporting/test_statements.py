"""What a family states beside the record: about what was refused, by one of them, and told wherever the record is."""

import asyncio
import re
import zlib
from typing import Any

import httpx
import pytest

from services.reporting.entrypoints import examples
from services.reporting.handlers.watching import Watched, Watcher
from services.reporting.web import transcript as printing
from services.reporting.web.rendering import Words
from shared.contracts.internal_events import IDENTITY_ERASED
from shared.tenancy import bound_to
from tests.reporting.builders import (
    assignment,
    authorization,
    class_,
    closings,
    competency,
    enrolment,
    framework,
    happened,
    identified,
    mastery,
    school,
    snapshot_closed,
    staff,
)
from tests.reporting.running import Running

OWN, STAFF, TELLS = "records:read:self", "records:read:classes", "records:read:classes decisions:write"
RECORD, ASKS = "/v1/learners/ada/record", "/v1/learners/ada/review-requests"
SAID = "She showed this twice.\nOnce at home, once on the slide 😀."


@pytest.fixture(scope="module", autouse=True)
async def told(reporting: Running) -> None:
    """Tell of a learner with two guardians, and of staff."""
    await reporting.told(
        "roster", school("s"), class_("k", "s"), enrolment("k", "ada"), enrolment("k", "bo"), staff("k", "tea"),
        staff("k", "sub", "substitute"), assignment("mum", "guardian", "learner", "ada"),
        assignment("dad", "guardian", "learner", "ada"), assignment("head", "leader", "school", "s"),
    )  # fmt: skip
    await reporting.told("curriculum", *framework("m", [competency(code, n) for n, code in enumerate("abc")], []))
    await reporting.told("progression", mastery("ada", "m:a", "not_yet"), mastery("ada", "m:b"), mastery("bo", "m:a"))
    ends = closings(["ada", "bo"], "spring", reporting.config.shards)
    await reporting.told("progression", *ends)
    await reporting.told("advancement", happened("ada", "competency.mastered", "m:b"), snapshot_closed("ada", "spring"))


async def closed(reporting: Running, competency: str = "m:a", *, refused: bool = True, learner: str = "ada") -> str:
    """Let a guardian ask and the teacher answer, and return where a statement about it is made."""
    asks = ASKS.replace("ada", learner)
    asked = await reporting.send(asks, {"competency": competency}, OWN, subject="mum")
    path = f"{asks}/{asked.json()['id']}"
    body = {"done": "Both were done with help."} | ({"refused": True} if refused else {})
    answer = await reporting.send(f"{path}/done", body, TELLS, subject="tea")
    assert (answer.status_code, answer.json()["refused"], answer.json()["may_state"]) == (200, refused, False)
    return f"{path}/statement"


async def state(reporting: Running, path: str, text: str, person: str = "mum", **more: Any) -> httpx.Response:
    return await reporting.send(path, {"statement": text}, OWN, subject=person, **more)


async def withdraw(reporting: Running, path: str, person: str = "mum") -> httpx.Response:
    return await reporting.client.delete(path, headers=authorization(reporting.config, OWN, subject=person))


async def texts(reporting: Running, scope: str, **caller: Any) -> list[str]:
    answer = await reporting.get(RECORD, scope, **caller)
    assert answer.status_code == 200
    return [each["text"] for each in answer.json()["statements"] if each["text"].startswith("She")]


async def test_what_is_stated_is_told_to_all_who_see_the_record_in_every_form_of_it(reporting: Running) -> None:
    before = await reporting.get(RECORD)
    made = await state(reporting, await closed(reporting), f" {SAID} ".replace("\n", "\r\n"))
    record = (await reporting.get(RECORD)).json()
    family, teacher = {"subject": "dad"}, {"subject": "tea"}
    then = await reporting.get(RECORD, parameters={"as_of": "2026-01-01T00:00:00Z"})
    term = await reporting.get("/v1/terms/spring/learners/ada")
    table = await reporting.get(RECORD, parameters={"format": "csv"})
    known = await reporting.get(RECORD, headers={"If-None-Match": before.headers["etag"]})
    lists = [(await reporting.get(ASKS, *who, subject=by)).json()["items"][0]["statement"]
             for *who, by in ((OWN, "dad"), (STAFF, "tea"))]  # fmt: skip
    not_told = [
        await reporting.get(path) for path in ("/v1/exports/mastery", "/v1/advancements", "/v1/learners/bo/record")
    ]

    assert (made.status_code, made.json()["statement"], made.json()["stated_as"]) == (200, SAID, "guardian")
    assert made.json()["may_state"]
    [stated] = record["statements"]
    assert stated.keys() == examples.RECORD["statements"][0].keys()
    assert (stated["text"], stated["competency"], stated["title"], stated["stated_as"]) == (
        SAID,
        "m:a",
        "Title of a",
        "guardian",
    )
    assert then.json()["statements"] == term.json()["statements"] == [stated]
    assert table.text.splitlines()[0].endswith(",why,statement")
    assert SAID.splitlines()[0] in table.text
    assert known.status_code == 200
    for scope, caller in ((OWN, family), (OWN, {"learner": "ada"}), (STAFF, teacher), (STAFF, {"subject": "sub"})):
        assert await texts(reporting, scope, **caller) == [SAID]
    assert lists == [SAID, SAID]
    assert [(answer.status_code, "She showed" in answer.text) for answer in not_told] == [(200, False)] * 3


async def test_only_what_was_refused_is_stated_about_by_one_of_the_family_who_may_replace_it(
    reporting: Running,
) -> None:
    done = await state(reporting, await closed(reporting, "m:b", refused=False), "No.")
    path = await closed(reporting, "m:b")
    answers = [
        await reporting.send(path, {"statement": "Not mine."}, scope, **claims)
        for scope, claims in (
            (TELLS, {"subject": "tea"}), ("records:read", {"subject": "sis", "roles": ["guardian"]}),
            (OWN, {"learner": "bo"}), (OWN, {"subject": "nobody"}),
        )
    ]  # fmt: skip
    wrong = [await state(reporting, path, text) for text in ("", " ", "x" * 2001, "\0")]
    none = await state(reporting, f"{ASKS}/none/statement", "No.")
    first = await state(reporting, path, "Because.")
    of_learner = await reporting.get(ASKS, OWN, learner="ada", subject="ada")
    others = [await state(reporting, path, "Mine.", "dad"), await state(reporting, path, "Mine.", "ada", learner="ada")]
    again, second = await state(reporting, path, "Because."), await state(reporting, path, "Since.")
    left = [each for each in (await reporting.get(RECORD)).json()["statements"] if each["competency"] == "m:b"]

    assert (done.status_code, done.json()["reason"]) == (409, "not_refused")
    assert [answer.status_code for answer in answers] == [403, 403, 404, 404]
    assert [answer.status_code for answer in wrong] == [422] * 4
    assert none.status_code == 404
    assert [(answer.status_code, answer.json()["reason"]) for answer in others] == [(409, "another_stated")] * 2
    assert not of_learner.json()["items"][0]["may_state"]
    assert again.json() == first.json()
    assert [each["text"] for each in left] == ["Since."]
    assert (second.status_code, second.json()["stated_at"] > first.json()["stated_at"]) == (200, True)


async def test_what_is_stated_again_under_its_key_has_no_second_effect_and_never_comes_back(reporting: Running) -> None:
    path, other = await closed(reporting), await closed(reporting)
    first, twin = await asyncio.gather(*(state(reporting, path, "One.", key="k-1") for _ in range(2)))
    elsewhere = await state(reporting, other, "One.", key="k-1")
    changed = await state(reporting, path, "Two.", key="k-1")
    second = await state(reporting, path, "Two.", key="k-2")
    late = await state(reporting, path, "One.", key="k-1")
    same = await state(reporting, path, "Two.", key="k-2")

    await reporting.told("roster", assignment("mum", "guardian", "learner", "bo"))
    of_bo = await closed(reporting, learner="bo")
    of_another_child = await state(reporting, of_bo, "One.", key="k-1")
    mixed = await state(reporting, path.replace("/ada/", "/bo/"), "Two.", key="k-2")

    assert first.json() == twin.json()
    assert [(each.status_code, each.json()["reason"]) for each in (elsewhere, changed, late, of_another_child)] == [
        (409, "other_content")
    ] * 4
    assert mixed.status_code == 404
    assert same.json() == second.json()
    assert second.json()["statement"] == "Two."


async def test_who_made_a_statement_takes_it_back_and_that_it_was_stays(reporting: Running) -> None:
    path = await closed(reporting, "m:b")
    first = await withdraw(reporting, path)
    await state(reporting, path, "She did.", key="w-1")
    others = [await withdraw(reporting, path, who) for who in ("dad", "nobody")]
    gone, again = await withdraw(reporting, path), await withdraw(reporting, path)
    late = await state(reporting, path, "She did.", key="w-1")
    left, items = (
        await texts(reporting, "records:read"),
        (await reporting.get(ASKS, STAFF, subject="tea")).json()["items"],
    )
    looks = await reporting.get("/v1/learners/ada/accesses", OWN, learner="ada")
    then = await state(reporting, path, "She did so.", "dad")

    assert (first.status_code, first.json()["statement"], first.json()["withdrawn_at"]) == (200, None, None)
    assert [answer.status_code for answer in others] == [409, 404]
    assert gone.status_code == 200
    assert (gone.json()["statement"], gone.json()["stated_at"], gone.json()["may_state"]) == (None, None, True)
    assert gone.json() == again.json()
    assert (late.status_code, late.json()["reason"]) == (409, "other_content")
    assert "She did." not in left
    assert next(each for each in items if each["id"] in path)["withdrawn_at"] == gone.json()["withdrawn_at"] is not None
    assert [each["person"] for each in looks.json()["items"] if each["view"] == "ask"][:2] == ["mum", "mum"]
    assert (then.json()["statement"], then.json()["withdrawn_at"]) == ("She did so.", None)


async def test_a_statement_is_seen_by_who_watches_at_once(reporting: Running) -> None:
    path, found = await closed(reporting), []
    for text in ("One.", "Two."):
        await state(reporting, path, text)
        with bound_to("demo"):
            watcher = Watcher(reporting.database, reporting.app.state.districts)
            found.append(await watcher.version(Watched("demo", "ada", None)))

    assert found[0] != found[1]


async def test_a_transcript_has_what_is_stated(reporting: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "FONTS", ())
    await state(reporting, await closed(reporting, "m:c"), "Shown (at home), as we said.")
    answer = await reporting.get("/v1/learners/ada/transcript", OWN, subject="mum", parameters={"lang": "es"})
    streams = re.findall(rb"stream\n(.*?)\nendstream", answer.content, re.DOTALL)
    printed = b"".join(map(zlib.decompress, streams)).decode("latin-1").replace("\\", "")

    for part in ("Shown (at home), as we said.", "Title of c", Words("es")("statements"), "quién: familia"):
        assert part in printed, part


async def test_what_is_stated_goes_with_the_learner(reporting: Running) -> None:
    await reporting.told("roster", (IDENTITY_ERASED, "ada", {"learner": "ada", "certificate": "c"}))
    async with reporting.database.connection() as connection:
        left = await connection.fetchval("select count(*) from review_request where learner = 'ada'")

    assert left == 0


async def test_what_was_asked_for_of_whoever_is_merged_into_a_learner_is_seen_and_answered_with_what_was_of_that_learner(
    reporting: Running,
) -> None:
    """
    A guardian goes along with a merge, and would not see any more what the family asked for before; who answers finds it in the
    queues.
    """
    await reporting.told(
        "roster", enrolment("k", "cy"), enrolment("k", "cy-2"), assignment("gran", "guardian", "learner", "cy")
    )
    await reporting.told("progression", mastery("cy", "m:a"), mastery("cy-2", "m:a"))
    of_cy, of_other = (ASKS.replace("ada", id) for id in ("cy", "cy-2"))
    asked = (await reporting.send(of_cy, {"competency": "m:a", "text": "Of cy."}, OWN, subject="gran")).json()
    await reporting.told(
        "roster", enrolment("k", "cy", active=False), assignment("gran", "guardian", "learner", "cy", active=False),
        assignment("gran", "guardian", "learner", "cy-2"),
    )  # fmt: skip

    async def seen(scope: str, **who: Any) -> list[tuple[str, str | None]]:
        answer = await reporting.get(of_other, scope, **who)
        return [(each["id"], each["text"]) for each in answer.json()["items"]]

    async def waits() -> list[Any]:
        asked = await reporting.get("/v1/queues/asked?class_id=k", STAFF, subject="tea")
        summed = (await reporting.get("/v1/queues?class_id=k", STAFF, subject="tea")).json()["items"]
        entries = [(each["learner"], each["detail"]) for each in asked.json()["items"] if "Of cy." in each["detail"]]
        return [entries, *(each["waiting"] for each in summed if each["queue"] == "asked")]

    apart = await seen(OWN, subject="gran")
    [*_, before] = waits_apart = await waits()
    await reporting.told("advancement", identified("cy", "cy-2"))
    waits_merged = await waits()
    merged = [await seen(OWN, subject="gran"), await seen(STAFF, subject="tea")]
    path = f"{of_other}/{asked['id']}"
    done = await reporting.send(f"{path}/done", {"done": "No.", "refused": True}, TELLS, subject="tea")
    made = await state(reporting, f"{path}/statement", "She did.", "gran")
    taken_back = await withdraw(reporting, f"{path}/statement", "gran")
    elsewhere = await withdraw(reporting, f"{ASKS}/{asked['id']}/statement")
    await reporting.told("advancement", identified("cy", "cy-2", undone=True))
    undone = await seen(OWN, subject="gran")
    looks = (await reporting.get("/v1/learners/cy/accesses", OWN, learner="cy")).json()["items"]

    assert (apart, undone) == ([], [])
    assert (waits_apart, waits_merged) == ([[], before], [[("cy-2", ["Of cy."])], before + 1])
    assert merged == [[(asked["id"], "Of cy.")]] * 2
    assert (done.json()["refused"], made.json()["statement"]) == (True, "She did.")
    assert (taken_back.status_code, taken_back.json()["statement"], elsewhere.status_code) == (200, None, 404)
    assert {(each["person"], each["view"]) for each in looks} >= {("tea", "asked"), ("tea", "answer"), ("gran", "ask")}
