"""The pages over HTTP: signing in, what each role sees, and live updates."""

import asyncio
import gzip
import re
import time
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest

from services.reporting.domain.review_requests import TEXT_MAX
from services.reporting.entrypoints.forms import FORM_BYTES_MAX
from services.reporting.handlers.access import is_staff
from services.reporting.tables.reads import snapshot
from services.reporting.web.rendering import catalogue
from shared.auth import Identity
from shared.events import now
from shared.streams import Streams
from tests.reporting.builders import (
    assignment,
    authorization,
    class_of,
    closings,
    competency,
    enrolment,
    framework,
    happened,
    mastery,
    snapshot_amended,
    snapshot_closed,
    staff,
    suggested,
)
from tests.reporting.running import Running, until_changed
from tests.support.waiting import until

ADA = str(uuid5(UUID(int=0), "ada"))
BO = str(uuid5(UUID(int=0), "bo"))
GONE = str(uuid5(UUID(int=0), "gone"))


@pytest.fixture(scope="module", autouse=True)
async def told(reporting: Running) -> None:
    """Tell of a class of two, their teacher, a guardian and a leader."""
    await reporting.told(
        "curriculum", *framework("m", [competency("a", 1, "1"), competency("b", 2, "1")], [("a", "b")])
    )
    await reporting.told(
        "roster", *class_of(ADA, BO), enrolment("k", GONE, active=False), staff("k", "tea"),
        staff("k", "of-last-year", ends="2020-06-30"), staff("k", "ms-short", role="substitute", starts="2020-01-01"),
        assignment("mum", "guardian", "learner", ADA), assignment("head", "leader", "district", "d"),
        assignment("aud", "auditor", "district", "d"), assignment("case", "case_manager", "learner", ADA),
    )  # fmt: skip
    await reporting.told("progression", mastery(ADA, "m:a"), mastery(BO, "m:a", "reverify_due"))
    await reporting.told("progression", *closings((ADA, BO, GONE), "spring", reporting.config.shards))
    await reporting.told(
        "advancement", happened(BO, "competency.reverify_due", "m:a", why="contradiction"),
        happened(ADA, "level.advanced", "m#Mathematics/1"), snapshot_closed(ADA, "spring"), snapshot_closed(BO, "spring"),
        snapshot_amended(ADA, "spring", "m:a"),
    )  # fmt: skip
    await reporting.told(
        "support", suggested(ADA, "m:b", weakest_prerequisite="m:a"), suggested(BO, "m:a", owner="counsellor")
    )


def browser(reporting: Running, scope: str, **claims: Any) -> httpx.AsyncClient:
    token = authorization(reporting.config, scope, **claims)["Authorization"].removeprefix("Bearer ")
    return httpx.AsyncClient(base_url=str(reporting.client.base_url), cookies={"attain": token}, timeout=20)


async def page(reporting: Running, path: str, scope: str, **claims: Any) -> httpx.Response:
    async with browser(reporting, scope, **claims) as client:
        return await client.get(path)


class MovedOn:
    """Stands for progression: of what it says the record shows half, and is about to show the rest."""

    async def ask(self, path: str, query: object) -> httpx.Response:
        def would(competency: str, status: str, text: str) -> dict[str, object]:
            return {"competency": competency, "status": status, "text": text, "shows": None, "shows_fact": {}}

        assert path == f"/v1/learners/{BO}/next-evidence"
        following = [would("m:a", "reverify_due", "Re-check in one."), would("m:b", "not_yet", "Two more for b.")]
        return httpx.Response(200, json={"enough": [], "next": following})


async def test_a_page_says_what_would_settle_the_status_that_it_shows(
    reporting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await reporting.told("progression", mastery(BO, "m:b"))
    monkeypatch.setattr(reporting.app.state.learner_pages, "_progression", MovedOn())
    shown = await page(reporting, f"/learners/{BO}", "records:read")

    assert "Re-check in one." in shown.text
    assert "Two more for b." not in shown.text, "b is on the record"


async def test_a_token_is_kept_in_a_cookie_that_scripts_and_other_sites_do_not_get(reporting: Running) -> None:
    token = authorization(reporting.config, "records:read")["Authorization"].removeprefix("Bearer ")
    answer = await reporting.client.post("/sign-in", data={"token": token, "to": "/classes/k"})
    cookie = answer.headers["set-cookie"].lower()

    assert (answer.status_code, answer.headers["location"]) == (303, "/classes/k")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    reporting.client.cookies.clear()


async def test_a_bad_token_is_refused_in_words(reporting: Running) -> None:
    answer = await reporting.client.post("/sign-in", data={"token": "nonsense"})

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "not valid" in answer.text


@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
async def test_signing_in_leads_nowhere_else(reporting: Running, to: str) -> None:
    token = authorization(reporting.config, "records:read")["Authorization"].removeprefix("Bearer ")
    answer = await reporting.client.post("/sign-in", data={"token": token, "to": to})

    assert answer.headers["location"] == "/"
    reporting.client.cookies.clear()


async def test_a_form_that_is_refused_says_in_words_what_is_not_right(reporting: Running) -> None:
    words, path, html = (
        catalogue("es"),
        f"/learners/{ADA}/review-requests",
        {"Accept": "text/html", "Accept-Language": "es"},
    )
    async with browser(reporting, "records:read:self", subject="mum") as client:
        found = re.search(r'name="form" value="(\w+)"', (await client.get(f"/learners/{ADA}")).text)
        assert found is not None
        form = {"competency": "m:a", "text": "x" * (TEXT_MAX + 1)}
        long = await client.post(path, data=form | {"form": found[1]}, headers=html)
        foreign = await client.post(path, data=form, headers=html)
        to_a_script = await client.post(path, data=form)

    assert (long.status_code, foreign.status_code, to_a_script.status_code) == (422, 403, 403)
    assert f"<b>{words['field.text']}:</b> {words['problem.unsent.about']}" in long.text
    assert words["problem.session.about"] in foreign.text
    assert to_a_script.json()["reason"] == "other_session"


async def test_a_form_of_another_site_is_refused(reporting: Running) -> None:
    answer = await reporting.client.post("/sign-in", data={"token": "x"}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403


async def test_a_form_is_bounded_whoever_sends_it_and_never_unzipped(reporting: Running) -> None:
    """300 KB of zipped percent signs would take 5 GB and a minute, before it is known who sends them."""
    token = authorization(reporting.config, "records:read")["Authorization"].removeprefix("Bearer ")
    form = f"token={token}".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    told = [
        await reporting.client.post("/sign-in", content=content, headers=kind | headers)
        for content, headers in (
            (form, {}), (form + b"&x=" + b"%41" * (FORM_BYTES_MAX // 3), {}),
            (gzip.compress(form), {"Content-Encoding": "gzip"}),
        )
    ]  # fmt: skip
    reporting.client.cookies.clear()

    assert [answer.status_code for answer in told] == [303, 413, 401]


async def test_without_a_token_every_page_asks_for_one(reporting: Running) -> None:
    for path in ("/", f"/learners/{ADA}", "/classes/k", "/districts/d", "/find?q=a"):
        answer = await reporting.client.get(path)
        assert "sign-in" in answer.text
        assert ADA not in answer.text.replace(path, "")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]


async def test_people_are_found_with_the_cookie_and_only_by_those_who_may_see_the_tenant(reporting: Running) -> None:
    found = await page(reporting, "/v1/people?q=Ada", "records:read")
    refused = await page(reporting, "/v1/people?q=Ada", "records:read:classes", subject="tea")
    searched = await page(reporting, "/find?q=Ada", "records:read")

    assert [person["name"] for person in found.json()] == ["Ada L."]
    assert refused.status_code == 403
    assert searched.headers["location"] == "/learners/ada"


async def test_who_sees_no_names_finds_nobody(reporting: Running) -> None:
    for path in ("/v1/people?q=Ada", "/v1/people/ada", "/find?q=Ada", "/find"):
        refused = await page(reporting, path, "records:read", subject="aud", roles=["auditor"])
        assert (refused.status_code, "Ada L." in refused.text) == (403, False), path


async def test_who_may_see_no_class_is_shown_none(reporting: Running) -> None:
    """An auditor by the roster or by the token; a case manager has learners, but no classes."""
    for scope, subject, roles in (
        ("records:read:classes", "aud", []), ("records:read", "api", ["auditor"]), ("records:read:classes", "case", []),
        ("records:read:classes", "tea", []), ("records:read", "api", []),
    ):  # fmt: skip
        listed = (await reporting.get("/v1/classes", scope, subject=subject, roles=roles)).json()["items"]
        shown = await reporting.get("/v1/classes/k/mastery", scope, subject=subject, roles=roles)

        assert [one["class"] for one in listed] == (["k"] if shown.status_code == 200 else []), (subject, roles)


async def test_who_is_found_reads_who_looked_for_them(reporting: Running) -> None:
    await page(reporting, "/v1/people?q=Ada", "records:read", subject="counter")
    await page(reporting, "/find?q=Ada", "records:read", subject="office")
    looks = (await reporting.get("/v1/accesses", subject="aud", roles=["auditor"])).json()["items"]

    found = {(look["person"], look["target"]) for look in looks if look["view"] == "names"}
    assert found >= {("counter", "demo"), ("office", "demo")}
    assert "Ada" not in str(looks)


@pytest.mark.parametrize(("role", "sees"), [("auditor", (True, False, False)), ("teacher", (False, True, True)),
                                            ("leader", (True, True, True)), ("learner", (False, False, False))])  # fmt: skip
async def test_the_start_shows_a_token_of_the_tenant_what_its_role_sees(
    reporting: Running, role: str, sees: tuple[bool, bool, bool]
) -> None:
    """Districts, what waits, and the search for people."""
    start = await page(reporting, "/", "records:read", subject="x", roles=[role])
    words = catalogue("en")

    shown = (f">{words['districts']}</h2>", f"<h2>{words['waiting']}</h2>", 'action="/find"')
    assert start.status_code == 200
    assert tuple(what in start.text for what in shown) == sees


async def test_a_teacher_sees_the_class_with_names_and_what_needs_attention(reporting: Running) -> None:
    home = await page(reporting, "/", "records:read:classes", subject="tea")
    found = await page(reporting, "/classes/k", "records:read:classes", subject="tea")

    assert "/classes/k" in home.text
    assert f"Name of {ADA[:4]}" in found.text
    assert found.text.index("Needs attention") < found.text.index(f"Name of {BO[:4]}")
    assert "re-check" in found.text


async def test_a_digest_is_one_page_for_everybody_and_names_ones_own_children_alone(reporting: Running) -> None:
    """
    What was shown and told long ago is not told again, what was graded late is. An auditor has nothing to sum up; a case manager
    has the learners for whom the roster lists them by name.
    """
    await reporting.told(
        "progression", mastery(ADA, "m:lately", mastered_at=now(), seq=3), mastery(ADA, "m:late", seq=3)
    )
    await reporting.told("advancement", happened(ADA, "competency.mastered", "m:late", decided_at=now()))

    async def digest(scope: str, **claims: Any) -> str:
        answer = await page(reporting, "/digest", scope, **claims)
        assert answer.status_code == 200
        return re.sub(r"\s+", " ", answer.text)

    teacher, leader = [await digest("records:read:classes", subject=person) for person in ("tea", "head")]
    auditor, case = [await digest("records:read:classes", subject=person) for person in ("aud", "case")]
    mum = await digest("records:read:self", subject="mum")
    own = await digest("records:read:self", subject="ada", learner=ADA)
    nobody = (await reporting.client.get("/digest")).text

    assert '<a href="/classes/k">Class k</a>' in teacher
    assert re.search(r"<b>2</b> suggestions of support <span class=.small.>2 learners · none of it new", teacher)
    assert '<a href="/districts/d">' in leader
    assert not [text for text in (ADA, BO, ADA[:4], BO[:4]) for page in (teacher, leader) if f"Name of {text}" in page]
    for family in (mum, own):
        assert (family.count("<li>m:lately"), family.count("<li>m:late ")) == (1, 1)
        assert "Title of a" not in family
        assert "waiting" not in family
    assert f"Name of {ADA[:4]}" in mum
    assert "nothing to look through" in auditor
    assert "Learners for whom you are listed by name" in case
    assert re.search(r"<b>1</b> suggestions of support <span class=.small.>1 learner · ", case)
    assert 'id="sign-in"' in nobody


async def test_a_learner_and_a_guardian_see_plain_words(reporting: Running) -> None:
    own = await page(reporting, "/", "records:read:self", subject="ada", learner=ADA)
    plain = await page(reporting, f"/learners/{ADA}", "records:read:self", subject="ada", learner=ADA)
    child = await page(reporting, "/", "records:read:self", subject="mum")
    guarded = await page(reporting, f"/learners/{ADA}", "records:read:self", subject="mum")

    assert own.headers["location"] == f"/learners/{ADA}"
    assert f"/learners/{ADA}" in child.text
    for answer in (plain, guarded):
        assert answer.status_code == 200
        assert "What comes next" in answer.text
        assert "For staff only" not in answer.text


async def test_a_family_is_told_whom_to_ask_and_in_which_role_as_the_roster_has_it_today(reporting: Running) -> None:
    found = await page(reporting, f"/learners/{ADA}", "records:read:self", subject="mum")
    nobody = await page(reporting, f"/learners/{GONE}?as=family", "records:read")
    asked = re.search(r'<ul class="plain" id="ask">(.+?)</ul>', found.text)
    assert asked is not None
    told = [re.sub(r"<[^>]+>", "", each) for each in re.findall(r"<li>(.+?)</li>", asked[1])]

    assert told == ["tea: teacher Class k", "case: case manager", "ms-short: substitute Class k"]
    assert "The list is not at hand right now." in found.text, "which systems were told, where progression is away"
    assert "names nobody for now" in nobody.text


async def test_support_is_shown_to_the_teacher_and_to_no_family(reporting: Running) -> None:
    teacher: dict[str, Any] = {"scope": "records:read:classes", "subject": "tea"}
    of_class = await page(reporting, "/classes/k", **teacher)
    own = await page(reporting, f"/learners/{ADA}", **teacher)
    family = [
        await page(reporting, f"/learners/{ADA}", "records:read:self", subject="mum"),
        await page(reporting, f"/learners/{ADA}", "records:read:self", subject="ada", learner=ADA),
        await page(reporting, f"/learners/{ADA}?as=family", **teacher),
        await page(reporting, f"/learners/{ADA}", "records:read", subject="sis"),
    ]
    school_page = await page(reporting, "/schools/s", "records:read:classes", subject="head")

    assert "handed in and not graded (essay)" in of_class.text
    assert "with the teacher (no counsellor in the roster)" in of_class.text
    assert "handed in and not graded (essay)" in own.text
    assert "weakest prerequisite: Title of a" in own.text
    assert "<b>2</b> suggestions of support" in school_page.text
    for answer in family:
        assert answer.status_code == 200
        assert not [word for word in ("not graded", "essay", "suggested", "stuck", "failed", "behind")
                    if word in answer.text.lower()]  # fmt: skip


def form_of(page: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form with an action that begins so, and the action itself."""
    found = re.search(rf'<form method="post" action="({action}[^"]*)">(.*?)</form>', page, re.DOTALL)
    assert found is not None, action
    return {"action": found[1]} | dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', found[2]))


async def test_a_family_asks_for_a_review_and_reads_what_was_done_without_scripts(reporting: Running) -> None:
    own, forms = f"/learners/{ADA}", f"/learners/{ADA}/review-requests"
    async with (
        browser(reporting, "records:read:self", subject="mum") as mum,
        browser(reporting, "records:read:classes decisions:write", subject="tea") as teacher,
    ):
        asked = form_of((await mum.get(own)).text, forms)
        forged = await mum.post(asked["action"], data=asked | {"form": "another"})
        done = await mum.post(asked["action"], data=asked | {"text": "She can <b>do</b> this."})
        waits = (await mum.get(own)).text
        of_class, page_ = (await teacher.get("/classes/k")).text, (await teacher.get(own)).text
        answer = form_of(page_, forms)
        as_family = (await teacher.get(f"{own}?as=family")).text
        told = await teacher.post(answer["action"], data=answer | {"done": "We looked at it together."})
        after, quiet = (await mum.get(f"{own}?lang=es")).text, (await teacher.get(own)).text

    assert (forged.status_code, done.status_code, done.headers["location"]) == (403, 303, f"{own}#asked")
    assert asked["competency"] in ("m:a", "m:b")
    assert "A review is asked for" in waits
    for shown in (of_class, page_):
        assert "by the guardian" in shown
        assert "She can &lt;b&gt;do&lt;/b&gt; this." in shown
    assert f'action="{forms}' not in as_family
    assert (told.status_code, told.headers["location"]) == (303, own)
    assert "We looked at it together." in after
    assert "Lo que se pidió" in after
    assert "Reviews that are asked for" not in quiet


async def test_a_family_puts_a_statement_beside_what_the_school_refused_to_change(reporting: Running) -> None:
    own, forms = f"/learners/{ADA}", f"/learners/{ADA}/review-requests"
    async with (
        browser(reporting, "records:read:self", subject="mum") as mum,
        browser(reporting, "records:read:classes decisions:write", subject="tea") as teacher,
    ):
        asked = form_of((await mum.get(own)).text, forms)
        await mum.post(asked["action"], data=asked)
        answer = form_of((await teacher.get(own)).text, f"{forms}/")
        await teacher.post(answer["action"], data=answer | {"done": "It was done with help.", "refused": "yes"})
        states = form_of((await mum.get(own)).text, f"{forms}/")
        made = await mum.post(states["action"], data=states | {"statement": "She <b>showed</b> this."})
        after, page_ = (await mum.get(own)).text, (await teacher.get(own)).text
        as_family, in_spanish = (await teacher.get(f"{own}?as=family")).text, (await mum.get(f"{own}?lang=es")).text
        back = form_of(after, states["action"])
        await mum.post(back["action"], data=back | {"withdraw": "1"})
        gone = (await mum.get(f"{own}?lang=en")).text

    assert "Take your statement back" in after
    assert "The statement about this was taken back on" in gone
    assert "showed" not in gone
    assert states["action"].endswith("/statement")
    assert (made.status_code, made.headers["location"]) == (303, f"{own}#statements")
    for shown in (after, page_, as_family, in_spanish):
        assert '<q class="lines">She &lt;b&gt;showed&lt;/b&gt; this.</q>' in shown
    assert "Not changed, on" in after
    assert "Change your statement" in after
    assert "Declaraciones del estudiante" in in_spanish
    assert f'action="{forms}' not in as_family


@pytest.mark.parametrize(
    ("path", "scope", "subject", "status"),
    [
        (f"/learners/{BO}", "records:read:self", "mum", 404),
        ("/classes/k", "records:read:self", "mum", 404),
        ("/classes/none", "records:read", "x", 404),
        (f"/terms/spring/learners/{BO}", "records:read:self", "mum", 404),
        (f"/terms/autumn/learners/{ADA}", "records:read:self", "mum", 404),
        ("/terms/spring/classes/k", "records:read:self", "mum", 404),
        ("/districts/d", "records:read:classes", "tea", 403),
        ("/districts/d", "records:read:classes", "head", 200),
        ("/districts/d", "records:read:classes", "aud", 200),
        ("/districts/d?group=none", "records:read:classes", "head", 422),
        ("/districts/nowhere", "records:read", "x", 404),
        ("/schools/s/growth", "records:read:classes", "head", 200),
        ("/schools/s/growth", "records:read:classes", "tea", 403),
        ("/schools/s/growth", "records:read:classes", "aud", 403),
    ],
)
async def test_a_page_that_is_not_ones_own_is_refused_in_words(
    reporting: Running, path: str, scope: str, subject: str, status: int
) -> None:
    answer = await page(reporting, path, scope, subject=subject)

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


async def test_a_closed_term_is_one_link_away_and_marks_what_was_found_out_later(reporting: Running) -> None:
    teacher: dict[str, Any] = {"scope": "records:read:classes", "subject": "tea"}
    of_class = await page(reporting, "/classes/k", **teacher)
    then = await page(reporting, "/terms/spring/classes/k", **teacher)
    child = await page(reporting, f"/learners/{ADA}", "records:read:self", subject="mum")
    own = await page(reporting, f"/terms/spring/learners/{ADA}?lang=es", "records:read:self", subject="mum")

    whole = await page(reporting, "/terms/spring/classes/k", "records:read")

    assert (GONE in then.text, GONE in whole.text) == (False, True)
    assert 'href="/terms/spring/classes/k"' in of_class.text
    assert f'href="/terms/spring/learners/{ADA}"' in child.text
    assert f'href="/terms/spring/learners/{ADA}"' in then.text
    assert (then.text.count("<ins "), own.text.count("<ins>")) == (1, 1)
    assert "Because." in then.text
    assert "Because." not in own.text
    assert "data-print" in own.text
    assert "aún no demostrado" in own.text
    assert "completo" in own.text


async def test_pages_come_in_spanish_when_asked(reporting: Running) -> None:
    async with browser(reporting, "records:read") as client:
        first = await client.get("/classes/k?lang=es")
        kept = await client.get("/")

    assert '<html lang="es">' in first.text
    assert "Pide atención" in first.text
    assert '<html lang="es">' in kept.text


async def test_the_cookie_reads_and_does_not_write(reporting: Running) -> None:
    async with browser(reporting, "records:read admin") as client:
        table = await client.get("/v1/classes/k/mastery?format=csv")
        rebuild = await client.post("/v1/rebuild/mastery")
    async with browser(reporting, "records:read:classes evidence:write decisions:write", subject="tea") as client:
        made = [
            await client.post(path, json={"learner": ADA, "competency": "m:a", "to": BO, "reason": "x"})
            for path in ("/v1/decisions/overrides", "/v1/decisions/x/lift", "/v1/plans/x/end",
                         f"/v1/learners/{ADA}/evidence/x/move", f"/v1/learners/{ADA}/review-requests")
        ]  # fmt: skip

    assert table.status_code == 200
    assert rebuild.status_code == 401
    assert [answer.status_code for answer in made] == [401] * 5


async def test_a_change_is_told_within_two_seconds_and_says_nothing_itself(reporting: Running) -> None:
    lines: list[str] = []
    async with (
        browser(reporting, "records:read:classes", subject="tea") as client,
        client.stream("GET", "/live?class_id=k", timeout=20) as stream,
    ):
        reading = asyncio.create_task(until_changed(stream, lines))
        await asyncio.sleep(0.7)
        began = time.monotonic()
        await reporting.told("progression", mastery(ADA, "m:b", "not_yet"))
        await asyncio.wait_for(reading, 10)
        took = time.monotonic() - began

    assert took < 2
    assert ADA not in "".join(lines)


@pytest.mark.parametrize(("path", "status"), [("/live?class_id=k", 404), (f"/live?learner={BO}", 404), ("/live", 422)])
async def test_only_who_may_see_it_may_watch_it(reporting: Running, path: str, status: int) -> None:
    assert (await page(reporting, path, "records:read:self", subject="mum")).status_code == status


async def test_no_more_than_so_many_watch_at_once(reporting: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting.app.state, "streams", Streams(1))
    path, headers = f"/live?learner={ADA}", authorization(reporting.config, "records:read")
    async with reporting.client.stream("GET", path, headers=headers) as stream:
        await anext(stream.aiter_lines())
        refused = await reporting.client.get(path, headers=headers)

    async def again() -> bool:
        async with reporting.client.stream("GET", path, headers=headers) as stream:
            return stream.status_code == 200

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    # Who went away is noticed with the next look.
    await until(again)


@pytest.mark.parametrize("path", ["/nonsense", "/v1/nonsense", "/nonsense?lang=es"])
async def test_what_is_not_there_is_a_page_for_browsers_and_a_problem_for_others(reporting: Running, path: str) -> None:
    shown = await reporting.client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    told = await reporting.client.get(path)

    assert (shown.status_code, shown.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert catalogue("es" if "es" in path else "en")["problem.404.about"] in shown.text
    assert (told.status_code, told.headers["content-type"]) == (404, "application/problem+json")


async def test_the_files_of_the_pages_are_few(reporting: Running) -> None:
    for name, kind in (("page.js", "text/javascript"), ("style.css", "text/css")):
        answer = await reporting.client.get(f"/web/{name}")
        assert answer.headers["content-type"].startswith(kind)
    assert (await reporting.client.get("/web/../rendering.py")).status_code == 404
    assert (await reporting.client.get("/web/base.html")).status_code == 404


@pytest.mark.parametrize(
    ("person", "is_staff_"), [("tea", True), ("head", True), ("case", True), ("mum", False), ("nobody", False)]
)
async def test_staff_are_those_whom_the_roster_lists_as_more_than_family(
    reporting: Running, person: str, is_staff_: bool
) -> None:
    async with snapshot(reporting.database) as view:
        assert await is_staff(view, Identity(person, "demo", frozenset({"records:read:classes"}))) is is_staff_
