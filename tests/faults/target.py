"""What a load is sent to: the stack that is broken here, or one that runs already and that someone else breaks."""

import asyncio
import functools
import ssl
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from deploy.local.options import Context

SCOPE = "evidence:write records:read policy:write decisions:write admin service"
ANSWERS_S_MAX = 60.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Target(Protocol):
    """Where the services and Kafka are, and what a tenant may do there."""

    urls: dict[str, str]
    kafka: str

    def processes(self) -> list[str]:
        """Return the URL of every process of a service."""

    def token(self, tenant: str) -> str:
        """Return a token that the services accept."""

    def client(self, tenant: str, timeout_s: float = 60.0) -> httpx.AsyncClient:
        """Return a client for all services, as a tenant; to be closed."""


class Given:
    """
    A stack that runs: the one that `ATTAIN_EVIDENCE_URL` and so on name, else the local one. `kafka` may be empty.

    Raises:
        ValueError: a service or broker is not on this machine's loopback, where alone a load is sent.
    """

    def __init__(self, home: Path, tenant: str, kafka: str) -> None:
        self._context = Context(home, tenant)
        self.urls = dict(self._context.urls)
        self.kafka = kafka
        servers = [f"kafka://{server}" for server in kafka.split(",") if server]
        for address in (*self.urls.values(), *servers):
            if urlsplit(address).hostname not in LOOPBACK:
                raise ValueError(f"{address} is not on the loopback of this machine; forward a port to it")

    def processes(self) -> list[str]:
        """Return the URL of each service: of replicas behind one, whichever answers."""
        return list(self.urls.values())

    def token(self, tenant: str) -> str:
        """Return a token of the local stack, or `ATTAIN_TOKEN`."""
        return self._context.token(SCOPE, tenant=tenant)

    def client(self, tenant: str, timeout_s: float = 60.0) -> httpx.AsyncClient:
        """Return a client for all services, as a tenant; to be closed."""
        return client_with(self.token(tenant), timeout_s)


@functools.cache
def authorities() -> ssl.SSLContext:
    """Return whom clients trust; reading it takes 50 ms, and a run makes thousands of clients."""
    return httpx.create_ssl_context(trust_env=False)


def client_with(token: str, timeout_s: float) -> httpx.AsyncClient:
    """Return a client that sends a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(headers=headers, timeout=timeout_s, trust_env=False, verify=authorities())


async def answered(client: httpx.AsyncClient, method: str, url: str, **more: Any) -> httpx.Response:
    """
    Send a request until it is answered by something else than 503, as clients are asked to.

    Raises:
        TimeoutError: it is not.
    """
    async with asyncio.timeout(ANSWERS_S_MAX):
        while True:
            try:
                answer = await client.request(method, url, **more)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code != 503:
                    return answer
            await asyncio.sleep(0.1)
