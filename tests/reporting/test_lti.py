"""Opening the pages from a learning platform, one of our own on loopback: where it leads, what is believed, what is refused."""

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.responses import JSONResponse
from jwt.algorithms import RSAAlgorithm

from services.reporting.handlers import id_tokens, lti
from services.reporting.handlers.lti import LAUNCH, LOGIN, Platforms
from shared.errors import Unavailable
from shared.settings import Settings
from tests.reporting.builders import assignment, class_, class_of, enrolment, mastery, staff
from tests.reporting.running import Running, served
from tests.support.chromium import chromium, needs_chromium
from tests.support.lti_platform import LtiPlatform
from tests.support.oidc_provider import CLIENT
from tests.support.producer import free_port
from tests.support.waiting import until

BODY_BYTES_MAX = 1 << 20
ADMINISTRATOR = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator"


@pytest.fixture(scope="module")
async def platform() -> AsyncIterator[LtiPlatform]:
    """The learning platform."""
    port = free_port()
    platform = LtiPlatform(f"http://127.0.0.1:{port}")
    async with served(platform.app, port):
        yield platform


@pytest.fixture(autouse=True)
def behaving(platform: LtiPlatform, reporting: Running) -> None:
    """Let the platform behave at the start of each test, whose keys nobody knows."""
    platform.reset()
    registered: Platforms = reporting.app.state.platforms
    registered.__init__(reporting.config)  # type: ignore[misc]


def registration(platform: LtiPlatform) -> list[dict[str, Any]]:
    """Return what is registered: a deployment of each of two tenants, one of which knows people by their ids at school."""
    own = {"authorization_url": f"{platform.issuer}/authorize", "jwks_url": f"{platform.issuer}/keys"}
    return [
        {"issuer": platform.issuer, "client_id": CLIENT, **own, "deployments": [
            {"id": "1", "tenant": "demo", "learner_source": "sis"},
            {"id": "2", "tenant": "elsewhere", "learner_source": "sis"},
            {"id": "3", "tenant": "demo", "learner_source": "sis", "person": "person_sourcedid"},
        ]},
        {"issuer": platform.issuer, "client_id": "another", **own, "deployments": [{"id": "9", "tenant": "demo"}]},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def config(config: Settings, platform: LtiPlatform) -> Settings:
    """Return the settings of an installation whose pages a platform opens."""
    registered = Settings(lti_platforms=json.dumps(registration(platform)))
    return config.model_copy(update={
        "public_url": f"http://127.0.0.1:{config.port}", "body_bytes_max": BODY_BYTES_MAX, "lti_private_addresses": True,
        "lti_platforms": registered.lti_platforms,
    })  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
async def told(reporting: Running) -> None:
    """Tell of two classes: `k` has a teacher, a learner and her mother; the teacher has `other` too."""
    await reporting.told(
        "roster", *class_of("ada"), class_("other"), enrolment("other", "bo1"), staff("k", "tea"), staff("other", "tea"),
        assignment("mother", "guardian", "learner", "ada"), assignment("lead", "leader", "school", "s"),
    )  # fmt: skip
    await reporting.told("progression", mastery("ada", "m:a"))


@pytest.fixture
async def browser(reporting: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with cookies of its own."""
    async with new_browser(reporting) as client:
        yield client


def new_browser(reporting: Running) -> httpx.AsyncClient:
    """Return a browser; as browsers do, it takes loopback for as good as TLS."""

    async def send_by_loopback(_: httpx.Response) -> None:
        for cookie in client.cookies.jar:
            cookie.secure = False

    client = httpx.AsyncClient(
        base_url=reporting.config.public_url, timeout=20, event_hooks={"response": [send_by_loopback]}
    )
    return client


def site(browser: httpx.AsyncClient) -> str:
    """Return where the pages are."""
    return str(browser.base_url).rstrip("/")


async def begun(
    browser: httpx.AsyncClient, platform: LtiPlatform, to: str = "/", **changed: str | None
) -> dict[str, str]:
    """Begin a launch of a link to a page; return what the platform is asked."""
    answer = await browser.get(LOGIN, params=platform.login(f"{site(browser)}{to}", **changed))
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


async def launched(browser: httpx.AsyncClient, platform: LtiPlatform, to: str = "/") -> httpx.Response:
    """Launch; return the answer to coming back."""
    return await browser.post(LAUNCH, data=platform.answer(await begun(browser, platform, to)))


async def refused(browser: httpx.AsyncClient, platform: LtiPlatform, to: str = "/") -> None:
    """Launch, and see that it was not accepted."""
    back = await launched(browser, platform, to)

    assert back.status_code == 401
    assert "attain-session" not in browser.cookies
    assert "You were not signed in" in back.text
    assert (await browser.get("/v1/classes")).status_code == 401


@pytest.mark.parametrize(
    ("person", "claims", "where"),
    [
        ("tea", {"custom": {"classes": "k"}}, "/classes/k"),
        ("tea", {"custom": {"classes": "unknown, k ,,$Canvas.course.sectionSisSourceIds"}}, "/classes/k"),
        ("tea", {"lis": {"course_section_sourcedid": "k", "person_sourcedid": "17"}}, "/classes/k"),
        ("tea", {"lis": {"course_offering_sourcedid": "k", "course_section_sourcedid": None}}, "/classes/k"),
        ("tea", {"context": {"id": "k"}}, "/classes/k"),
        ("tea", {"context": {"id": "k"}, "custom": {"classes": "other,k"}}, "/"),
        ("tea", {"custom": {"classes": 7}}, "/"),
        ("tea", {"context": None}, "/"),
        ("lead", {"context": {"id": "k"}}, "/classes/k"),
        ("lead", {"context": {"id": "other"}}, "/"),
        ("17", {"context": {"id": "k"}}, "/learners/ada"),
        ("mother", {"context": {"id": "k"}}, "/learners/ada"),
        ("17", {"deployment_id": "3", "lis": {"person_sourcedid": "tea"}, "context": {"id": "k"}}, "/classes/k"),
    ],
    ids=str,
)
async def test_a_launch_ends_at_the_class_or_the_record_that_the_roster_gives(
    browser: httpx.AsyncClient, platform: LtiPlatform, person: str, claims: dict[str, Any], where: str
) -> None:
    platform.claims["sub"] = person
    platform.launch |= claims
    back = await launched(browser, platform)
    page = await browser.get(back.headers["location"])

    assert (back.status_code, back.headers["location"]) == (303, where)
    assert page.status_code == 200
    assert 'id="sign-in"' not in page.text


async def test_a_link_leads_to_the_page_that_it_names(browser: httpx.AsyncClient, platform: LtiPlatform) -> None:
    assert (await launched(browser, platform, "/classes/other")).headers["location"] == "/classes/other"
    assert (await launched(browser, platform, LAUNCH)).headers["location"] == "/"


async def test_roles_that_a_launch_names_give_nothing(browser: httpx.AsyncClient, platform: LtiPlatform) -> None:
    platform.claims["sub"] = "17"
    platform.launch |= {"roles": [ADMINISTRATOR], "context": {"id": "k"}}
    back = await launched(browser, platform)
    seen = [await browser.get(path) for path in ("/classes/k", "/v1/districts/d/mastery", "/v1/classes/k/mastery")]

    assert back.headers["location"] == "/learners/ada"
    assert [answer.status_code for answer in seen] == [404, 403, 404]


async def test_who_is_not_in_the_roster_is_told_so_and_gets_no_session(
    browser: httpx.AsyncClient, platform: LtiPlatform
) -> None:
    answers = []
    for person, deployment in (("stranger", "1"), ("tea", "2"), ("tea", "3")):
        platform.reset()
        platform.claims["sub"] = person
        platform.launch |= {"deployment_id": deployment, "roles": [ADMINISTRATOR], "lis": {"person_sourcedid": "x"}}
        answers.append(await launched(browser, platform))

    assert [answer.status_code for answer in answers] == [401] * 3
    assert all("roster does not list you" in answer.text for answer in answers)
    assert "attain-session" not in browser.cookies


async def test_a_platform_may_ask_by_form_and_need_not_say_what_is_clear(
    browser: httpx.AsyncClient, platform: LtiPlatform
) -> None:
    platform.launch["deployment_id"] = "9"
    asked = platform.login(site(browser), client_id=None, lti_message_hint=None)
    begun = await browser.post(LOGIN, data=asked, headers={"Origin": platform.issuer, "Sec-Fetch-Site": "cross-site"})
    query = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
    platform.claims["aud"] = "another"
    back = await browser.post(
        LAUNCH, data=platform.answer(query), headers={"Origin": platform.issuer, "Sec-Fetch-Site": "cross-site"}
    )

    assert (begun.status_code, back.status_code) == (303, 303)
    assert query.pop("state")
    assert query.pop("nonce")
    assert query == {
        "scope": "openid", "response_type": "id_token", "response_mode": "form_post", "prompt": "none", "client_id": "another",
        "redirect_uri": f"{site(browser)}{LAUNCH}", "login_hint": "who",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://elsewhere.example"}, {"iss": None}, {"client_id": "nobody"}, {"login_hint": None},
        {"login_hint": "x" * 9000}, {"client_id": None, "lti_deployment_id": None}, {"lti_deployment_id": "9"},
        {"lti_message_hint": "x" * 9000}, {"target_link_uri": None}, {"target_link_uri": "https://elsewhere.example/"},
        {"target_link_uri": "/classes/k"}, {"target_link_uri": "javascript:alert(1)"}, {"target_link_uri": "http://[x"},
    ],
    ids=str,
)  # fmt: skip
async def test_what_no_registered_platform_asks_begins_nothing(
    browser: httpx.AsyncClient, platform: LtiPlatform, changed: dict[str, str | None]
) -> None:
    answer = await browser.get(LOGIN, params=platform.login(site(browser), **changed))

    assert answer.status_code == 401
    assert "location" not in answer.headers
    assert "not set up here" in answer.text


@pytest.mark.parametrize(
    "link",
    ["https://elsewhere.example/", "{own}.elsewhere.example/", "{own}@elsewhere.example/", "//elsewhere.example/classes/k", "",
     "{own}\\@elsewhere.example/", "https://127.0.0.1/", None],
)  # fmt: skip
async def test_a_launch_leads_nowhere_else(browser: httpx.AsyncClient, platform: LtiPlatform, link: str | None) -> None:
    asked = await begun(browser, platform)
    platform.launch["target_link_uri"] = link and link.format(own=site(browser))
    answer = await browser.post(LAUNCH, data=platform.answer(asked))

    assert (answer.status_code, "attain-session" in browser.cookies) == (401, False)


@pytest.mark.parametrize("path", ["//elsewhere.example", "/\\elsewhere.example", "/classes/k?next=//elsewhere.example"])
async def test_a_path_that_looks_like_another_site_is_none(
    browser: httpx.AsyncClient, platform: LtiPlatform, path: str
) -> None:
    to = (await launched(browser, platform, path)).headers["location"]

    assert to in ("/", "/classes/k")


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another"}, {"aud": []}, {"aud": None}, {"azp": "another"}, {"aud": [CLIENT, "another"]}, {"nbf": 4e9},
        {"iat": 4e9}, {"iss": "https://elsewhere.example"}, {"iss": None}, {"exp": 1}, {"exp": None}, {"iat": None},
        {"nonce": "another"}, {"nonce": None}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "x" * 300},
        {"sub": "17\0"}, {"sub": "\ud800"}, {"name": "\ud800"}, {"exp": 1e999},
    ],
    ids=str,
)  # fmt: skip
async def test_an_id_token_with_a_wrong_claim_launches_nobody(
    browser: httpx.AsyncClient, platform: LtiPlatform, wrong: dict[str, Any]
) -> None:
    platform.claims |= wrong
    await refused(browser, platform)


@pytest.mark.parametrize(
    "wrong",
    [
        {"message_type": "LtiDeepLinkingRequest"}, {"message_type": None}, {"version": "1.1"}, {"version": None}, {"roles": None},
        {"roles": "Instructor"}, {"deployment_id": "4"}, {"deployment_id": None}, {"resource_link": None}, {"resource_link": {}},
        {"context": "k"}, {"lis": []},
    ],
    ids=str,
)  # fmt: skip
async def test_what_is_no_resource_link_launch_of_a_registered_deployment_is_refused(
    browser: httpx.AsyncClient, platform: LtiPlatform, wrong: dict[str, Any]
) -> None:
    asked = await begun(browser, platform, lti_deployment_id=None)
    platform.launch |= wrong
    answer = await browser.post(LAUNCH, data=platform.answer(asked))

    assert (answer.status_code, "attain-session" in browser.cookies) == (401, False)


async def test_a_launch_of_another_deployment_than_was_begun_is_refused(
    browser: httpx.AsyncClient, platform: LtiPlatform
) -> None:
    asked = await begun(browser, platform)
    platform.launch |= {"deployment_id": "3", "lis": {"person_sourcedid": "tea"}}

    assert (await browser.post(LAUNCH, data=platform.answer(asked))).status_code == 401


@pytest.mark.parametrize("way", ["none", "HS256", "other key", "public key", "key of its own", "unknown key", "ES256"])
async def test_an_id_token_that_is_badly_signed_launches_nobody(
    browser: httpx.AsyncClient, platform: LtiPlatform, way: str
) -> None:
    if way in ("none", "HS256"):
        platform.algorithm, platform.signs_with = way, "not so secret" * 4
    elif way == "public key":
        platform.signs_by_public_key = True
    elif way == "ES256":
        platform.algorithm, platform.signs_with = way, ec.generate_private_key(ec.SECP256R1())
    else:
        platform.signs_with = platform.other_key
    if way == "key of its own":
        platform.header |= {
            "jwk": json.loads(RSAAlgorithm.to_jwk(platform.other_key.public_key())),
            "jku": f"{platform.issuer}/elsewhere",
        }
    if way == "unknown key":
        platform.header["kid"] = "two"
    await refused(browser, platform)


async def test_a_launch_is_good_once_and_in_its_browser_alone(
    reporting: Running, browser: httpx.AsyncClient, platform: LtiPlatform
) -> None:
    form = platform.answer(await begun(browser, platform))
    async with new_browser(reporting) as other:
        without = await other.post(LAUNCH, data=form)
        own = await begun(other, platform)
        elsewhere = await other.post(LAUNCH, data=form)
        mixed = await other.post(LAUNCH, data=form | {"state": own["state"]})
    stateless = await browser.post(LAUNCH, data={"id_token": form["id_token"]})
    failed = await browser.post(LAUNCH, data={"state": form["state"], "error": "login_required"})
    first = await browser.post(LAUNCH, data=form)
    replayed = await browser.post(LAUNCH, data=form)

    told = [answer.status_code for answer in (without, elsewhere, mixed, stateless, failed, first, replayed)]
    assert told == [401, 401, 401, 401, 401, 303, 401]


async def test_two_launches_may_be_under_way_at_once(browser: httpx.AsyncClient, platform: LtiPlatform) -> None:
    asked = [await begun(browser, platform) for _ in range(2)]
    answers = [await browser.post(LAUNCH, data=platform.answer(each)) for each in asked]

    assert [answer.status_code for answer in answers] == [303, 303]


async def test_the_cookies_are_out_of_reach(browser: httpx.AsyncClient, platform: LtiPlatform) -> None:
    begun = await browser.get(LOGIN, params=platform.login(site(browser)))
    asked = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
    back = await browser.post(LAUNCH, data=platform.answer(asked))
    bound, session = begun.headers["set-cookie"].lower(), back.headers.get_list("set-cookie")[-1].lower()

    assert all(part in bound for part in ("httponly", "secure", "samesite=none", f"path={LOGIN}"))
    assert all(part in session for part in ("attain-session=", "httponly", "samesite=lax"))
    assert "frame-ancestors 'none'" in back.headers["content-security-policy"]


async def test_a_new_key_of_the_platform_is_found_and_one_that_is_gone_is_not_believed(
    browser: httpx.AsyncClient, platform: LtiPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await launched(browser, platform)).status_code
    again = (await launched(browser, platform)).status_code
    asked_once = platform.keys_asked
    platform.publishes, platform.signs_with = {"two": platform.other_key}, platform.other_key
    platform.header["kid"] = "two"
    soon = [(await launched(browser, platform)).status_code for _ in range(3)]
    asked_no_more = platform.keys_asked
    monkeypatch.setattr(id_tokens, "REFETCH_S", 0)
    after = (await launched(browser, platform)).status_code
    platform.signs_with, platform.header["kid"] = platform.key, "one"
    gone = (await launched(browser, platform)).status_code

    assert (before, again, soon, after, gone) == (303, 303, [401] * 3, 303, 401)
    assert (asked_once, asked_no_more) == (1, 1)


async def test_keys_that_do_not_come_in_time_hold_up_nobody_for_long(
    reporting: Running, browser: httpx.AsyncClient, platform: LtiPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lti, "TIMEOUT_S", 2)
    platform.keys_take_s = 6
    forms = [platform.answer(await begun(browser, platform)) for _ in range(5)]
    started = time.monotonic()
    answers = await asyncio.gather(*(browser.post(LAUNCH, data=form) for form in forms))
    took_s = time.monotonic() - started
    asked = platform.keys_asked
    platform.keys_take_s = 0
    monkeypatch.setattr(id_tokens, "AGAIN_S", 0)
    mended = await browser.post(LAUNCH, data=forms[0])

    assert all("does not answer" in answer.text for answer in answers)
    assert (asked, mended.status_code) == (1, 303)
    assert took_s < 6


async def test_keys_come_from_the_open_internet_as_they_are_and_in_bounds(
    reporting: Running, platform: LtiPlatform
) -> None:
    closed = Platforms(reporting.config.model_copy(update={"lti_private_addresses": False}))
    opened = Platforms(reporting.config)
    told = []
    for platforms, path, comes in (
        (closed, "/keys", None), (opened, "/moved", None), (opened, "/nothing", None), (opened, "/keys", JSONResponse([])),
        (opened, "/keys", JSONResponse({"keys": ["x" * (1 << 18)]})),
    ):  # fmt: skip
        platform.keys_come_as = comes
        with pytest.raises(Unavailable) as away:
            await platforms._fetch_keys(f"{platform.issuer}{path}")
        told.append(str(away.value).rpartition(": ")[2])
    await closed.close()
    await opened.close()

    assert told[0] == "it leads to a private address"
    assert told[1] == "127.0.0.1 answered 307"
    assert told[2] == "127.0.0.1 answered 404"
    assert told[4] == "more than 262144 bytes came"


@pytest.mark.parametrize("keys", [["x"], "x", [], [{}], None, [{"kty": "RSA", "kid": "one"}]], ids=str)
async def test_what_comes_instead_of_keys_launches_nobody(
    browser: httpx.AsyncClient, platform: LtiPlatform, keys: object
) -> None:
    platform.keys_come_as = JSONResponse({"keys": keys})
    answer = await launched(browser, platform)

    assert (answer.status_code, "does not answer" in answer.text) == (401, True)


async def test_a_post_that_is_too_large_is_not_read(browser: httpx.AsyncClient, platform: LtiPlatform) -> None:
    form = platform.answer(await begun(browser, platform))
    answers = [await browser.post(path, data=form | {"more": "x" * BODY_BYTES_MAX}) for path in (LOGIN, LAUNCH)]

    assert [answer.status_code for answer in answers] == [413, 413]


async def test_a_launch_takes_the_place_of_whoever_was_signed_in(
    browser: httpx.AsyncClient, platform: LtiPlatform
) -> None:
    await launched(browser, platform)
    teacher = await browser.get("/v1/classes/k/mastery")
    platform.claims["sub"] = "17"
    await launched(browser, platform)
    learner = await browser.get("/v1/classes/k/mastery")

    assert (teacher.status_code, learner.status_code) == (200, 404)


@needs_chromium
async def test_the_pages_open_in_a_window_of_their_own_and_in_no_frame(
    reporting: Running, platform: LtiPlatform
) -> None:
    """`localhost` and `127.0.0.1` are two sites to a browser, so cookies and policies are as they are in the world."""
    platform.launch["context"] = {"id": "k"}
    course = f"{platform.issuer.replace('127.0.0.1', 'localhost')}/course?to={reporting.config.public_url}&target="
    async with chromium() as browser:
        page = await browser.new_page()
        page.set_default_timeout(10_000)
        await page.goto(f"{course}_blank")
        async with page.context.expect_page() as opened:
            await page.click("button")
        records = await opened.value
        await records.wait_for_selector("h1:text('Class k')")
        framed = await browser.new_page()
        await framed.goto(f"{course}frame")
        await framed.click("button")

        await until(functools.partial(_shows_nothing_of_ours, framed))


async def _shows_nothing_of_ours(page: Any) -> bool:
    """Tell whether the browser has refused to show in a frame what came."""
    return str(page.frame("frame").url).startswith("chrome-error:")
