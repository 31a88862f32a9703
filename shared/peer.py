"""Asking another service of this installation: with a service token, answered or `Unavailable`."""

import functools
import ssl
from collections.abc import Collection, Mapping, Sequence
from typing import Self

import httpx

from shared.auth import service_token
from shared.errors import Unavailable
from shared.settings import Settings

TIMEOUT_S = 10.0
Query = Mapping[str, str | int | Sequence[str]]


class Peer:
    """A client of one service, by its base URL; close it after use, as the end of its `async with` does."""

    def __init__(self, url: str, settings: Settings, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self._settings = settings
        self._client = httpx.AsyncClient(base_url=url, timeout=timeout_s, verify=_trusted())

    async def ask(
        self, path: str, query: Query | None = None, *, body: object = None, expected: Collection[int] = (200,),
        token: str | None = None, key: str = "",
    ) -> httpx.Response:  # fmt: skip
        """
        Return the answer to a GET, or with a body to a POST of it as JSON; `token` asks in another's name.

        With a `key`, which the caller names the request by, it may be asked again and has no second effect.

        Raises:
            Unavailable: the service does not answer, or with another status than is expected, or the token cannot be made.
        """
        try:
            headers = {"Authorization": f"Bearer {token or service_token(self._settings)}"}
            if key:
                headers["Idempotency-Key"] = key
            if body is None:
                answer = await self._client.get(path, params=query, headers=headers)
            else:
                answer = await self._client.post(path, params=query, json=body, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            raise Unavailable(f"{self.url}: {type(error).__name__}") from error
        if answer.status_code not in expected:
            raise Unavailable(f"{self.url}{path} answered {answer.status_code}")
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Return by whose certificates the clients of this process are sure of others: to read them takes each 80 ms."""
    return httpx.create_ssl_context()
