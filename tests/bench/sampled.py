"""
A program under a sampling profiler: `python -m tests.bench.sampled OUT MODULE` writes what was on the stack to OUT at its end.

Each `EVERY_S` of the process's CPU the frames of the main thread are noted, from the first one inside `BEGINS` on, so that
starting is left out. What is spent in C counts for the Python function that called it, and what the standard library does for
whoever called that.
"""

import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY_S = 0.002
BEGINS = ("services.progression.handlers.fold", "MasteryFold.fold")
OURS = ("services.", "shared.")
LOOP = {"uvicorn", "uvloop", "asyncio"}
"""Where nothing else is on the stack, the loop itself worked."""


class Sampler:
    """Counts samples by function, and by the part that called it last."""

    def __init__(self) -> None:
        self.functions = Counter[str]()
        self.parts = Counter[str]()
        self._begun = False

    def take(self, _: int, frame: FrameType | None) -> None:
        """Note the stack of a sample."""
        stack = []
        while frame is not None:
            stack.append((frame.f_globals.get("__name__", ""), frame.f_code.co_qualname))
            frame = frame.f_back
        self._begun = self._begun or BEGINS in stack
        if self._begun and stack:
            self.functions[".".join(stack[0])] += 1
            self.parts[_part([module for module, _ in stack])] += 1


def _part(modules: list[str]) -> str:
    """Return the innermost module of ours or package of others; the standard library works for whoever called it."""
    for module in modules:
        package = module.partition(".")[0]
        if module.startswith(OURS) and module != "shared.service":
            parts = module.split(".")
            return ".".join(parts[: 3 if parts[0] == "services" else 2])
        if package in LOOP or module == "shared.service":
            continue
        # A named tuple's module is its own name.
        if package not in sys.stdlib_module_names and not package.startswith(("namedtuple_", "__")):
            return package
    return "event loop"


def main() -> None:
    """Run the module as a program of its own."""
    output, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.take)
    # A server that has stopped in order ends by the signal that stopped it; the samples are to be written before.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        output.write_text(json.dumps({"functions": sampler.functions, "parts": sampler.parts}))


if __name__ == "__main__":
    main()
