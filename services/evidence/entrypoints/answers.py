"""How answers are written, and what parameters of routes look like."""

import uuid
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Response

from services.evidence.handlers.intake import Item
from shared.described import PROBLEM, Items, ProblemDetails, answers, schema_of
from shared.errors import Forbidden, InvalidEvent, Refused, TooLarge

Limit = Annotated[int, Query(ge=1, le=10_000)]
After = Annotated[int, Query(ge=0, le=(1 << 63) - 1, description="`next` of the page before")]
Text = Annotated[str, Query(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f]*$")]
STATUS = {"accepted": 201, "corrected": 201, "duplicate": 200, "acknowledged": 200, "parked": 202}
Id = Annotated[str, Path(description="a UUID")]


class ItemProblem(ProblemDetails):
    """Why the only item of a request is refused: as in a batch, but that `status` is that of HTTP."""

    id: str | msgspec.UnsetType = msgspec.UNSET
    evidence_id: str | msgspec.UnsetType = msgspec.UNSET


_ITEM = schema_of(Item, answered=True)
_REFUSED = {PROBLEM: {"schema": schema_of(ItemProblem, answered=True)}}
ANSWERED: dict[int | str, dict[str, Any]] = {
    200: answers(
        "The same again, acknowledged, or an answer for each item of a batch",
        {"oneOf": [_ITEM, schema_of(Items[Item], answered=True)]},
    ),
    201: answers("Durable; `corrected` where it supersedes or retracts", _ITEM),
    202: answers("Durable, and waits for a competency or an alignment", _ITEM),
    409: {"description": "The same id with other content", "content": _REFUSED},
    422: {"description": "Rejected, with the member at fault", "content": _REFUSED},
}
"""How the document describes what became of what was sent."""


def answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON, encoded once and not validated again."""
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def as_uuid(text: str, name: str) -> str:
    """
    Return an id in its canonical form.

    Raises:
        InvalidEvent: it is not a UUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise InvalidEvent(f"{name} is not a UUID", pointer=f"/{name}") from error


def answer_one(item: Item) -> Response:
    """
    Answer for one item by its status.

    Raises:
        Forbidden, TooLarge: the item was refused for its source or size.
        Refused, InvalidEvent: it was, for another content under its id, or for its own.
    """
    if item.reason == "forbidden_source":
        raise Forbidden(item.detail or "", pointer=item.pointer)
    if item.reason == "too_large":
        raise TooLarge(f"the item is {item.detail}", reason=item.reason)
    if item.status == "rejected":
        refusal = Refused if item.reason == "conflict" else InvalidEvent
        raise refusal(
            item.detail or refusal.title,
            pointer=item.pointer,
            reason=item.reason,
            id=item.id,
            evidence_id=item.evidence_id,
        )
    return answer(item, STATUS[item.status])
