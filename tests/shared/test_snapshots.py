"""The digests of a term snapshot, worked by hand: anyone who has the standings gets them with any SHA-256."""

import hashlib

from shared.contracts.snapshots import Ended, digest_after, digest_of

STANDINGS = [
    Ended("level", "math#Math/3", "advanced", "0e6dfb62-52a2-5a4b-8f4f-7a0a7f0b0c11"),
    Ended("competency", "math:b", "not_yet", ""),
    Ended("competency", "math:a", "mastered", "2026-03-02T10:00:02.000000Z"),
    Ended("competency", "math:\u00e4", "mastered", "2026-03-02T10:00:02.000000Z"),
]
LINES = (
    b"competency\tmath:a\tmastered\t2026-03-02T10:00:02.000000Z\n"
    b"competency\tmath:b\tnot_yet\t\n"
    b"competency\tmath:\xc3\xa4\tmastered\t2026-03-02T10:00:02.000000Z\n"
    b"level\tmath#Math/3\tadvanced\t0e6dfb62-52a2-5a4b-8f4f-7a0a7f0b0c11\n"
)


def test_a_digest_is_that_of_the_sorted_lines() -> None:
    assert digest_of(STANDINGS) == digest_of(reversed(STANDINGS)) == hashlib.sha256(LINES).hexdigest()
    assert digest_of(()) == hashlib.sha256(b"").hexdigest()


def test_an_amendment_goes_on_from_the_digest_before() -> None:
    before, line = digest_of(STANDINGS), b"competency\tmath:a\tnot_yet\t\n"
    now = Ended("competency", "math:a", "not_yet", "")

    assert digest_after(before, now) == hashlib.sha256(before.encode() + b"\n" + line).hexdigest()
    assert digest_after(before, now) != digest_after(digest_after(before, now), now)
