"""Text files as people have them: UTF-8, or UTF-16 and UTF-32 with or without a byte order mark; zipped or not."""

import json
import zlib
from pathlib import Path

from deploy.local.errors import StackError

BYTES_MAX = 64 << 20
GZIP_MAGIC = b"\x1f\x8b"


def read_text(file: Path) -> str:
    """
    Return the text of a file.

    Raises:
        StackError: too large, zipped but not whole, or in no encoding of Unicode.
    """
    with file.open("rb") as opened:
        data = opened.read(BYTES_MAX + 1)
    if data[:2] == GZIP_MAGIC:
        inflate = zlib.decompressobj(wbits=31)
        try:
            data = inflate.decompress(data, BYTES_MAX + 1)
        except zlib.error as error:
            raise StackError(f"{file} is not whole: {error}") from error
        if len(data) <= BYTES_MAX and not inflate.eof:
            raise StackError(f"{file} is not whole: it ends too early")
    if len(data) > BYTES_MAX:
        raise StackError(f"{file} is over {BYTES_MAX >> 20} MiB")
    # Any text that begins with an ASCII character shows its encoding as JSON does (RFC 4627, section 3).
    encoding = json.detect_encoding(data)
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise StackError(f"{file} is not {encoding.upper()}: {error.reason} at byte {error.start}") from error
