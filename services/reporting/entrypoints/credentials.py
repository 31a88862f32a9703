"""Routes on the record that travels: signed, and revocable by lists that anybody may read."""

import asyncio
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from services.reporting.entrypoints.asking import ETAG, NOT_MODIFIED, Waited, answer, part
from services.reporting.entrypoints.examples import AFFECTED
from services.reporting.handlers.credentials import SCOPES_MAX, Affected, CredentialReader, Transcript
from services.reporting.web.rendering import Words, choose_language
from shared.described import Items, answered, headers_of, text_of
from shared.web import Caller, Strict, needs

router = APIRouter(tags=["credentials"])
Credentials = Annotated[CredentialReader, part("credentials")]
Tenant = Annotated[str, Path(pattern="^[a-z0-9-]{1,63}$")]
MEDIA_TYPE, DID_DOCUMENT = "application/vc", "application/did+json"


def _kept(media_type: str) -> dict[int | str, dict[str, Any]]:
    content = {media_type: {"schema": {"type": "object"}}}
    return {200: {"description": "as asked", "headers": headers_of(ETAG), "content": content}} | NOT_MODIFIED


_SIGNED = _kept(MEDIA_TYPE)


@router.get("/v1/learners/{learner}/credential", response_class=Response, responses=_SIGNED)
async def credential(
    request: Request, caller: Waited, reads: Credentials, learner: str, framework: str | None = None
) -> Response:
    """
    A learner's record, signed: a Comprehensive Learner Record 2.0 with an Open Badge 3.0 for each achievement.

    With `framework` of that one alone. The status lists that it names say what is revoked later.
    """
    answered = answer(request, await reads.record(caller, learner, framework))
    answered.headers["Content-Type"] = MEDIA_TYPE
    answered.headers["Content-Disposition"] = f'attachment; filename="record-{learner[:36]}.json"'
    return answered


@router.get("/v1/learners/{learner}/transcript", response_class=Response, responses=text_of("application/pdf"))
async def transcript(
    request: Request, caller: Waited, reads: Credentials, learner: str, lang: Annotated[str, Query(max_length=8)] = ""
) -> Response:
    """A learner's transcript to print, as PDF; `lang` is en or es, else what the caller accepts."""
    words = Words(choose_language(lang, None, request.headers.get("accept-language")), caller.time_zone)
    told = await reads.transcript(caller, learner)
    content = await asyncio.to_thread(_pdf, told, words, request.app.state.settings.transcript_font)
    headers = {
        "Content-Disposition": f'inline; filename="transcript-{learner[:36]}.pdf"', "Cache-Control": "private, no-cache"
    }  # fmt: skip
    return Response(content, headers=headers, media_type="application/pdf")


def _pdf(transcript: Transcript, words: Words, font: File | None) -> bytes:
    # Fonts and images take 18 MB and a fifth of a second, which a service that prints nothing is spared.
    from services.reporting.web.transcript import pdf

    return pdf(transcript, words, font)


@router.get("/v1/credentials/status/{tenant}/{issuer}/{number}", response_class=Response, responses=_SIGNED)
async def status_list(request: Request, reads: Credentials, tenant: Tenant, issuer: str, number: int) -> Response:
    """A list of one bit a credential, set where it is revoked; signed, and open to every verifier."""
    return _public(request, await reads.status_list(tenant, issuer, number), MEDIA_TYPE)


@router.get("/{tenant}/did.json", response_class=Response, responses=_kept(DID_DOCUMENT))
async def did(request: Request, reads: Credentials, tenant: Tenant) -> Response:
    """The public keys of a tenant's did:web, those of earlier times too; open to every verifier."""
    return _public(request, await reads.did(tenant), DID_DOCUMENT)


def _public(request: Request, document: object, media_type: str) -> Response:
    answered = answer(request, document)
    answered.headers["Content-Type"] = media_type
    answered.headers["Cache-Control"] = f"public, max-age={request.app.state.settings.status_list_s}"
    answered.headers["Access-Control-Allow-Origin"] = "*"
    return answered


class Pair(Strict):
    """A learner's competency or level."""

    learner: Annotated[str, Field(max_length=512)]
    scope: Annotated[str, Field(max_length=512)]


class Withdrawn(Strict):
    """What would be withdrawn."""

    items: Annotated[list[Pair], Field(max_length=SCOPES_MAX)]


@router.post(
    "/v1/credentials/affected", responses=answered(Items[Affected], example=AFFECTED), dependencies=[needs("admin")]
)
async def affected(request: Request, caller: Caller, reads: Credentials, body: Withdrawn) -> Response:
    """The credentials that would be revoked if these were withdrawn: whom to tell."""
    return answer(request, {"items": await reads.affected(caller, [(pair.learner, pair.scope) for pair in body.items])})
