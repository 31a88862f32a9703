"""Cursors of the public feed: a position in every shard, opaque to whoever holds one."""

import base64
from typing import Annotated

import msgspec

from shared.errors import Gone, InvalidEvent
from shared.event_log import Head

Pos = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


def write_cursor(positions: dict[int, int], generation: int) -> str:
    """Return the token of a position in every shard."""
    content = msgspec.msgpack.encode([generation, [positions[shard] for shard in sorted(positions)]])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def read_cursor(token: str, heads: dict[int, Head]) -> dict[int, int]:
    """
    Return the positions of a token; the beginning for an empty one.

    Raises:
        InvalidEvent: it is not a cursor of this feed.
        Gone: the log has begun anew since.
    """
    if not token:
        return dict.fromkeys(heads, 0)
    try:
        content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        of, positions = msgspec.msgpack.decode(content, type=tuple[int, list[Pos]])
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidEvent("not a cursor of this feed", pointer="/after") from error
    if of != generation_of(heads) or len(positions) != len(heads):
        raise Gone("the cursor is of an earlier generation: start again without one")
    return dict(enumerate(positions))


def generation_of(heads: dict[int, Head]) -> int:
    """Return the generation of the log."""
    return max(head.generation for head in heads.values())


def head_cursor(heads: dict[int, Head]) -> str:
    """Return the token behind which there is nothing yet."""
    return write_cursor({shard: head.pos for shard, head in heads.items()}, generation_of(heads))
