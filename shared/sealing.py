"""What the installation's own keys vouch for besides tokens: data that comes back unchanged, and names that tell nothing."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import jwt

from shared.auth import signing_key, signing_keys
from shared.errors import Unauthorized
from shared.settings import Settings


def seal(settings: Settings, purpose: str, data: Mapping[str, Any], expires_s: float) -> str:
    """Return data as a text that only this installation can make, for one purpose and a time; it can be read by all."""
    body = {"aud": f"attain-{purpose}", "exp": int(time.time() + expires_s), "data": dict(data)}
    return jwt.encode(body, signing_key(settings), algorithm="HS256")


def unseal(settings: Settings, purpose: str, text: str) -> dict[str, Any]:
    """Return what was sealed for a purpose; raises `Unauthorized` where it was not, or for too long."""
    for key in signing_keys(settings):
        try:
            claims = jwt.decode(
                text,
                key,
                algorithms=["HS256"],
                audience=f"attain-{purpose}",
                options={"require": ["aud", "exp", "data"]},
            )
        except jwt.PyJWTError:
            continue
        data: dict[str, Any] = claims["data"]
        return data
    raise Unauthorized("this is not valid, or not any more")


def pseudonyms(settings: Settings, purpose: str, *parts: str) -> list[str]:
    """Return a name by each key, the signing one first, that tells nobody else the parts; none where there is no key."""
    if settings.own_key_file is None:
        return []
    text = "\0".join((purpose, *parts)).encode()
    return [hashlib.blake2b(text, key=key[:64], digest_size=16).hexdigest() for key in signing_keys(settings)]
