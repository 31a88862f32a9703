"""Sending one event to a receiver that nobody trusts: where it may lie, how long it may take, and what it answered."""

import asyncio
import collections
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from services.progression.domain.subscribing import Failure, Subscription, failure_of, signature
from shared.errors import InvalidEvent
from shared.outgoing import address_of, request_to
from shared.settings import Settings

CONTENT_TYPE = "application/cloudevents+json"
URL_CHARACTERS_MAX = 2000
POSTS_MAX = 100
"""Of a tenant at once; what waits for a turn is not late by that."""
KEPT_ALIVE = 20
LOOKUPS_MAX = 4
"""Of a tenant at once: a name that nobody answers for holds a thread for longer than a receiver is waited for."""


class Answer(NamedTuple):
    """What came of sending: `failure` is None where it was taken, `outcome` says it in a word or two."""

    failure: Failure | None
    status: int | None
    outcome: str
    ms: int
    retry_after_s: float = 0.0


class _Share:
    """What one tenant may have of the process: turns to post, and threads to look names up in."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(POSTS_MAX)
        self.lookups = ThreadPoolExecutor(LOOKUPS_MAX, "names")


class Poster:
    """Posts signed events; receivers of one tenant hold up no other's. Close it after use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Neither a proxy nor a netrc of this machine has any business here.
        self._client = httpx.AsyncClient(
            timeout=settings.webhook_timeout_s, trust_env=False, follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=KEPT_ALIVE),
        )  # fmt: skip
        self._shares: dict[str, _Share] = collections.defaultdict(_Share)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        for share in self._shares.values():
            share.lookups.shutdown(wait=False, cancel_futures=True)

    async def check(self, tenant: str, url: str) -> None:
        """
        Refuse a URL that events are not sent to.

        Raises:
            InvalidEvent: it is no URL, not HTTPS, carries a password, does not resolve, or leads to a private address.
        """
        schemes = ("https", "http") if self._settings.webhook_private_addresses else ("https",)
        try:
            parts = urlsplit(url)
            if parts.scheme not in schemes or not parts.hostname or len(url) > URL_CHARACTERS_MAX:
                raise InvalidEvent("a webhook is an https:// URL", pointer="/url")
            if parts.username or parts.password or parts.fragment:
                raise InvalidEvent("a webhook's URL has neither user, password nor fragment", pointer="/url")
            await self._address_of(tenant, url)
        # A port or a name that cannot be one is a ValueError.
        except (OSError, ValueError) as error:
            raise InvalidEvent(f"events cannot be sent there: {error}", pointer="/url") from error

    async def post(self, to: Subscription, event: str, body: bytes, attempt: int) -> Answer:
        """Send a body once, when the tenant has a turn; nothing that the receiver does raises."""
        async with self._shares[to.tenant].turns:
            return await self._post(to, event, body, attempt)

    async def _post(self, to: Subscription, event: str, body: bytes, attempt: int) -> Answer:
        started = time.monotonic()

        def answer(failure: Failure | None, status: int | None, outcome: str, retry_after_s: float = 0.0) -> Answer:
            return Answer(failure, status, outcome, round((time.monotonic() - started) * 1000), retry_after_s)

        try:
            async with asyncio.timeout(self._settings.webhook_timeout_s):
                address = await self._address_of(to.tenant, to.url)
                request = self._request(to, address, event, body, attempt)
                # What it says beyond the status is not read: it may never end.
                response = await self._client.send(request, stream=True)
                await response.aclose()
        except TimeoutError:
            return answer("unwell", None, "no answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return answer("unwell", None, str(error)[:200] or type(error).__name__)
        status = response.status_code
        outcome = "taken" if response.is_success else f"answered {status}"
        if response.is_redirect:
            outcome = f"answered {status}: redirects are not followed"
        return answer(failure_of(status), status, outcome, _seconds(response.headers.get("retry-after")))

    def _request(self, to: Subscription, address: str, event: str, body: bytes, attempt: int) -> httpx.Request:
        headers = {
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "attain-webhook/1",
            "Attain-Event": event,
            "Attain-Attempt": str(attempt),
            "Attain-Signature": signature(to, int(time.time()), body),
        }
        return request_to(self._client, "POST", to.url, address, headers, body)

    async def _address_of(self, tenant: str, url: str) -> str:
        """Return an address of the receiver; raises `OSError` where it has none, or any that is private."""
        # In threads of the tenant's own: the loop's few are for the names of servers, of every tenant.
        lookups = self._shares[tenant].lookups
        return await address_of(url, lookups, private=self._settings.webhook_private_addresses)


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else 0.0
