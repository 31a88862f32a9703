"""Giving, rotating, revoking and checking the API keys of learning systems."""

import datetime
import secrets
import time
from collections import OrderedDict

from services.evidence.domain.keys import ApiKey, check, check_scopes, digest_of, parse, text_of
from services.evidence.tables import keys
from shared.auth import Identity
from shared.database import Database
from shared.errors import Conflict, NotFound, Refused
from shared.settings import Settings

CHECKED_MAX = 10_000


class Keys:
    """
    The keys of all tenants. One that was good is believed for `token_cache_s`, so that is how long a revocation may take
    in another process; in this one it holds at once.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._believed_s = settings.token_cache_s
        self._good: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    async def identify(self, text: str) -> Identity:
        """Return who sends a key; raises `Unauthorized` where it is unknown, wrong, revoked or past its end."""
        known = self._good.get(text)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        key_id, secret = parse(text)
        async with self._database.connection() as connection:
            kept = await keys.find(connection, key_id)
        now = datetime.datetime.now(datetime.UTC)
        identity = check(kept, secret, now)
        believed_s = float(self._believed_s)
        if kept is not None and kept.expires_at is not None:
            believed_s = min(believed_s, (kept.expires_at - now).total_seconds())
        self._good[text] = (time.monotonic() + believed_s, identity)
        if len(self._good) > CHECKED_MAX:
            self._good.popitem(last=False)
        return identity

    async def give(
        self, tenant: str, name: str, source: str, scopes: tuple[str, ...], expires_at: datetime.datetime | None,
        key_id: str = "",
    ) -> tuple[str | None, ApiKey]:  # fmt: skip
        """
        Make a key; its text is returned this once and kept nowhere: None where it was made before under the `key_id` asked for.

        Raises:
            InvalidEvent: a scope that keys do not have.
            Refused: another key was made under this id.
        """
        check_scopes(scopes)
        text, key = _made(tenant, name, source, scopes, expires_at, key_id)
        async with self._database.connection() as connection:
            if await keys.add(connection, key):
                return text, key
            made = await keys.find(connection, key.key_id)
        if made is None or not made.is_what_was_asked(key):
            raise Refused("something else was asked for under this Idempotency-Key", reason="other_content")
        return None, made

    async def rotate(self, tenant: str, key_id: str, overlap: datetime.timedelta) -> tuple[str, ApiKey]:
        """
        Make a key that follows another, which ends after `overlap`: for the same, and until the other was to end.

        Raises:
            NotFound: the tenant has no such key, or it is revoked.
            Conflict: it ends within the overlap: so would its successor.
        """
        at = datetime.datetime.now(datetime.UTC) + overlap
        async with self._database.transaction() as connection:
            old = await keys.unrevoked(connection, tenant, key_id)
            if old is None:
                raise NotFound("no such API key that is not revoked")
            if old.expires_at is not None and old.expires_at <= at:
                raise Conflict(
                    f"this API key ends at {old.expires_at:%Y-%m-%dT%H:%M:%SZ}, within the overlap, and so would the one"
                    " that follows it; make a new one"
                )
            text, key = _made(tenant, old.name, old.source, old.scopes, old.expires_at)
            await keys.end(connection, key_id, at)
            await keys.add(connection, key)
        self._good.clear()
        return text, key

    async def revoke(self, tenant: str, key_id: str) -> ApiKey:
        """Revoke a key; raises `NotFound` where the tenant has none of this id."""
        async with self._database.connection() as connection:
            revoked = await keys.revoke(connection, tenant, key_id, datetime.datetime.now(datetime.UTC))
        if revoked is None:
            raise NotFound("no such API key")
        self._good.clear()
        return revoked

    async def of_tenant(self, tenant: str) -> list[ApiKey]:
        """Return the keys of a tenant, also those that are no longer good."""
        async with self._database.connection() as connection:
            return await keys.of_tenant(connection, tenant)


def _made(
    tenant: str, name: str, source: str, scopes: tuple[str, ...], expires_at: datetime.datetime | None, key_id: str = ""
) -> tuple[str, ApiKey]:
    """Return the text of a new key, and what is kept of it."""
    secret, at = secrets.token_bytes(32), datetime.datetime.now(datetime.UTC)
    key = ApiKey(key_id or secrets.token_hex(8), tenant, name, source, scopes, digest_of(secret), at, expires_at)
    return text_of(key.key_id, secret), key
