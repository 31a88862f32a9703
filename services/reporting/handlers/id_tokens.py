"""ID tokens: verified by keys of whoever signs them, which are fetched when they are needed, and for us alone."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt

from shared.auth import PROVIDER_ALGORITHMS
from shared.errors import Unauthorized, Unavailable
from shared.texts import UNKEPT, can_be_kept

LEEWAY_S = 60
"""How far the clock of whoever signs may be off."""
KEPT_S = 3600
REFETCH_S = 30
"""A key that is not known is looked for at most so often."""
AGAIN_S = 10
"""Where no keys came they are not asked for again for so long: everybody who signs in waits for them."""


class KeySet:
    """The keys of one signer: `fetch` returns its JSON Web Key Set, or raises `Unavailable`."""

    def __init__(self, fetch: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._fetch = fetch
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._failed_at = -math.inf
        self._fetching = asyncio.Lock()

    async def key(self, kid: str | None) -> jwt.PyJWK:
        """
        Return the key of an id; without one the only key.

        Raises:
            Unauthorized: there is none.
            Unavailable: the keys do not come, or did not come a moment ago.
        """
        if self._are_wanting(kid):
            async with self._fetching:
                # Whoever waited here may find what another has fetched.
                if self._are_wanting(kid):
                    await self._renew()
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if kid is None or kid not in self._keys:
            raise Unauthorized("the ID token is signed with a key that the provider does not have")
        return self._keys[kid]

    def _are_wanting(self, kid: str | None) -> bool:
        age = time.monotonic() - self._fetched_at
        return age > KEPT_S or (kid not in self._keys and age > REFETCH_S)

    async def _renew(self) -> None:
        if time.monotonic() - self._failed_at < AGAIN_S:
            raise Unavailable("the keys of the provider did not come a moment ago")
        try:
            found = jwt.PyJWKSet.from_dict(await self._fetch()).keys
        except (Unavailable, jwt.PyJWTError, AttributeError, TypeError, ValueError) as error:
            self._failed_at = time.monotonic()
            raise error if isinstance(error, Unavailable) else Unavailable(f"what came are no keys: {error}") from error
        self._fetched_at, self._keys = time.monotonic(), {key.key_id or "": key for key in found}


async def verified(token: str, keys: KeySet, *, issuer: str, client: str) -> dict[str, Any]:
    """
    Return the claims of an ID token that an issuer has made for a client; whether the nonce fits is for the caller to see.

    Source: OpenID Connect Core 1.0, 3.1.3.7; 1EdTech Security Framework 1.0, 5.1.3.

    Raises:
        Unauthorized: it is none, or of another, for another, over, or signed otherwise.
        Unavailable: the issuer's keys do not come.
    """
    try:
        key = await keys.key(jwt.get_unverified_header(token).get("kid"))
        claims: dict[str, Any] = jwt.decode(
            token, key.key, algorithms=PROVIDER_ALGORITHMS, audience=client, issuer=issuer, leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )  # fmt: skip
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise Unauthorized(f"ID token refused: {error}") from error
    if not can_be_kept(claims):
        raise Unauthorized(f"ID token refused: {UNKEPT}")
    is_for_several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    # Of one audience it may be left out; where it stands it is ours.
    if claims.get("azp", None if is_for_several else client) != client:
        raise Unauthorized("the ID token is for another client")
    return claims
