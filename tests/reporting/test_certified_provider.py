"""
Signing in by a provider that others wrote and certified: `oidc-provider` of npm, on loopback, with its own pages.

What needs a provider that lies is in test_oidc.py.
"""

import asyncio
import contextlib
import html
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from pydantic import SecretStr

from services.reporting.handlers import id_tokens
from shared.settings import Settings
from tests.reporting.builders import class_, staff
from tests.reporting.running import Running
from tests.support.producer import free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
PACKAGE, VERSION = "oidc-provider", "9.13.3"
SCRIPT = Path(__file__).parents[1] / "support" / "certified_provider.mjs"
CLIENT, SECRET = "attain pages", "not:so+secret/50%"
"""With signs that RFC 6749, 2.3.1 wants encoded."""
SESSION_S = 10
CALLBACK = "/sign-in/callback"


class Certified:
    """The provider, which can be started again with another key."""

    def __init__(self, folder: Path, pages: str) -> None:
        self._folder, self._pages, self._port = folder, pages, free_port()
        self.issuer = f"http://localhost:{self._port}"

    @contextlib.contextmanager
    def running(self, key: str) -> Iterator[None]:
        """Run it with a new key of that name."""
        client = {"client_id": CLIENT, "client_secret": SECRET, "redirect_uris": [f"{self._pages}{CALLBACK}"]}
        config = {"issuer": self.issuer, "port": self._port, "client": client, "key": key}
        command = ["node", str(SCRIPT), str(self._folder / "node_modules" / PACKAGE), json.dumps(config)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None
                assert any(line == "ready\n" for line in process.stdout), "the provider does not start"
                yield
            finally:
                process.terminate()


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """The provider, installed and not started."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("needs Node.js: there is no npm on the path")
    folder = tmp_path_factory.mktemp("provider")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"needs {PACKAGE} of npm: {done.stderr[-300:]}")
    return Certified(folder, f"http://127.0.0.1:{free_port()}")


@pytest.fixture(scope="module")
def config(kafka: str, name: str, key: Path, certified: Certified) -> Settings:
    """Return the settings of an installation in which people are known by their address."""
    return Settings(
        kafka=kafka, topic_suffix=f"-{name}", token_key_file=key, shards=2, port=int(certified._pages.rsplit(":", 1)[1]),
        session_timeout_s=6, slot="", head_check_s=0.5, aggregate_s=0, public_url=certified._pages,
        oidc_issuer=certified.issuer, oidc_client_id=CLIENT, oidc_client_secret=SecretStr(SECRET), oidc_tenant="demo",
        oidc_subject_claim="email", session_s=SESSION_S,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
async def told(reporting: Running) -> None:
    """Tell of a class and its teacher."""
    await reporting.told("roster", class_("k"), staff("k", "tea@school.example"))


@pytest.fixture
async def browser(reporting: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with cookies of its own."""
    async with httpx.AsyncClient(base_url=reporting.config.public_url, timeout=20) as client:
        yield client


@pytest.fixture(autouse=True)
def keys_are_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a key that is not known be looked for without a pause, since the provider gets one a test."""
    monkeypatch.setattr(id_tokens, "REFETCH_S", 0)


async def sent_back(browser: httpx.AsyncClient, person: str = "tea", *, instead: tuple[str, str] = ("", "")) -> str:
    """Sign in and consent on the provider's pages; return where it sends the browser back. `instead` changes what is asked."""
    begun = await browser.get("/sign-in/provider?to=/classes/k")
    url = re.sub(*instead, begun.headers["location"]) if instead[0] else begun.headers["location"]
    for _ in range(12):
        if url.startswith(str(browser.base_url)):
            return url
        answer = await browser.get(url)
        if answer.status_code == 200:
            action = html.unescape(answer.text.split('action="')[1].split('"')[0])
            fields = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', answer.text))
            if 'name="login"' in answer.text:
                fields |= {"login": person, "password": "any"}
            answer = await browser.post(urljoin(url, action), data=fields)
        assert answer.is_redirect, f"{answer.status_code} {answer.text[:500]}"
        url = urljoin(url, answer.headers["location"])
    raise AssertionError("the provider leads nowhere")


async def test_a_person_signs_in_reads_a_page_and_a_route_and_signs_out(
    browser: httpx.AsyncClient, certified: Certified
) -> None:
    with certified.running("first"):
        back = await browser.get(await sent_back(browser))
        page, route = await browser.get("/classes/k"), await browser.get("/v1/classes/k/mastery")
    form = page.text.split('name="form" value="')[1].split('"')[0]
    cookie = next(text for text in back.headers.get_list("set-cookie") if text.startswith("attain-session="))
    copy = browser.cookies["attain-session"]
    out = await browser.post("/sign-out", data={"form": form})
    browser.cookies.set("attain-session", copy)
    after = await browser.get("/v1/classes/k/mastery")

    assert (back.status_code, back.headers["location"]) == (303, "/classes/k")
    assert "Class k" in page.text
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert (route.status_code, out.status_code, after.status_code) == (200, 303, 401)


async def test_an_address_that_is_not_verified_signs_nobody_in(
    browser: httpx.AsyncClient, certified: Certified, caplog: pytest.LogCaptureFixture
) -> None:
    with certified.running("second"):
        back = await browser.get(await sent_back(browser, "unverified"))

    assert back.status_code == 401
    assert "has not verified this address" in caplog.text


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("nonce", "another sign-in"),
        ("code_challenge", "does not take the code"),
        ("state", "not begun in this browser"),
    ],
)
async def test_what_belongs_to_another_sign_in_is_refused(
    browser: httpx.AsyncClient, certified: Certified, caplog: pytest.LogCaptureFixture, asked: str, reason: str
) -> None:
    with certified.running(f"without {asked}"):
        back = await browser.get(await sent_back(browser, instead=(f"([?&]{asked}=)...", r"\1abc")))

    assert back.status_code == 401
    assert reason in caplog.text
    assert "attain-session" not in browser.cookies


async def test_the_provider_takes_another_key_and_a_session_that_is_over_is_begun_again(
    browser: httpx.AsyncClient, certified: Certified
) -> None:
    with certified.running("before"):
        first = await browser.get(await sent_back(browser))
    await asyncio.sleep(SESSION_S + 1)
    over = await browser.get("/v1/classes/k/mastery")
    with certified.running("after"):
        again = await browser.get(await sent_back(browser))
        page = await browser.get("/classes/k")

    assert (first.status_code, over.status_code, again.status_code) == (303, 401, 303)
    assert "Class k" in page.text
