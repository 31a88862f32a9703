"""Subscriptions to public events: what each is for, what it is sent, how that is signed, and when it is tried again."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from shared.contracts.public_events import ERASED
from shared.contracts.public_members import Placement, Ref

Failure = Literal["refused", "unwell", "gone"]
"""The receiver will not take this event; it cannot take any now; it wants no more."""
RETRY_LATER = (408, 425, 429)
GONE = 410


class Former(NamedTuple):
    """A secret that was changed and signs beside the one that came for it, until its time is over."""

    key: str
    secret: bytes


class Subscription(msgspec.Struct, frozen=True):
    """
    An agreement to send events to a receiver.

    `purpose` says what for. `types` are kinds such as `competency.mastered` or `level.*`, `frameworks` ids; empty is all. Who
    learners are is told whatever they say: whoever keeps what was sent has to hear that they are merged, or erased.
    `source` is whose own learner ids are added to what is sent, and nobody else's. `key` names `secret`; `former`
    signs too.
    """

    id: str
    tenant: str
    name: str
    url: str
    purpose: str
    types: tuple[str, ...]
    frameworks: tuple[str, ...]
    source: str
    key: str
    secret: bytes
    former: Former | None = None

    def wants(self, type: str, framework: str) -> bool:
        """Tell whether an event of a type (`attain.<kind>.<name>.v1`) on a framework is within the scope."""
        return in_scope(self.types, self.frameworks, type, framework)


def in_scope(types: Sequence[str], frameworks: Sequence[str], type: str, framework: str) -> bool:
    """Tell whether an event is of some kinds and frameworks, as `Subscription` has them."""
    kind = kind_of(type)
    of_type = not types or kind.startswith("learner.") or any(fits(pattern, kind) for pattern in types)
    return of_type and (not framework or not frameworks or framework in frameworks)


def kind_of(type: str) -> str:
    """Return the kind of an event type: `competency.mastered` of `attain.competency.mastered.v1`."""
    return type.removeprefix("attain.").rpartition(".")[0]


def fits(pattern: str, kind: str) -> bool:
    """Tell whether a kind is the pattern, or lies under a pattern that ends with `.*`."""
    return kind == pattern or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))


def signature(to: Subscription, at: int, body: bytes) -> str:
    """
    Return the header `Attain-Signature` of a body sent at a Unix second: `t=<second>,k=<key id>,v1=<hex>`.

    The signature is HMAC-SHA256 over `<second>.<key id>.<body>`: a receiver that checks the time refuses replays. A former
    secret's `k` and `v1` come behind: who reads one pair of several, as into a dictionary, reads the one that is known there.
    """
    pairs = [(to.key, to.secret)] + ([to.former] if to.former else [])
    return ",".join([f"t={at}", *(f"k={key},v1={_signed(secret, key, at, body)}" for key, secret in pairs)])


def _signed(secret: bytes, key: str, at: int, body: bytes) -> str:
    return hmac.new(secret, f"{at}.{key}.".encode() + body, hashlib.sha256).hexdigest()


def failure_of(status: int) -> Failure | None:
    """Return what an HTTP status says of a delivery, None where it was taken; a redirect is never followed."""
    if 200 <= status < 300:
        return None
    if status == GONE:
        return "gone"
    return "refused" if 400 <= status < 500 and status not in RETRY_LATER else "unwell"


def delay_s(attempts: int, base_s: float, longest_s: float, chance: float) -> float:
    """Return how long to wait after so many failures: twice as long each time, less up to half of it by `chance` in 0..1."""
    return float(min(longest_s, base_s * 2 ** min(attempts - 1, 40)) * (1 - chance / 2))


class Address(msgspec.Struct, frozen=True):
    """What one receiver alone is told of a learner whom it knows: its own ids, and where the roster places them."""

    refs: tuple[Ref, ...] = ()
    placement: Placement | None = None


def addressed(body: bytes, address: Address) -> bytes:
    """Return a stored event with what its receiver alone is told of the learner in it; of an erased one that is nothing."""
    event: dict[str, Any] = msgspec.json.decode(body)
    if "learner" in event["data"] and event["type"] != ERASED:
        event["data"]["learner"]["refs"] = address.refs
        event["data"]["placement"] = address.placement
    return msgspec.json.encode(event)
