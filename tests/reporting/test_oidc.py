"""Signing in by an identity provider, with one of our own on loopback: what is believed, what is refused, and the session."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid5

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import RSAAlgorithm
from pydantic import SecretStr

from services.reporting.handlers import id_tokens
from shared.sealing import seal
from shared.settings import Settings
from tests.reporting.builders import authorization, class_, enrolment, mastery, staff
from tests.reporting.running import Running, served
from tests.support.chromium import chromium, faults, needs_chromium, tab_to
from tests.support.oidc_provider import CLIENT, SECRET, OidcProvider
from tests.support.producer import free_port

ADA = str(uuid5(UUID(int=0), "ada"))
CALLBACK = "/sign-in/callback"


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[OidcProvider]:
    """The identity provider."""
    port = free_port()
    provider = OidcProvider(f"http://127.0.0.1:{port}")
    async with served(provider.app, port):
        yield provider


@pytest.fixture(autouse=True)
def behaving(provider: OidcProvider) -> None:
    """Let the provider behave at the start of each test."""
    provider.reset()


@pytest.fixture(scope="module")
def config(config: Settings, provider: OidcProvider) -> Settings:
    """Return the settings of an installation in which people sign in by the provider."""
    return config.model_copy(update={
        "public_url": f"http://127.0.0.1:{config.port}", "oidc_issuer": provider.issuer, "oidc_client_id": CLIENT,
        "oidc_client_secret": SecretStr(SECRET), "oidc_tenant": "demo", "oidc_learner_source": "sis",
    })  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
async def told(reporting: Running) -> None:
    """Tell of a class of one, and its teacher."""
    await reporting.told("roster", class_("k"), enrolment("k", ADA), staff("k", "tea"))
    await reporting.told("progression", mastery(ADA, "m:a"))


@pytest.fixture
async def browser(reporting: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with cookies of its own."""
    async with httpx.AsyncClient(base_url=reporting.config.public_url, timeout=20) as client:
        yield client


async def sent_back(browser: httpx.AsyncClient, to: str = "/") -> str:
    """Begin to sign in; return where the provider sends the browser back to."""
    begun = await browser.get("/sign-in/provider", params={"to": to})
    async with httpx.AsyncClient() as elsewhere:
        return (await elsewhere.get(begun.headers["location"])).headers["location"]


async def signed_in(browser: httpx.AsyncClient, to: str = "/") -> httpx.Response:
    """Sign in; return the answer to coming back."""
    return await browser.get(await sent_back(browser, to))


async def test_who_signs_in_sees_the_classes_of_the_roster_and_nothing_else(browser: httpx.AsyncClient) -> None:
    before = await browser.get("/classes/k")
    back = await signed_in(browser, "/classes/k")
    seen = await browser.get("/classes/k")
    table = await browser.get("/v1/classes/k/mastery?format=csv")
    tenant = await browser.get("/v1/districts/d/mastery")
    foreign = await browser.get(f"/learners/{UUID(int=5)}")

    assert "/sign-in/provider?to=/classes/k" in before.text
    assert (back.status_code, back.headers["location"]) == (303, "/classes/k")
    assert "Class k" in seen.text
    assert (table.status_code, tenant.status_code, foreign.status_code) == (200, 403, 404)


async def test_the_cookies_are_out_of_reach_and_the_request_is_bound(
    browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    begun = await browser.get("/sign-in/provider")
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    back = await signed_in(browser)
    told = [text.lower() for answer in (begun, back) for text in answer.headers.get_list("set-cookie")]
    cookies = [text for text in told if "max-age=0" not in text]

    assert len(cookies) == 2
    assert all("httponly" in cookie and "samesite=lax" in cookie for cookie in cookies)
    assert (asked["code_challenge_method"], asked["response_type"], asked["client_id"]) == (
        ["S256"],
        ["code"],
        [CLIENT],
    )
    assert provider.asked[0]["state"] != asked["state"][0]
    assert "attain-sign-in" not in browser.cookies


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another"}, {"aud": []}, {"aud": None}, {"azp": "another"}, {"nbf": 4e9}, {"iss": None},
        {"aud": ["attain-pages", "another"]}, {"iss": "https://elsewhere.example"}, {"exp": 1},
        {"exp": None}, {"nonce": "another"}, {"nonce": None}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"iat": None},
    ],
    ids=str,
)  # fmt: skip
async def test_an_id_token_with_a_wrong_claim_signs_nobody_in(
    browser: httpx.AsyncClient, provider: OidcProvider, wrong: dict[str, Any]
) -> None:
    provider.claims |= wrong
    await refused(browser)


@pytest.mark.parametrize("way", ["none", "HS256", "other key", "public key", "key of its own", "unknown key", "ES256"])
async def test_an_id_token_that_is_badly_signed_signs_nobody_in(
    browser: httpx.AsyncClient, provider: OidcProvider, way: str
) -> None:
    if way in ("none", "HS256"):
        provider.algorithm, provider.signs_with = way, SECRET * 4
    elif way == "public key":
        # What everybody knows, as if it were a secret: the confusion of algorithms.
        provider.signs_by_public_key = True
    elif way == "ES256":
        provider.algorithm, provider.signs_with = way, ec.generate_private_key(ec.SECP256R1())
    else:
        provider.signs_with = provider.other_key
    if way == "key of its own":
        jwk = json.loads(RSAAlgorithm.to_jwk(provider.other_key.public_key()))
        provider.header |= {"jwk": jwk, "jku": f"{provider.issuer}/elsewhere", "x5u": f"{provider.issuer}/elsewhere"}
    if way == "unknown key":
        provider.header["kid"] = "two"
    await refused(browser)


async def test_a_new_key_of_the_provider_is_found_and_one_that_is_gone_is_not_believed(
    browser: httpx.AsyncClient, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(id_tokens, "REFETCH_S", 0)
    before = (await signed_in(browser)).status_code
    provider.publishes, provider.signs_with, provider.header["kid"] = (
        {"two": provider.other_key},
        provider.other_key,
        "two",
    )
    after = (await signed_in(browser)).status_code
    provider.signs_with, provider.header["kid"] = provider.key, "one"
    gone = (await signed_in(browser)).status_code
    provider.reset()
    again = (await signed_in(browser)).status_code

    assert (before, after, gone, again) == (303, 303, 401, 303)


async def refused(browser: httpx.AsyncClient) -> None:
    """Sign in, and see that it was not accepted."""
    back = await signed_in(browser)
    page = await browser.get("/")

    assert back.status_code == 401
    assert "attain-session" not in browser.cookies
    assert 'id="sign-in"' in page.text


async def test_several_audiences_are_fine_where_the_token_is_for_us(
    browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    provider.claims |= {"aud": [CLIENT, "another"], "azp": CLIENT}

    assert (await signed_in(browser)).status_code == 303


async def test_a_state_is_good_once_and_in_its_browser_alone(reporting: Running, browser: httpx.AsyncClient) -> None:
    back = await sent_back(browser)
    kept = browser.cookies["attain-sign-in"]
    async with httpx.AsyncClient(base_url=reporting.config.public_url) as other:
        elsewhere = await other.get(back)
    mixed = await browser.get(back.replace("state=", "state=x"))
    browser.cookies.set("attain-sign-in", kept, path=CALLBACK)
    first = await browser.get(back)
    browser.cookies.clear()
    browser.cookies.set("attain-sign-in", kept, path=CALLBACK)
    replayed = await browser.get(back)

    assert [answer.status_code for answer in (elsewhere, mixed, first, replayed)] == [401, 401, 303, 401]


async def test_a_replayed_state_is_refused_even_with_a_new_code(browser: httpx.AsyncClient) -> None:
    begun = await browser.get("/sign-in/provider")
    kept = browser.cookies["attain-sign-in"]
    answers = []
    for _ in range(2):
        async with httpx.AsyncClient() as elsewhere:
            back = (await elsewhere.get(begun.headers["location"])).headers["location"]
        browser.cookies.clear()
        browser.cookies.set("attain-sign-in", kept, path=CALLBACK)
        answers.append((await browser.get(back)).status_code)

    assert answers == [303, 401]


async def test_what_the_provider_refuses_or_forges_signs_nobody_in(
    browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    back = urlsplit(await sent_back(browser))
    state = parse_qs(back.query)["state"][0]
    kept = browser.cookies["attain-sign-in"]
    codes = []
    for query in ({"error": "access_denied", "state": state}, {"code": "made-up", "state": state},
                  {"code": "x", "state": state, "iss": "https://elsewhere.example"}):  # fmt: skip
        browser.cookies.set("attain-sign-in", kept, path=CALLBACK)
        codes.append((await browser.get(CALLBACK, params=query)).status_code)

    assert codes == [401, 401, 401]


async def test_signing_out_ends_the_session_for_a_copy_too(browser: httpx.AsyncClient) -> None:
    await signed_in(browser)
    copy = browser.cookies["attain-session"]
    page = await browser.get("/")
    key = page.text.split('name="form" value="')[1].split('"')[0]
    without = await browser.post("/sign-out")
    out = await browser.post("/sign-out", data={"form": key})
    browser.cookies.set("attain-session", copy)
    after = await browser.get("/")
    table = await browser.get("/v1/classes/k/mastery")

    assert (without.status_code, out.status_code) == (403, 303)
    assert 'id="sign-in"' in after.text
    assert table.status_code == 401


async def test_who_has_signed_out_is_told_where_the_providers_session_ends(
    reporting: Running, browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    led_to, pages = [], []
    for ends_at in (f"{provider.issuer}/end?a=b", None):
        provider.ends_at = ends_at
        reporting.app.state.provider._found = None
        await signed_in(browser)
        led_to.append((await signed_out(browser)).headers["location"])
        pages.append(await browser.get("/sign-out"))
    provider.is_away = True
    reporting.app.state.provider._found = None
    pages.append(await browser.get("/sign-out"))
    token = authorization(reporting.config, "records:read")["Authorization"].removeprefix("Bearer ")
    await browser.post("/sign-in", data={"token": token})
    led_to.append((await signed_out(browser)).headers["location"])

    assert led_to == ["/sign-out", "/sign-out", "/"]
    assert f'href="{provider.issuer}/end?a=b&amp;client_id={CLIENT}"' in pages[0].text
    assert [page.headers["location"] for page in pages[1:]] == ["/", "/"]


async def signed_out(browser: httpx.AsyncClient) -> httpx.Response:
    """Sign out by the button of a page."""
    page = await browser.get("/policies")
    return await browser.post("/sign-out", data={"form": page.text.split('name="form" value="')[1].split('"')[0]})


async def test_a_session_that_somebody_else_has_put_there_is_another_after_signing_in(
    reporting: Running, browser: httpx.AsyncClient
) -> None:
    async with httpx.AsyncClient(base_url=reporting.config.public_url) as attacker:
        await signed_in(attacker)
        planted = attacker.cookies["attain-session"]
    browser.cookies.set("attain-session", planted)
    await signed_in(browser)
    kept = [cookie.value for cookie in browser.cookies.jar if cookie.name == "attain-session"]

    assert [value for value in kept if value != planted]
    assert planted not in (await browser.get("/")).request.headers["cookie"].split("attain-session=")[-1]


async def test_a_code_is_asked_for_once_even_where_the_answer_comes_twice(
    browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    back = await sent_back(browser)
    kept = browser.cookies["attain-sign-in"]
    answers = []
    for _ in range(2):
        browser.cookies.clear()
        browser.cookies.set("attain-sign-in", kept, path=CALLBACK)
        answers.append((await browser.get(back)).status_code)
    wrong_verifier = await sent_back(browser)
    async with httpx.AsyncClient() as elsewhere:
        code = parse_qs(urlsplit(wrong_verifier).query)["code"][0]
        stolen = await elsewhere.post(
            f"{provider.issuer}/token", auth=(CLIENT, SECRET),
            data={"code": code, "code_verifier": "guessed", "redirect_uri": provider.asked[-1]["redirect_uri"]},
        )  # fmt: skip

    assert answers == [303, 401]
    assert stolen.status_code == 400


async def test_a_session_is_no_token_and_a_token_no_session(reporting: Running, browser: httpx.AsyncClient) -> None:
    await signed_in(browser)
    session = browser.cookies["attain-session"]
    as_token = await reporting.client.get("/v1/classes", headers={"Authorization": f"Bearer {session}"})
    other = seal(
        reporting.config, "sign-in", {"id": "x", "sub": "tea", "tenant": "demo", "scopes": [], "learner": None}, 60
    )
    browser.cookies.set("attain-session", other)
    as_session = await browser.get("/v1/classes")

    assert (as_token.status_code, as_session.status_code) == (401, 401)


async def test_a_session_that_is_too_old_is_over(reporting: Running, browser: httpx.AsyncClient) -> None:
    data = {"id": "y", "sub": "tea", "tenant": "demo", "scopes": ["records:read:classes"], "learner": None}
    browser.cookies.set("attain-session", seal(reporting.config, "session", data, -1))

    assert (await browser.get("/v1/classes")).status_code == 401
    assert 'id="sign-in"' in (await browser.get("/")).text


async def test_a_learner_comes_to_the_own_page(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    provider.claims["sub"] = "17"
    await signed_in(browser)
    home = await browser.get("/")

    assert home.headers["location"] == "/learners/ada"


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_signing_in_leads_nowhere_else(browser: httpx.AsyncClient, to: str) -> None:
    assert (await signed_in(browser, to)).headers["location"] == "/"


async def test_a_provider_that_is_away_or_another_one_is_told_in_words(
    reporting: Running, provider: OidcProvider, browser: httpx.AsyncClient
) -> None:
    reporting.app.state.provider._found = None
    provider.is_away = True
    away = await browser.get("/sign-in/provider")
    provider.reset()
    provider.names_itself = "https://elsewhere.example"
    other = await browser.get("/sign-in/provider")

    assert (away.status_code, other.status_code) == (401, 401)
    assert "does not answer" in away.text
    assert "does not answer" in other.text


@needs_chromium
async def test_a_person_signs_in_and_out_by_keyboard_in_a_browser_that_comes_from_another_site(
    reporting: Running, provider: OidcProvider
) -> None:
    """`localhost` and `127.0.0.1` are two sites to a browser, so cookies and policies are as they are in the world."""
    issuer = provider.issuer
    provider.issuer = issuer.replace("127.0.0.1", "localhost")
    provider.claims["iss"] = issuer
    provider.ends_at = f"{provider.issuer}/end"
    reporting.app.state.provider._found = None
    try:
        async with chromium() as browser:
            page = await browser.new_page(base_url=reporting.config.public_url)
            page.set_default_timeout(10_000)
            await page.goto("/classes/k")
            wrong = await faults(page)
            await tab_to(page, "Sign in")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("h1:text('Class k')")
            reachable = await page.evaluate("document.cookie")
            await tab_to(page, "Sign out")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#ended")
            wrong += await faults(page)
            await tab_to(page, "Sign out there too")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("h1:text('Ended')")
            cookies = {cookie["name"] for cookie in await page.context.cookies()}
    finally:
        provider.issuer = issuer
        reporting.app.state.provider._found = None

    assert (wrong, reachable) == ([], "")
    assert not cookies & {"attain", "attain-session", "attain-sign-in"}
