"""The keys by which somebody else signs, fetched from an address: of an identity provider, of a learning system."""

import time
from typing import Any

import jwt

AGAIN_S = 10.0
"""How long a provider that did not answer is not asked again: whoever sends any token, good or not, would stop all others."""


class ProviderKeys(jwt.PyJWKClient):
    """The keys of a provider, which is left alone for a while once it has not answered."""

    def __init__(self, url: str, timeout_s: float) -> None:
        # The set of keys alone is kept: a key kept by itself would verify for as long as the process runs.
        super().__init__(url, cache_keys=False, timeout=timeout_s)
        self._away_until = 0.0

    def fetch_data(self) -> Any:
        """Return the provider's keys; raises `PyJWKClientConnectionError` where none come, or none came lately."""
        if time.monotonic() < self._away_until:
            raise jwt.PyJWKClientConnectionError("it did not answer a moment ago")
        try:
            return super().fetch_data()
        # A proxy in front of it may answer with a page, or break off.
        except (jwt.PyJWTError, ValueError, OSError) as error:
            self._away_until = time.monotonic() + AGAIN_S
            raise jwt.PyJWKClientConnectionError(f"no keys came: {error}") from error
