"""
The errors of Attain, named by what to do about them.

    AttainError
    ├── InvalidEvent   these bytes can never be used         HTTP 422   Kafka: quarantine, go on
    ├── Refused        valid, but the rules say no           HTTP 4xx   Kafka: quarantine with the reason, go on
    ├── Conflict       someone else moved the shard          HTTP 409   retried inside, then redelivered
    └── Unavailable    a store, broker or feed is away       HTTP 503   no progress, back off, redeliver

Anything else is a bug: it fails loudly, the shard waits, nothing is skipped.
"""

from typing import Any


class AttainError(Exception):
    """The base of all expected errors; `status` is what HTTP answers."""

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, *, pointer: str | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.members = members


class InvalidEvent(AttainError):
    """The content cannot be used, now or later; `pointer` is the JSON Pointer of the fault."""

    status = 422
    title = "Invalid content"


class Refused(AttainError):
    """The content is well formed, but a rule says no."""

    status = 409
    title = "Refused"


class Unauthorized(Refused):
    """No valid token came with the request."""

    status = 401
    title = "Unauthorized"


class Forbidden(Refused):
    """The token is valid but does not give this right."""

    status = 403
    title = "Forbidden"


class NotFound(Refused):
    """There is no such thing in this tenant."""

    status = 404
    title = "Not found"


class Gone(Refused):
    """What is named was there and never will be again: an erased learner; a cursor of an earlier generation (start from 0)."""

    status = 410
    title = "Gone"


class BrokenOff(Refused):
    """The connection ended before the body did; nobody reads the answer."""

    status = 400
    title = "Broken off"


class TooSlow(Refused):
    """The body came too slowly; whoever sends it again sends it from the beginning."""

    status = 408
    title = "Request timeout"


class TooLarge(Refused):
    """The body or batch is over a limit."""

    status = 413
    title = "Too large"


class TooManyRequests(Refused):
    """The caller sends faster than it may; there is room again after `retry_after_s`."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TooManyBad(Refused):
    """Most of what a source sends is refused: it has to wait."""

    status = 429
    title = "Too many bad items"


class Conflict(AttainError):
    """Another owner moved the shards in `shards` first."""

    status = 409
    title = "Conflict"


class Unavailable(AttainError):
    """Something this service depends on is away; nothing was stored."""

    status = 503
    title = "Temporarily unavailable"
