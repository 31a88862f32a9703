"""The closing of terms over HTTP."""

import re
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, Field

from services.progression.entrypoints.answered_rules import TermClosed
from services.progression.handlers.decisions import Decisions
from shared.described import answered
from shared.web import Caller, Strict, needs

TERM = r"^[\w(][\w .,:()+-]*$"
"""What a term may be called: it stands in the paths of what is read of it."""


def _name(text: str) -> str:
    if not re.search(TERM, text):
        raise ValueError(
            "the name of a term begins with a letter, a digit or ( and has only those, spaces and . , : ( ) + - _,"
            " such as 2026-27 autumn"
        )
    return text


class Term(Strict):
    """A term by the name that the school gives it, such as `2026-27 autumn`."""

    name: Annotated[str, Field(max_length=80, json_schema_extra={"pattern": TERM}), AfterValidator(_name)]


def terms_router(decisions: Decisions) -> APIRouter:
    """Return the route that closes a term; it needs scope policy:write or admin."""
    router = APIRouter(tags=["terms"], dependencies=[needs("policy:write", "admin")])

    @router.post("/v1/terms", responses=answered(TermClosed))
    async def close(body: Term, caller: Caller) -> dict[str, Any]:
        """
        Close a term: keep what is on every record now. Answers when every shard has folded it.

        A term is closed once and for all; whoever asks again is answered as the first time.
        """
        decided, positions = await decisions.close_term(caller.tenant, body.name, caller.subject)
        await decisions.until_folded(positions)
        return decided

    return router
