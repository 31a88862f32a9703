"""Files of items: one JSON object, an array, or NDJSON; zipped or not."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import msgspec

from deploy.local.errors import StackError
from deploy.local.files.text import GZIP_MAGIC

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LINE_BYTES_MAX = 64 << 20
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
CUT_OFF = (EOFError, zlib.error, gzip.BadGzipFile)


class ItemFile:
    """
    The items of a file in its order, each as it is written there; NDJSON is read line by line, anything else whole.

    Attributes:
        lines: whether the items are NDJSON, so that one may be no JSON at all.
        size: of the file on disk, in bytes.

    Raises:
        StackError: an array that is not JSON, or a zipped file that is cut off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size
        self._raw: IO[bytes] = path.open("rb")
        zipped = self._raw.read(2) == GZIP_MAGIC
        self._raw.seek(0)
        self._file = cast(IO[bytes], gzip.GzipFile(fileobj=self._raw)) if zipped else self._raw
        try:
            self._first = self._first_line()
            start = self._first[:1]
            # An object over several lines begins with a line that is not a whole one.
            self.lines = start != b"[" and (start != b"{" or _is_json(self._first))
            self._whole = [] if self.lines else self._read_whole()
        except CUT_OFF as error:
            raise StackError(f"{path} is not whole: {error}") from error

    def position(self) -> int:
        """Return how many bytes of the file on disk have been read."""
        return self.size if self._raw.closed else self._raw.tell()

    def items(self) -> Iterator[bytes]:
        """Yield the items, once; raises `StackError` where a zipped file ends too early."""
        with self._raw:
            if self._whole:
                yield from self._whole
                return
            try:
                line = self._first
                while line:
                    if not line.isspace():
                        yield line.rstrip(b"\r\n")
                    line = self._line()
            except CUT_OFF as error:
                raise StackError(f"{self._path} is not whole: {error}") from error

    def _first_line(self) -> bytes:
        line = self._line().removeprefix(BYTE_ORDER_MARK)
        while line and line.isspace():
            line = self._line()
        return line.lstrip()

    def _line(self) -> bytes:
        line = self._file.readline(LINE_BYTES_MAX)
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            # An array on one line is read whole, whatever its length.
            if line.lstrip()[:1] != b"[":
                raise StackError(f"{self._path} has a line of over {LINE_BYTES_MAX >> 20} MiB, which is no evidence")
            line += self._file.readline()
        return line

    def _read_whole(self) -> list[bytes]:
        text = self._first + self._file.read()
        is_array = text[:1] == b"["
        try:
            if is_array:
                return [bytes(item) for item in msgspec.json.decode(text, type=list[msgspec.Raw])]
            return [bytes(msgspec.json.decode(text, type=msgspec.Raw))]
        except NOT_JSON as error:
            if is_array:
                raise StackError(f"{self._path} is not JSON: {error}") from error
        # NDJSON after all, and its first line is not JSON.
        self.lines = True
        return [line for line in text.splitlines() if line and not line.isspace()]


def with_source(item: bytes, source: str) -> bytes:
    """Return an item with this source, unless it names one or is no object."""
    try:
        content = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    except NOT_JSON:
        return item
    if "source" in content:
        return item
    return msgspec.json.encode({"source": source, **content})


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except NOT_JSON:
        return False
    return True
