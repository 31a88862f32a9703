"""API keys by HTTP: an administrator of a tenant gives them to its learning systems."""

import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field

from services.evidence.domain.keys import ApiKey
from services.evidence.entrypoints.answered_people import GivenKey, Key
from services.evidence.entrypoints.answers import Id, answer
from services.evidence.formats.native import NAME_CHARS_MAX
from services.evidence.handlers.keys import Keys
from shared.auth import Identity
from shared.described import Items, answered
from shared.errors import InvalidEvent
from shared.shards import stable_id
from shared.web import Caller, Strict, Written, needs
from shared.web import Key as IdempotencyKey


class NewKey(Strict):
    """What a key is for: one source, by exactly the name that its evidence gives, for which alone it may write."""

    source: str = Field(min_length=1, max_length=NAME_CHARS_MAX, pattern=r"^[^\x00-\x1f\x7f]+$")
    name: str = Field("", max_length=100, pattern=r"^[^\x00-\x1f]*$")
    scopes: tuple[str, ...] = ("evidence:write",)
    expires_at: Annotated[datetime.datetime, Written] | None = None


class Rotation(Strict):
    """For how long the old key is good beside the new one."""

    overlap_s: int = Field(24 * 3600, ge=0, le=90 * 24 * 3600)


def keys_router(keys: Keys) -> APIRouter:
    """Return the routes on a tenant's API keys; all need scope admin."""
    router = APIRouter(tags=["keys"], dependencies=[needs("admin")])

    @router.post(
        "/v1/keys",
        status_code=201,
        responses=answered(GivenKey, "made", status=201) | answered(Key, "made before under this `Idempotency-Key`"),
    )
    async def give(caller: Caller, wanted: NewKey, idempotency_key: IdempotencyKey = "") -> Response:
        """
        Make a key. The answer is the only place where it is ever shown.

        Sent again under its `Idempotency-Key` it makes no other key and answers 200 without `key`, which is kept nowhere. If the
        first answer was lost, rotate that key without an overlap: nobody has the one that ends.
        """
        expires_at = wanted.expires_at
        if expires_at is not None and expires_at.tzinfo is None:
            expires_at = expires_at.replace(tzinfo=datetime.UTC)
        if expires_at is not None and expires_at <= datetime.datetime.now(datetime.UTC):
            raise InvalidEvent("expires_at has passed already", pointer="/expires_at")
        text, key = await keys.give(
            caller.tenant, wanted.name, wanted.source, wanted.scopes, expires_at, _key_id(caller, idempotency_key)
        )
        return answer(_shown(key)) if text is None else answer({"key": text} | _shown(key), 201)

    @router.get("/v1/keys", responses=answered(Items[Key]))
    async def listed(caller: Caller) -> Response:
        """All keys of the tenant, without what is secret of them."""
        return answer({"items": [_shown(key) for key in await keys.of_tenant(caller.tenant)]})

    @router.post("/v1/keys/{key_id}/rotate", status_code=201, responses=answered(GivenKey, "made", status=201))
    async def rotate(caller: Caller, key_id: Id, rotation: Rotation | None = None) -> Response:
        """
        Make a key that follows another: same source, scopes and end; the old one ends after the overlap.

        Sent again it is refused (409), since the old one has its end. If the answer was lost, rotate the key that it made.
        """
        overlap = datetime.timedelta(seconds=(rotation or Rotation()).overlap_s)
        text, key = await keys.rotate(caller.tenant, key_id, overlap)
        return answer({"key": text} | _shown(key), 201)

    @router.delete("/v1/keys/{key_id}", responses=answered(Key))
    async def revoke(caller: Caller, key_id: Id) -> Response:
        """Revoke a key; other processes may believe it for `token_cache_s` yet."""
        return answer(_shown(await keys.revoke(caller.tenant, key_id)))

    return router


def _key_id(caller: Identity, idempotency_key: str) -> str:
    """Return the id of the key that a request makes: the same for the same sender and `Idempotency-Key`, empty without one."""
    if not idempotency_key:
        return ""
    return stable_id(caller.tenant, caller.subject, "key", idempotency_key).replace("-", "")[-16:]


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id, "name": key.name, "source": key.source, "scopes": list(key.scopes),
        "created_at": key.created_at, "expires_at": key.expires_at, "revoked_at": key.revoked_at,
    }  # fmt: skip
