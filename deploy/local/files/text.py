"""Text files as people have them: UTF-8, or UTF-16 and UTF-32 with or without a byte order mark; zipped or not."""

import codecs
import json
import zlib
from pathlib import Path

from deploy.local.errors import StackError

BYTES_MAX = 64 << 20
GZIP_MAGIC = b"\x1f\x8b"
WINDOWS_1252 = "attain.windows-1252"


def read_text(file: Path, problems: list[str] | None = None) -> str:
    """
    Return the text of a file.

    Spreadsheets save Windows-1252, and files that were put together mix it with UTF-8. With `problems`, bytes that are no
    UTF-8 are taken for it and noted there.

    Raises:
        StackError: too large, zipped but not whole, or, without `problems`, in no encoding of Unicode.
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
        if problems is None or not encoding.startswith("utf-8"):
            raise StackError(f"{file} is not {encoding.upper()}: {error.reason} at byte {error.start}") from error
        problems.append(
            f"{file.name}: not UTF-8 throughout, first at byte {error.start}; what is not is read as Windows-1252"
        )
    return data.decode("utf-8", WINDOWS_1252).removeprefix("\ufeff")


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Return the bytes at an error as Windows-1252, for `codecs.register_error`; five bytes mean nothing in it."""
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(WINDOWS_1252, _as_windows_1252)
