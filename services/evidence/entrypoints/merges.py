"""Learners who turn out to be one person, and who turn out not to be."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from services.evidence.domain import text_forms
from services.evidence.entrypoints.answers import Id, answer, as_uuid
from services.evidence.formats.json_text import check, decoded
from services.evidence.handlers.merging import Merged, Merging
from shared.described import answered, reads, schema_of
from shared.settings import Settings
from shared.web import Caller, read_body


class _Merge(msgspec.Struct, forbid_unknown_fields=True):
    into: str
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=text_forms.NO_NUL)]


_decode_merge = msgspec.json.Decoder(_Merge).decode


def _merge(body: bytes) -> _Merge:
    asked = decoded(_decode_merge, body)
    check(body)
    return asked


def merges_router(merging: Merging, settings: Settings) -> APIRouter:
    """Return the routes that merge learners and undo it."""
    router = APIRouter(tags=["learners"])

    @router.post(
        "/v1/learners/{learner}/merge",
        responses=answered(Merged),
        openapi_extra=reads({"application/json": schema_of(_Merge)}),
    )
    async def merge(learner: Id, request: Request, caller: Caller) -> Response:
        """
        Give the identities and evidence of a learner to another, who is the same person; can be undone.

        Sent again while that is in force, it moves nothing and answers with the same merge; `pieces` counts what has come since.
        """
        caller.require("admin")
        learner = as_uuid(learner, "learner")
        asked = _merge(await read_body(request, settings))
        into = as_uuid(asked.into, "into")
        return answer(await merging.merge(caller.tenant, learner, into, reason=asked.reason, by=caller.subject))

    @router.post("/v1/merges/{merge}/undo", responses=answered(Merged))
    async def undo(merge: Id, caller: Caller) -> Response:
        """
        Give back what a merge moved, and what came since by the identities that it moved.

        Sent again it moves nothing: there is no such merge in force any more (404).
        """
        caller.require("admin")
        return answer(await merging.undo(caller.tenant, as_uuid(merge, "merge"), by=caller.subject))

    return router
