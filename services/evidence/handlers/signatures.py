"""Signed Canvas Live Events: tokens (JWS) made with one of the keys at `canvas_jwks_url`."""

import asyncio

import jwt

from shared.errors import Unauthorized, Unavailable
from shared.provider_keys import ProviderKeys
from shared.settings import Settings

ALGORITHMS = ["RS256", "ES256"]
FETCH_S = 10


class Signatures:
    """Verifies events; the keys are fetched when one is not known, and after five minutes, so one that is withdrawn ends."""

    def __init__(self, settings: Settings) -> None:
        url = settings.canvas_jwks_url
        self._keys = ProviderKeys(url, FETCH_S) if url else None

    async def verified(self, payload: bytes) -> bytes:
        """
        Return the event in a signed token, or, where nothing has to be signed, what is not signed as it is.

        Raises:
            Unauthorized: the signature is missing where it is required, expired, or not of the configured keys.
            Unavailable: the keys cannot be fetched.
        """
        token = payload.strip().strip(b'"')
        if token.count(b".") != 2 or not token.startswith(b"ey"):
            if self._keys is not None:
                raise Unauthorized("events of this installation are signed; this one is not", reason="unsigned")
            return payload
        if self._keys is None:
            raise Unauthorized("a signed event came, and no canvas_jwks_url is set", reason="signature_not_configured")
        try:
            # In a thread: it may ask the server for its keys.
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
            event: bytes = jwt.PyJWS().decode(token, key.key, algorithms=ALGORITHMS)
            # Where an event says from when until when it is good, that holds.
            jwt.decode(token, options={"verify_signature": False, "verify_exp": True, "verify_nbf": True})
        except jwt.PyJWKClientConnectionError as error:
            raise Unavailable("the keys at canvas_jwks_url cannot be fetched") from error
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("the signature is expired", reason="expired_signature") from error
        except (jwt.PyJWTError, UnicodeDecodeError) as error:
            raise Unauthorized(f"the signature is refused: {error}", reason="bad_signature") from error
        return event
