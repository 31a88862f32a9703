"""Badges signed one after the other in one process: each made, canonicalised and signed with its place in a status list."""

import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.reporting.domain.achieved import Achieved, Basis
from services.reporting.domain.credentials import Holder, Issuer, Place, Target, badge
from services.reporting.handlers.signing import Key, base58, did_key, method_of, signed
from tests.bench.figures import Figure

BADGES = 300
AT, UNTIL = "2026-03-05T00:00:00Z", "2031-03-05T00:00:00Z"


def signing() -> Figure:
    """Return badges a second on one core."""
    private = Ed25519PrivateKey.generate()
    key = Key(private, "z" + base58(b"\xed\x01" + private.public_key().public_bytes_raw()))
    issuer, holder = Issuer(did_key(key), "Bench"), Holder("0b9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c", "")
    target = Target("Mathematics", "6b9f2a3e-0d6c-11e8-ba89-0ed5f89f718b")
    _sign(0, key, issuer, holder, target)
    started = time.process_time()
    for number in range(BADGES):
        _sign(number, key, issuer, holder, target)
    return Figure("signing", BADGES / (time.process_time() - started), "badges/s", {}, {"badges": BADGES})


def _sign(number: int, key: Key, issuer: Issuer, holder: Holder, target: Target) -> None:
    shown = Achieved(
        f"9e0c1b52-1f0b-5d7e-8a55-{number:012}", "competency.mastered", f"bench:{number}", "bench", str(number),
        f"Competency {number}", "Mathematics", AT, AT,
        Basis(pieces=3, occasions=2, first_at=AT, last_at=AT, digest="d1"),
        ("classroom", "5f1c09ab77d2"), "The rule of the policy is met.", "",
    )  # fmt: skip
    place = Place("https://records.example.org/v1/credentials/status/bench/ab/0", number)
    signed(badge(issuer, holder, shown, target, place, AT, UNTIL, "UTC"), key, method_of(issuer.id, key), AT)
