"""An answer that is computed seldom and given often: its JSON and what tells it from others are made once."""

import functools
import hashlib

import msgspec


class GivenOften(msgspec.Struct, frozen=True, dict=True):
    """Whoever has one must not change what is in it."""

    @functools.cached_property
    def content(self) -> bytes:
        """The JSON of the answer."""
        return msgspec.json.encode(self)

    @functools.cached_property
    def digest(self) -> str:
        """A text that is another for every other content."""
        return digest(self.content)


def digest(content: bytes) -> str:
    """Return 128 bits of BLAKE2b in hexadecimal."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
