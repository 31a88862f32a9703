"""How answers are written, and what parameters of routes look like."""

import uuid
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Response

from services.evidence.handlers.intake import Item
from shared.described import PROBLEM_CONTENT, Items, answers, json_content, schema_of
from shared.errors import Forbidden, InvalidEvent, TooLarge

Limit = Annotated[int, Query(ge=1, le=10_000)]
After = Annotated[int, Query(ge=0, le=(1 << 63) - 1, description="`next` of the page before")]
Text = Annotated[str, Query(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f]*$")]
STATUS = {"accepted": 201, "corrected": 201, "duplicate": 200, "acknowledged": 200, "parked": 202}
Id = Annotated[str, Path(description="a UUID")]
_ITEM = schema_of(Item, answered=True)
ANSWERED: dict[int | str, dict[str, Any]] = {
    200: answers(
        "The same again, acknowledged, or an answer for each item of a batch",
        {"oneOf": [_ITEM, schema_of(Items[Item], answered=True)]},
    ),
    201: answers("Durable; `corrected` where it supersedes or retracts", _ITEM),
    202: answers("Durable, and waits for a competency or an alignment", _ITEM),
    409: answers("The same id with other content", _ITEM),
    422: {"description": "Rejected, with the member at fault", "content": PROBLEM_CONTENT | json_content(_ITEM)},
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
    """
    if item.reason == "forbidden_source":
        raise Forbidden(item.detail or "", pointer=item.pointer)
    if item.reason == "too_large":
        raise TooLarge(f"the item is {item.detail}", reason=item.reason)
    if item.status == "rejected":
        return answer(item, 409 if item.reason == "conflict" else 422)
    return answer(item, STATUS[item.status])
