"""
The history of a run, as JSON lines in Jepsen's words: what was invoked, what came of it, what was broken, what was read.

A line has `time` (seconds since the start), `process`, `type` (invoke, ok, fail, info), `f` and `value`:

- submit: invoke has the batch number and the items; ok the item statuses and positions (HTTP) or nothing (Kafka); info means
  that the outcome is unknown and the batch is sent again.
- enrol (process roster): ok has the learner, the class and whether the one is in the other.
- start, stop (process nemesis): the name of the fault.
- fences: by process, how often it has found that another owns its shards.
- drained: seconds from the end of the last fault until nothing was left to do.
- read (invoke): last reads begin, and replace earlier ones: log, states, topic, verify; see `reading`.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class Op(msgspec.Struct, frozen=True):
    """A line of a history."""

    time: float
    process: str
    type: str
    f: str
    value: Any = None


class History:
    """Writes a history."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._started = time.monotonic()

    def add(self, process: str, type: str, f: str, value: object = None) -> None:
        """Append a line."""
        line = _encode(Op(round(time.monotonic() - self._started, 4), process, type, f, value))
        self._file.write(line + b"\n")

    def flush(self) -> None:
        """Let a reader see what was added."""
        self._file.flush()

    def close(self) -> None:
        """Write what is left, and no more."""
        self._file.close()


def read(path: Path) -> Iterator[Op]:
    """
    Yield the lines of a history.

    Raises:
        ValueError: a line is not of its form; names it.
    """
    decode = msgspec.json.Decoder(Op).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield decode(line)
            except msgspec.DecodeError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
