"""Imports during which Ctrl-C ends `attain` in one line: most of the first second of a command is imports."""

import importlib
import os
import signal
import sys
from types import FrameType, ModuleType


def imported(name: str) -> ModuleType:
    """
    Return a module, and end the process at once if Ctrl-C comes before it is there.

    An exception would be lost where Python runs callbacks of the import itself: it prints a traceback, and goes on.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return importlib.import_module(name)
    try:
        signal.signal(signal.SIGINT, _end)
    except ValueError:
        # Not the main thread, to which no signal comes.
        return importlib.import_module(name)
    try:
        return importlib.import_module(name)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    sys.stderr.write("attain: interrupted\n")
    sys.stderr.flush()
    os._exit(130)
