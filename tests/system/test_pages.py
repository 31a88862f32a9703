"""What teachers do on the pages, on the running stack: written as evidence and decisions, with rights, preview and undo."""

import datetime
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from deploy.local.stack import Stack
from services.progression.domain.policy.templates import template
from services.reporting.entrypoints import doing, pages, signing_in
from services.reporting.web.rendering import catalogue
from shared.events import utc
from shared.shards import stable_id
from tests.system.conftest import Attain
from tests.system.district import SOURCE, ZERO, Item
from tests.system.room import Room, open_room

POSTS = [
    route.path.replace("{class_id:path}", "room")
    .replace("{learner}", "x")
    .replace("{evidence_id}", "y")
    .replace("{id}", "z")
    for router in (doing.router, pages.router, signing_in.router)
    for route in router.routes
    if isinstance(route, APIRoute) and "POST" in (route.methods or ()) and route.path != "/sign-in"
]
"""Every form of the pages, but that to sign in: whoever sends it is nobody yet."""
CAPTURE, SIGN_OFFS = "/classes/room/capture", "/classes/room/sign-offs"


def task(learner: str, competency: str, n: int, mark: int, **more: Any) -> Item:
    """Return rubric work of a day of its own."""
    return {
        "id": f"{learner}-{competency}-{n}", "source": SOURCE, "learner": learner, "competencies": [f"math:{competency}"],
        "activity": {"id": f"task-{n}"}, "score": {"level": mark, "scale": "rubric"}, "kind": "performance",
        "occurred_at": f"2026-03-0{n}T10:00:00Z", **more,
    }  # fmt: skip


LEVEL_SHOWN = [task(learner, code, n, 3) for learner in ("l1", "l2") for code in ("c0", "c1") for n in (1, 2, 3)]
OWN = [task("l3", "c0", n, 3, assessor={"id": "tea", "type": "human"}) for n in (1, 2, 3)]


@pytest.fixture(scope="module")
async def room(stack: Stack) -> AsyncIterator[Room]:
    """A class in which two learners wait for a level's signature, and one was mastered by what the teacher has seen."""
    room = await open_room(stack, "pages", [*LEVEL_SHOWN, *OWN, task("l4", "c0", 1, 3), task("l4", "c0", 2, 3)])
    yield room
    await room.district.close()


def mark(room: Room, learner: str, value: str, id: str = "", replaces: str = "") -> list[tuple[str, str]]:
    """Return the fields of a tap."""
    fields = {
        "learner": room.learners.get(learner, learner), "competency": "math:c1", "mark": value,
        "id": id or str(uuid.uuid4()), "replaces": replaces,
    }  # fmt: skip
    return list(fields.items())


async def test_a_tap_is_an_observation_of_the_teacher_a_second_one_replaces_it_and_undo_takes_it_back(room: Room):
    async with room.browser("tea") as teacher:
        page = await teacher.client.get(f"{CAPTURE}?competency=math:c1")
        first = str(uuid.uuid4())
        await teacher.post(CAPTURE, mark(room, "l5", "2", first), script=True)
        second = (await teacher.post(CAPTURE, mark(room, "l5", "4", replaces=first), script=True)).json()
        await room.district.drained()
        told = await room.district.get("evidence", f"/v1/evidence/{second['evidence_id']}")
        explanation = f"/v1/learners/{room.learners['l5']}/competencies/math:c1/explanation"
        seen = await room.district.get("progression", explanation)
        undo = [("evidence_id", second["evidence_id"])]
        undone = [await teacher.post(f"{CAPTURE}/undo", undo, script=True) for _ in range(2)]
        await room.district.drained()
        back = await room.district.get("progression", explanation)
    async with room.browser("someone", "records:read:self", learner=room.learners["l5"]) as learner:
        own = await learner.client.get(f"/v1/learners/{room.learners['l5']}/accesses")

    assert [page.text.count(f'aria-keyshortcuts="{n}"') for n in (1, 4, 5)] == [25, 25, 0], page.text[:3000]
    assert (told["content"]["assessor"], told["content"]["kind"], told["learner"]) == (
        "tea", "observation", room.learners["l5"]
    )  # fmt: skip
    assert [piece["value"] for piece in seen["evidence"] if piece["counted"]] == [4.0]
    assert [answer.status_code for answer in undone] == [200, 200]
    assert [piece["value"] for piece in back["evidence"] if piece["counted"]] == [2.0]
    assert {item["view"] for item in own.json()["items"] if item["person"] == "tea"} >= {"observed", "took back"}


async def test_an_observation_that_waited_has_its_time_and_is_written_once_however_often_it_is_sent(room: Room):
    now = datetime.datetime.now(datetime.UTC)
    seen, long_ago = ((now - datetime.timedelta(days=days)).isoformat() for days in (3, 15))
    fields = mark(room, "l8", "3")
    async with room.browser("tea") as teacher:
        sent = [await teacher.post(CAPTURE, [*fields, ("at", seen)], script=True) for _ in range(2)]
        old = await teacher.post(CAPTURE, [*mark(room, "l8", "3"), ("at", long_ago)], script=True)
    told = await room.district.get("evidence", f"/v1/evidence/{sent[0].json()['evidence_id']}")

    assert [answer.status_code for answer in (*sent, old)] == [200, 200, 422]
    assert sent[0].json() == sent[1].json()
    assert told["content"]["occurred_at"] == utc(now - datetime.timedelta(days=3))


async def test_without_scripts_a_tap_goes_back_to_the_page_with_its_undo(room: Room):
    async with room.browser("tea") as teacher:
        answer = await teacher.post(CAPTURE, [*mark(room, "l6", "3"), ("shown", "math:c1")])
        page = await teacher.client.get(answer.headers["location"])

    assert answer.status_code == 303
    assert re.search(r'name="evidence_id" value="[0-9a-f-]{36}">', page.text)


@pytest.mark.parametrize(
    ("person", "scope", "status"),
    [
        ("tea", None, 200), ("sub-now", None, 200), ("sub-over", None, 404), ("neighbour", None, 404),
        ("tea", "records:read:classes", 403), ("boss", "records:read evidence:write decisions:write", 403),
    ],
)  # fmt: skip
async def test_the_roster_and_the_scope_together_let_one_write(room: Room, person: str, scope: str | None, status: int):
    async with room.browser(person, **({"scope": scope} if scope else {})) as browser:
        answer = await browser.post(CAPTURE, mark(room, "l7", "3"), script=True)
        page = await browser.client.get(CAPTURE)

    assert (answer.status_code, page.status_code) == (status, status), answer.text


async def test_a_token_of_one_source_does_not_write_as_the_pages(room: Room):
    async with room.browser("tea", source="urn:other") as browser:
        answer = await browser.post(CAPTURE, mark(room, "l7", "3"), script=True)

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"mark": "9"}, 422), ({"mark": "much"}, 422), ({"id": "x"}, 422), ({"competency": "math:none"}, 422),
        ({"learner": str(uuid.UUID(int=1))}, 404), ({"learner": "l1"}, 404),
    ],
)  # fmt: skip
async def test_a_tap_that_makes_no_sense_writes_nothing(room: Room, changes: dict[str, str], status: int):
    async with room.browser("tea") as teacher:
        fields = list((dict(mark(room, "l7", "3")) | changes).items())
        answer = await teacher.post(CAPTURE, fields, script=True)

    assert answer.status_code == status, answer.text


async def test_only_who_observed_undoes_it(room: Room):
    async with room.browser("tea") as teacher, room.browser("second") as second:
        made = (await teacher.post(CAPTURE, mark(room, "l8", "3"), script=True)).json()
        refused = await second.post(f"{CAPTURE}/undo", [("evidence_id", made["evidence_id"])], script=True)

    assert refused.status_code == 403


async def test_only_what_one_has_observed_of_the_learner_is_replaced(room: Room):
    ids = [str(uuid.uuid4()) for _ in range(3)]
    async with room.browser("tea") as teacher, room.browser("second") as second:
        for learner, id in zip(("l8", "l6"), ids, strict=False):
            await teacher.post(CAPTURE, mark(room, learner, "3", id), script=True)
        of_another = await teacher.post(CAPTURE, mark(room, "l8", "1", replaces=ids[1]), script=True)
        of_somebody = await second.post(CAPTURE, mark(room, "l8", "1", replaces=ids[0]), script=True)
        of_nothing = await teacher.post(CAPTURE, mark(room, "l6", "2", replaces=ids[2]), script=True)
        kept = [
            await room.district.get(
                "evidence", f"/v1/evidence/{stable_id(room.district.tenant, 'urn:attain:pages', id)}"
            )
            for id in ids[:2]
        ]

    assert (of_another.status_code, of_somebody.status_code, of_nothing.status_code) == (404, 403, 200)
    assert [each["valid"] for each in kept] == [True, True]


async def test_a_form_without_the_key_of_the_session_or_from_elsewhere_does_nothing(room: Room):
    async with room.browser("tea") as teacher, room.browser("second") as second:
        foreign = await second.key()
        without = [
            (await teacher.post(path, [("a", "b")], key=key)).status_code for path in POSTS for key in ("", foreign)
        ]
        headers = {"Sec-Fetch-Site": "cross-site"}
        body = {"form": await teacher.key()}
        elsewhere = [(await teacher.client.post(path, data=body, headers=headers)).status_code for path in POSTS]

    assert len(POSTS) == 11
    assert {*without, *elsewhere} == {403}


def items_of(page: str) -> list[str]:
    """Return what a page offers for signature."""
    return re.findall(r'name="item" value="([^"]+)"', page)


async def test_levels_are_looked_at_signed_together_and_undone_before_anybody_is_told(room: Room):
    async with room.browser("tea") as teacher:
        offered = items_of((await teacher.client.get(SIGN_OFFS)).text)
        levels = [("item", name) for name in offered if "|level|" in name]
        preview = await teacher.post(SIGN_OFFS, levels)
        after_preview = items_of((await teacher.client.get(SIGN_OFFS)).text)
        shown = re.findall(r'<input type="hidden" name="(once|item|role)" value="([^"]+)">', preview.text)
        signed = await teacher.post(SIGN_OFFS, [*shown, ("step", "sign")])
        await room.district.drained()
        gone = items_of((await teacher.client.get(SIGN_OFFS)).text)
        signed_twice = await teacher.post(SIGN_OFFS, [*shown, ("step", "sign")])
        undo = re.search(r'name="undo" value="([^"]+)"', signed.text)
        assert undo is not None
        undone = [await teacher.post(f"{SIGN_OFFS}/undo", [("undo", undo[1])]) for _ in range(2)]
        await room.district.drained()
        again = items_of((await teacher.client.get(SIGN_OFFS)).text)
        nothing = await teacher.post(SIGN_OFFS, [])
    async with room.browser("second") as second:
        stolen = await second.post(f"{SIGN_OFFS}/undo", [("undo", undo[1])])
    told = {event["type"] for event in await room.district.advancements()}

    assert [name.partition("|")[0] for _, name in levels] == sorted(room.learners[one] for one in ("l1", "l2"))
    assert (preview.status_code, preview.text.count("Adding"), after_preview) == (200, 2, offered)
    assert (signed.status_code, signed_twice.status_code) == (200, 200)
    assert _chips(signed.text) == _chips(signed_twice.text) != []
    assert not set(gone) & {name for _, name in levels}
    assert [each.headers["location"] for each in undone] == [SIGN_OFFS] * 2
    assert sorted(again) == sorted(offered)
    assert catalogue("en")["sign_offs.unchosen"] in nothing.text
    assert stolen.status_code == 403
    assert not {kind for kind in told if "level.advanced" in kind or "level.withdrawn" in kind}


def _chips(page: str) -> list[str]:
    """Return whom a page names that something was signed of, and what."""
    return re.findall(r"</span><span><b>(.*?)</span></li>", page)


async def test_a_competency_is_signed_and_its_undoing_takes_it_off_the_record(room: Room):
    item = [("item", f"{room.learners['l4']}|competency|math:c0")]
    async with room.browser("tea") as teacher:
        signed = await teacher.post(SIGN_OFFS, [*item, ("step", "sign"), ("reason", "seen at the board")])
        shown = await room.record("l4")
        twice = await teacher.post(SIGN_OFFS, [*item, ("step", "sign")])
        undo = re.search(r'name="undo" value="([^"]+)"', signed.text)
        assert undo is not None, signed.text
        await teacher.post(f"{SIGN_OFFS}/undo", [("undo", undo[1])])
        back = await room.record("l4")
        forged = await teacher.post(f"{SIGN_OFFS}/undo", [("undo", undo[1][:-2] + "xx")])

    assert (shown["math:c0"], back["math:c0"]) == ("mastered", "provisional")
    assert (twice.status_code, forged.status_code) == (422, 422)


@pytest.mark.parametrize(("person", "status"), [("sub-now", 403), ("neighbour", 404)])
async def test_substitutes_and_strangers_do_not_sign(room: Room, person: str, status: int):
    async with room.browser(person) as browser:
        assert (await browser.client.get(SIGN_OFFS)).status_code == status


async def test_a_correction_shows_every_status_and_event_before_it_is_made(room: Room):
    learner = room.learners["l3"]
    before = {event["id"] for event in await room.district.advancements()}
    explanation = f"/v1/learners/{learner}/competencies/math:c0/explanation"
    pieces = (await room.district.get("progression", explanation))["evidence"]
    path = f"/learners/{learner}/evidence/{pieces[2]['evidence_id']}"
    words = catalogue("en")
    async with room.browser("tea") as teacher:
        why = await teacher.client.get(f"/learners/{learner}/why/math:c0")
        spanish = await teacher.client.get(f"/learners/{learner}/why/math:c0", headers={"Accept-Language": "es"})
        table = (await teacher.client.get(f"/learners/{learner}", headers={"Accept-Language": "es"})).text
        preview = await teacher.client.get(path)
        unchanged = await room.record("l3")
        without_reason = await teacher.post(path, [])
        done = await teacher.post(path, [("reason", "written down for the wrong learner")])
        changed = await room.record("l3")
        again = await teacher.client.get(path)
    async with room.browser("someone", "records:read:self", learner=learner) as own:
        looks = (await own.client.get(f"/v1/learners/{learner}/accesses")).json()["items"]
    told = [event["type"] for event in await room.district.advancements() if event["id"] not in before]

    assert path in why.text
    assert "would make it" in why.text
    assert "pasaría a: " in spanish.text
    assert "would" not in spanish.text
    assert "Demostrado el 3 mar 2026 según la regla de la política" in table
    assert catalogue("es")["reason.mastered"] in table
    assert "by the rule of policy" not in table
    assert words["reason.mastered"] not in table
    assert ("tea", "why") in {(look["person"], look["view"]) for look in looks}
    assert unchanged["math:c0"] == "mastered"
    assert words["event.competency.withdrawn"] in preview.text
    assert (without_reason.status_code, done.status_code) == (422, 303)
    assert words["field.reason"] in without_reason.text
    assert changed["math:c0"] == "provisional"
    assert words["status.provisional"] in preview.text
    assert [kind for kind in told if "competency" in kind] == ["attain.competency.withdrawn.v1"]
    assert len(re.findall(r"<li><b>", preview.text)) == len(told)
    assert again.status_code == 404


async def test_what_others_assessed_is_corrected_where_it_was_assessed(room: Room):
    explanation = f"/v1/learners/{room.learners['l1']}/competencies/math:c0/explanation"
    piece = (await room.district.get("progression", explanation))["evidence"][0]["evidence_id"]
    async with room.browser("tea") as teacher:
        page = await teacher.client.get(f"/learners/{room.learners['l1']}/evidence/{piece}")
        assert catalogue("en")["correction.theirs"] in page.text
        assert 'name="reason"' not in page.text
        reason = [("reason", "not mine")]
        assert (await teacher.post(f"/learners/{room.learners['l1']}/evidence/{piece}", reason)).status_code == 403
        assert (await teacher.client.get(f"/learners/{room.learners['l2']}/evidence/{piece}")).status_code == 404
    async with room.browser("head") as leader:
        assert (await leader.client.get(f"/learners/{room.learners['l1']}/evidence/{piece}")).status_code == 200
        assert (await leader.client.get(SIGN_OFFS)).status_code == 200
        assert (await leader.client.get(CAPTURE)).status_code == 403
    async with room.browser("neighbour") as neighbour:
        assert (await neighbour.client.get(f"/learners/{room.learners['l1']}/evidence/{piece}")).status_code == 404


async def test_a_teacher_answers_suggested_support_and_a_substitute_does_not_see_it(room: Room):
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=10)
    await room.district.send([
        task("l9", "c2", n, 2, occurred_at=(began + datetime.timedelta(minutes=n)).isoformat()) for n in range(1, 6)
    ])  # fmt: skip
    await room.district.drained()
    own = f"/learners/{room.learners['l9']}"
    answer = [("scope", "math:c2"), ("outcome", "plan_changed"), ("reason", "a small group")]
    async with room.browser("sub-now") as substitute:
        refused = await substitute.post(f"{own}/support", answer)
        unseen = await substitute.client.get(own)
    async with room.browser("tea") as teacher:
        before = await teacher.client.get(own)
        wrong = await teacher.post(f"{own}/support", [("scope", "math:c2"), ("outcome", "forgotten")])
        once = re.search(r'name="once" value="([^"]+)"', before.text)
        assert once is not None
        done = await teacher.post(f"{own}/support", [*answer, ("once", once[1])])
        await room.district.drained()
        after = await teacher.client.get(own)
        again = await teacher.post(f"{own}/support", answer)
        same = await teacher.post(f"{own}/support", [*answer, ("once", once[1])])

    asked = "the latest pieces are not yet at the cut (task-3, task-4, task-5)"
    assert [asked in page.text for page in (unseen, before, after)] == [False, True, False]
    assert (refused.status_code, wrong.status_code, again.status_code) == (403, 422, 404)
    assert [(each.status_code, each.headers["location"]) for each in (done, same)] == [(303, own)] * 2


async def test_a_leader_sees_what_was_foreseen_beside_the_card_and_the_card_is_in_the_readers_language(room: Room):
    """The policy in force is adopted once more, so nothing else changes; too few have evidence for a number to be told."""
    await room.adopt_again()
    pages: dict[str, str] = {}
    for person in ("head", "tea", "nobody-of-the-roster"):
        async with room.browser(person) as browser:
            pages[person] = (await browser.client.get("/policies?lang=es")).text
    words = catalogue("es")

    for page in pages.values():
        assert "El dominio entra en el registro cuando un docente lo confirma" in page
    assert [words["policies.adopted"] in page for page in pages.values()] == [True, True, False]
    assert f"<h3>{words['comparison']}</h3>" in pages["head"]
    assert words["comparison.few"] in pages["head"]
    assert re.search(r'<th scope="row">North</th>(<td><span class="untold".+?</span></td>){3}</tr>', pages["head"])
    assert words["comparison"] not in pages["tea"]


async def test_whose_rows_the_roster_gives_decides_of_these_alone_and_in_the_role_that_it_gives(room: Room):
    body = {"learner": room.learners["l9"], "competency": "math:c0", "basis": "test_out", "reason": "shown before"}

    async def status(url: str, person: str, **changes: Any) -> int:
        headers = {"Authorization": f"Bearer {room.token(person, roles='teacher registrar')}"}
        return (await room.district.http.post(url, json=body | changes, headers=headers)).status_code

    asked = f"{room.url}/v1/decisions/credits"
    refused = [
        await status(f"{room.stack.urls['progression']}/v1/credits", "tea"),
        await status(asked, "neighbour"), await status(asked, "sub-now"), await status(asked, "tea", role="registrar"),
        await status(asked, "tea", role="nobody"), await status(asked, "tea", learner=[]), await status(asked, "tea", basis="x"),
        await status(asked, "tea", learner=str(uuid.UUID(int=1))),
    ]  # fmt: skip
    before = await room.record("l9")
    allowed = await status(asked, "tea", role="teacher"), await status(asked, "head", role="school_leader")

    assert refused == [403, 404, 403, 403, 422, 422, 422, 404]
    assert (before.get("math:c0", "no_evidence"), allowed) == ("no_evidence", (201, 201))
    assert (await room.record("l9"))["math:c0"] == "credited"


async def test_evidence_from_a_token_that_reads_by_the_roster_is_refused(room: Room):
    headers = {"Authorization": f"Bearer {room.token('tea')}"}
    url = f"{room.stack.urls['evidence']}/v1/evidence"
    answer = await room.district.http.post(url, json=task("l9", "c0", 1, 3), headers=headers)

    assert (answer.status_code, "reporting" in answer.json()["detail"]) == (403, True)


async def test_a_decision_made_through_the_roster_is_lifted_and_several_are_signed_at_once(room: Room):
    headers = {"Authorization": f"Bearer {room.token('tea')}"}
    await room.district.send([task(each, "c1", n, 3) for each in ("l11", "l12") for n in (1, 2)])
    await room.district.drained()
    credit = {"learner": room.learners["l10"], "competency": "math:c0", "basis": "transfer", "reason": "of last year"}
    url = f"{room.url}/v1/decisions"
    made = (await room.district.http.post(f"{url}/credits", json=credit, headers=headers)).json()["items"][0]
    lift = {"learner": credit["learner"], "competency": "math:c0", "reason": "a mistake"}
    lifted = await room.district.http.post(f"{url}/{made['id']}/lift", json=lift, headers=headers)
    signed = await room.district.http.post(
        f"{url}/sign-offs", headers=headers,
        json={"items": [{"learner": room.learners[each], "competency": "math:c1"} for each in ("l11", "l12")]},
    )  # fmt: skip

    assert (lifted.status_code, signed.status_code, len(signed.json()["items"])) == (201, 201, 2)
    assert (await room.record("l10")).get("math:c0", "no_evidence") == "no_evidence"


async def test_a_plan_is_made_by_whom_the_roster_lets_and_seen_by_family_and_staff_who_carry_it_out(room: Room):
    l2, day = room.learners["l2"], datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=100)
    plan = {"learner": l2, "competency": "math:c2", "kind": "exempt", "code": "iep", "review_at": day.isoformat()}

    async def asked(person: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {room.token(person)}"}
        return await room.district.http.request(
            "GET" if body is None else "POST", f"{room.url}{path}", json=body, headers=headers
        )

    refused = [
        (await asked(who, "/v1/decisions/plans", plan)).status_code for who in ("tea", "sub-now", "mum", "neighbour")
    ]
    made = (await asked("head", "/v1/decisions/plans", plan)).json()["items"][0]
    await room.district.drained()
    seen = {
        who: (await asked(who, f"/v1/learners/{l2}/plans")).status_code
        for who in ("tea", "mum", "sub-now", "neighbour")
    }
    told = (await asked("mum", f"/v1/learners/{l2}/plans")).json()["items"]
    texts = {}
    for who in ("tea", "mum", "sub-now"):
        async with room.browser(who) as browser:
            pages = [(await browser.client.get(f"/learners/{l2}{path}")).text for path in ("", "/why/math:c2")]
            texts[who] = ["Individual plan" in page for page in pages]
    looks = (await asked("mum", f"/v1/learners/{l2}/accesses")).json()["items"]
    ended = await asked("head", f"/v1/plans/{made['id']}/end", {"learner": l2, "competency": "math:c2"})
    await room.district.drained()

    assert refused == [403, 403, 403, 404]
    assert seen == {"tea": 200, "mum": 200, "sub-now": 403, "neighbour": 404}
    assert [(each["kind"], each["title"], each["overdue"]) for each in told] == [("exempt", "Sharing", False)]
    assert texts == {"tea": [True, True], "mum": [True, True], "sub-now": [False, False]}
    assert ("tea", "teacher") in {(look["person"], look["role"]) for look in looks}
    assert (ended.status_code, (await asked("tea", f"/v1/learners/{l2}/plans")).json()["items"]) == (201, [])


async def test_staff_are_called_by_name_where_one_asks_them_and_where_they_own_decided_assessed_or_looked(room: Room):
    headers = {"Authorization": f"Bearer {room.token('tea')}"}
    credit = {"learner": room.learners["l2"], "competency": "math:c2", "basis": "transfer", "reason": "of last year"}
    made, again = [
        await room.district.http.post(
            f"{room.url}/v1/decisions/credits", json=credit, headers=headers | {"Idempotency-Key": "credit-1"}
        )
        for _ in range(2)
    ]
    async with room.browser("tea") as teacher:
        seen = (await teacher.post(CAPTURE, mark(room, "l18", "3"), script=True)).json()
    await room.district.drained()
    child = f"/learners/{room.learners['l2']}"
    async with room.browser("head") as leader:
        learner, class_ = [(await leader.client.get(path)).text for path in (child, "/classes/room")]
        correction = (await leader.client.get(f"/learners/{room.learners['l18']}/evidence/{seen['evidence_id']}")).text
    async with room.browser("mum", "records:read:self") as guardian:
        family = (await guardian.client.get(child)).text

    assert (made.status_code, again.status_code) == (201, 201)
    assert made.json() == again.json()
    assert "decided by Tea Cher" in learner
    assert "with the teacher (Seconda Cher, Tea Cher)" in class_
    assert "Tea Cher" in correction
    assert "<b>Tea Cher</b>: " in family
    assert re.search(r'leader <span class="small">Hedda Master', family)


async def test_a_piece_is_moved_to_its_learner_with_all_that_changes_shown_before(room: Room, attain: Attain):
    """By the page, and back by the command; of both learners what was foreseen is what is told."""
    tea = {"id": "tea", "type": "human"}
    seen = [task("l13", "c0", n, 3, assessor=tea) for n in (1, 2, 3)] + [
        task("l14", "c0", n, 3, assessor=tea) for n in (4, 5)
    ]
    await room.district.send(seen)
    await room.district.drained()
    wrong, right = (room.learners[one] for one in ("l13", "l14"))
    before = {event["id"] for event in await room.district.advancements()}
    piece = (await room.district.get("progression", f"/v1/learners/{wrong}/competencies/math:c0/explanation"))[
        "evidence"
    ][2]
    path = f"/learners/{wrong}/evidence/{piece['evidence_id']}"
    words = catalogue("en")
    async with room.browser("tea") as teacher:
        offered = await teacher.client.get(path)
        preview = await teacher.client.get(f"{path}?to={right}")
        foreseen = (await teacher.client.post(
            f"/v1{path}/move/preview", json={"to": right}, headers={"Authorization": f"Bearer {room.token('tea')}"}
        )).json()  # fmt: skip
        unchanged = await room.record("l13"), await room.record("l14")
        refused = [(await teacher.post(f"{path}/move", fields)).status_code for fields in (
            [("to", right)], [("to", wrong), ("reason", "same")], [("to", str(uuid.UUID(int=1))), ("reason", "nobody")],
        )]  # fmt: skip
        done = await teacher.post(f"{path}/move", [("to", right), ("reason", "the row below")])
        changed = await room.record("l13"), await room.record("l14")
        again = await teacher.client.get(f"{path}?to={right}")
    assert done.status_code == 303, done.text
    told = [event for event in await room.district.advancements() if event["id"] not in before]
    explained = await room.district.get("progression", f"/v1/learners/{right}/competencies/math:c0/explanation")
    new = next(each["evidence_id"] for each in explained["evidence"] if each["occurred_at"] == piece["occurred_at"])
    content = await room.district.get("evidence", f"/v1/evidence/{new}")
    looks = {}
    for learner in (wrong, right):
        async with room.browser("someone", "records:read:self", learner=learner) as own:
            looks[learner] = {
                look["view"] for look in (await own.client.get(f"/v1/learners/{learner}/accesses")).json()["items"]
            }
    back = ["correct", "--source", SOURCE, "--item", content["id"], "--to", "l13"]
    said = attain(*back, tenant=room.district.tenant)
    made = attain(*back, "--apply", tenant=room.district.tenant)

    assert f'<option value="{right}">Learner 14</option>' in offered.text
    assert words["correction.changes.of"].format(name="Learner 14") in preview.text
    assert ([each["math:c0"] for each in unchanged], [each["math:c0"] for each in changed]) == (
        ["mastered", "provisional"], ["provisional", "mastered"]
    )  # fmt: skip
    assert (refused, again.status_code) == ([422, 422, 404], 404)
    assert done.headers["location"] == f"/learners/{right}"
    for which, learner in (("from", wrong), ("to", right)):
        happened = [event["type"] for event in told if event["data"]["learner"]["id"] == learner]
        assert [event["type"] for event in foreseen[which]["events"]] == happened != []
    assert preview.text.count("<li><b>") == len(told)
    extensions = content["content"]["extensions"]
    assert extensions == {"reason": "the row below", "moved_by": "tea"}
    assert (content["content"]["assessor"], content["content"]["activity"]) == ("tea", "task-3")
    assert ("moved away" in looks[wrong], "moved here" in looks[right]) == (True, True)
    assert (said["applied"], said["sent"], made["sent"]["corrected"]) == (False, {}, 1)
    assert [each["after"] for each in said["to"]["statuses"]] == ["mastered"]
    assert (await room.record("l13"))["math:c0"] == "mastered"


async def test_a_piece_is_moved_only_between_learners_whom_one_may_correct(room: Room):
    """What was tapped is moved too, though no source but the pages knows it; whose others assessed it is not."""
    headers = {"Authorization": f"Bearer {room.token('tea')}"}

    async def move(piece: str, learner: str, to: str, person: str = "tea", **claims: Any) -> int:
        url = f"{room.url}/v1/learners/{room.learners[learner]}/evidence/{piece}/move"
        sent = {"Authorization": f"Bearer {room.token(person, **claims)}"}
        body = {"to": room.learners[to], "reason": "the row below"}
        return (await room.district.http.post(url, json=body, headers=sent)).status_code

    async with room.browser("tea") as teacher:
        tapped = (await teacher.post(CAPTURE, mark(room, "l15", "3"), script=True)).json()["evidence_id"]
    explanation = f"/v1/learners/{room.learners['l1']}/competencies/math:c0/explanation"
    others = (await room.district.get("progression", explanation))["evidence"][0]["evidence_id"]
    refused = [
        await move(others, "l1", "l2"), await move(tapped, "l15", "l16", "second"), await move(tapped, "l15", "l16", "sub-now"),
        await move(tapped, "l15", "l16", "neighbour"), await move(tapped, "l15", "l16", scope="records:read:classes"),
        await move(tapped, "l1", "l16"),
    ]  # fmt: skip
    moved = await move(tapped, "l15", "l16"), await move(tapped, "l15", "l16")
    elsewhere = await move(tapped, "l15", "l17")
    await room.district.drained()
    path = f"/v1/learners/{room.learners['l16']}/competencies/math:c1/explanation"
    seen = await room.district.get("progression", path)
    away = await room.district.http.get(f"{room.url}/v1/learners/{room.learners['l15']}/record", headers=headers)

    assert refused == [403, 403, 403, 404, 403, 404]
    assert (moved, elsewhere) == ((201, 201), 404), "asked again it stays so, and what is gone is not moved"
    assert [piece["value"] for piece in seen["evidence"] if piece["counted"]] == [3.0]
    assert {item["status"] for item in away.json()["items"]} <= {"no_evidence"}


async def test_a_leader_who_also_teaches_corrects_and_signs_in_the_role_that_may(room: Room):
    """What waits for a teacher and what waits for a leader are signed together, each in its role, and undone so."""
    await room.district.post("progression", "/v1/frameworks", {"id": "art", "nodes": "code,title\nc0,Drawing\n"})
    by_leader = template("classroom").replace(b"sign_off: {by: teacher, of", b"sign_off: {by: school_leader, of")
    await room.district.post("progression", "/v1/policies?framework=art", by_leader)
    also_leads = {"person": "second", "role": "leader", "kind": "school", "target": "north"}
    await room.district.post("evidence", "/v1/roster", {"source": SOURCE, "assignments": [also_leads]})
    works = [task("l20", "c0", n, 3) for n in (1, 2)]
    drawn = [item | {"id": f"art-{item['id']}", "competencies": ["art:c0"]} for item in works]
    await room.district.send([*works, *drawn])
    await room.district.drained()
    learner, codes = room.learners["l20"], ("math:c0", "art:c0")
    items = [("item", f"{learner}|competency|{code}") for code in codes]
    seen = await room.district.get("progression", f"/v1/learners/{learner}/competencies/math:c0/explanation")
    path = f"/learners/{learner}/evidence/{seen['evidence'][0]['evidence_id']}"
    async with room.browser("second") as both, room.browser("tea") as teacher:
        alone = await teacher.post(SIGN_OFFS, items)
        signed = await both.post(SIGN_OFFS, [*items, ("step", "sign")])
        shown = await room.record("l20")
        undo = re.search(r'name="undo" value="([^"]+)"', signed.text)
        assert undo is not None, signed.text
        await both.post(f"{SIGN_OFFS}/undo", [("undo", undo[1])])
        back = await room.record("l20")
        corrected = await both.post(path, [("reason", "of another class")])
        after = await room.record("l20")
    async with room.browser("someone", "records:read:self", learner=learner) as own:
        looks = (await own.client.get(f"/v1/learners/{learner}/accesses")).json()["items"]

    assert (alone.status_code, corrected.status_code) == (422, 303)
    assert [[each[code] for code in codes] for each in (shown, back)] == [["mastered"] * 2, ["provisional"] * 2]
    assert after["math:c0"] == "insufficient_evidence"
    done = {(look["view"], look["role"]) for look in looks if look["person"] == "second"}
    assert {(view, role) for view in ("signed off", "undid a sign-off") for role in ("teacher", "leader")} < done
    assert ("corrected", "leader") in done


async def test_all_that_was_done_on_the_pages_verifies(room: Room):
    verified = await room.district.verify()

    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
