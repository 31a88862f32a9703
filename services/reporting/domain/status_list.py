"""
A status list: one bit a credential, set where it is revoked.

Source: W3C Bitstring Status List v1.0: 131,072 entries or more, so that who asks for the list does not tell about whom;
bit 0 is the leftmost; GZIP, then base64url without padding under the multibase prefix `u`.
"""

import base64
import gzip
from collections.abc import Iterable

ENTRIES = 131_072
"""Entries of a list."""
FULL = ENTRIES // 2
"""Entries after which a new list is begun: so long, a random index is free at the first or second draw."""


def encoded(revoked: Iterable[int]) -> str:
    """Return the list in which these indexes are revoked, as `encodedList`."""
    bits = bytearray(ENTRIES // 8)
    for index in revoked:
        bits[index >> 3] |= 0x80 >> (index & 7)
    # Without a time in its header the same list is the same text.
    return "u" + base64.urlsafe_b64encode(gzip.compress(bytes(bits), mtime=0)).decode().rstrip("=")
