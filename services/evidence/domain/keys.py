"""API keys of learning systems: their form, and what is kept of one; never the key itself."""

import datetime
import hashlib
import hmac
import re

import msgspec

from shared.auth import KEY_PREFIX, Identity
from shared.errors import InvalidEvent, Unauthorized

SCOPES = frozenset(("evidence:write", "records:read"))
"""What a key may be for: people and services have tokens."""
_FORM = re.compile(KEY_PREFIX + r"([0-9a-f]{16})_([0-9a-f]{64})")


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is kept. `digest` is SHA-256 of 256 random bits, which no dictionary has: a slow hash adds nothing."""

    key_id: str
    tenant: str
    name: str
    source: str
    scopes: tuple[str, ...]
    digest: bytes
    created_at: datetime.datetime
    expires_at: datetime.datetime | None = None
    revoked_at: datetime.datetime | None = None

    def is_good(self, now: datetime.datetime) -> bool:
        """Tell whether it is neither revoked nor past its end."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def is_what_was_asked(self, again: "ApiKey") -> bool:
        """Tell whether a request for `again` is one for this key, which may have been rotated since, and end earlier by that."""
        ends = datetime.datetime.max.replace(tzinfo=datetime.UTC)
        return (self.tenant, self.name, self.source, self.scopes) == (
            again.tenant, again.name, again.source, again.scopes
        ) and (self.expires_at or ends) <= (again.expires_at or ends)  # fmt: skip

    def identity(self) -> Identity:
        """Return who sends it: only for its tenant, and as its source."""
        return Identity(f"key:{self.key_id}", self.tenant, frozenset(self.scopes), self.source)


def text_of(key_id: str, secret: bytes) -> str:
    """Return the key as its holder sends it."""
    return f"{KEY_PREFIX}{key_id}_{secret.hex()}"


def digest_of(secret: bytes) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret).digest()


def parse(text: str) -> tuple[str, bytes]:
    """Return id and secret of a key; raises `Unauthorized` where it is not of the form."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise Unauthorized("the API key is not of the form of one")
    return match[1], bytes.fromhex(match[2])


def check(kept: ApiKey | None, secret: bytes, now: datetime.datetime) -> Identity:
    """Return who sent a key; raises `Unauthorized`, with one text for what is unknown and what is wrong."""
    digest = b"\0" * 32 if kept is None else kept.digest
    if not hmac.compare_digest(digest, digest_of(secret)) or kept is None:
        raise Unauthorized("no such API key")
    if not kept.is_good(now):
        raise Unauthorized("the API key is revoked, or past its end")
    return kept.identity()


def check_scopes(scopes: tuple[str, ...]) -> None:
    """Raise `InvalidEvent` where a key may not have one of the scopes, or has none."""
    refused = sorted(set(scopes) - SCOPES)
    if refused or not scopes:
        raise InvalidEvent(f"a key may have {' and '.join(sorted(SCOPES))}, not {refused or 'none'}", pointer="/scopes")
