"""
What a log may say to somebody outside: the texts that stand in the code, without what was filled into them.

Names, ids and texts of tenants come into a log only where a text of ours has a place for them, and in what other programs write.
So an entry is told as the text in the code that made it, a traceback as its places in our code and its kind of error, and
whatever else is there as a number of lines.
"""

import ast
import functools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from deploy.local.services import SERVICES, TREE
from shared.observability import OWN_LOGGERS, PLACES
from shared.topics import TOPICS

PACKAGES = ("deploy", "services", "shared")
WRITERS = frozenset(
    ("debug", "info", "warning", "error", "exception", "critical", "log_failure", "say", "_say", "_log")
)
"""What writes its first argument to a log, by whatever object it is called."""
NAMED_LOGGERS = frozenset((*OWN_LOGGERS, "aiokafka", "asyncio", "faststream", "uvicorn"))
"""Of entries of libraries it is told that there were some; what they say is theirs."""
LEFT_OUT = "…"
LINE_CHARS_MAX = 4000
SHOWN_PLACES = tuple(name for name in PLACES if name != "tenant")

_FILLED = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]")
_ENTRY = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d+)?) (?:(?P<level>[A-Z]+) (?P<logger>[\w.]+) )?(?P<message>.*)"
)
_TIME = re.compile(r"[\dT:.+-]+")
_LEVEL = re.compile(r"DEBUG|INFO|WARNING|ERROR|CRITICAL")
_OF_CONTAINER = re.compile(r"[\w.-]+\s+\| ")
"""What `docker compose logs` puts before each line."""
_FRAME = re.compile(r'\s*File ".*/((?:deploy|services|shared)/[\w/]+\.py)", line (\d+), in ([\w<>]+)')
_KIND = re.compile(r"(?:\w+\.)*([A-Z]\w*(?:Error|Exception|ExceptionGroup|Conflict|Refused|Unavailable|NotFound))")
_NUMBERS = re.compile(r"-?[\d.]{1,9}|[\[{][\d ,:]*[\]}]")
_WORDS = {*SERVICES, *(word for topic in TOPICS for word in topic.log.split(".")), "relay", "decisions", "support"}


def told(lines: Iterable[str]) -> Iterator[str]:
    """Yield what may be told of the lines of a log, in their order."""
    left_out = 0
    for line in lines:
        said = _line(_OF_CONTAINER.sub("", line.rstrip("\n"), count=1)[:LINE_CHARS_MAX])
        if not said:
            left_out += 1
            continue
        if left_out:
            yield f"({left_out} more lines)"
            left_out = 0
        yield from said
    if left_out:
        yield f"({left_out} more lines)"


def _line(line: str) -> list[str]:
    if line.startswith("{"):
        return _json_entry(line)
    if entry := _ENTRY.fullmatch(line):
        return [_entry(entry["time"], entry["level"] or "", entry["logger"] or "", entry["message"])]
    return _of_traceback(line)


def _json_entry(line: str) -> list[str]:
    try:
        entry = json.loads(line)
        time, level, logger, message = (str(entry[name]) for name in ("time", "level", "logger", "message"))
    except (ValueError, KeyError, TypeError):
        return []
    if not _TIME.fullmatch(time):
        return []
    places = "".join(f" {name}={_filled(str(entry[name]))}" for name in SHOWN_PLACES if name in entry)
    frames = [said for frame in str(entry.get("traceback", "")).splitlines() for said in _of_traceback(frame)]
    return [_entry(time, level, logger, message) + places, *frames]


def _entry(time: str, level: str, logger: str, message: str) -> str:
    known = logger.split(".", maxsplit=1)[0] in NAMED_LOGGERS
    named = [
        level if _LEVEL.fullmatch(level) else "",
        logger if known and logger.replace(".", "").isidentifier() else "",
    ]
    return " ".join(filter(None, [time, *named, as_in_code(message)]))


def _of_traceback(line: str) -> list[str]:
    if (frame := _FRAME.fullmatch(line)) and (TREE / frame[1]).is_file():
        return [f"  {frame[1]}:{frame[2]} in {frame[3]}"]
    kind, colon, _ = line.partition(":")
    return [f"  {kind}{colon and ': '}{colon and LEFT_OUT}"] if _KIND.fullmatch(kind) else []


def as_in_code(message: str) -> str:
    """
    Return a message as it stands in the code that wrote it; numbers, kinds of errors and our own names stay in it.

    One that no code of ours has is left out.
    """
    for pattern, parts in _texts():
        if found := pattern.fullmatch(message):
            filled = [*map(_filled, found.groups()), ""]
            return "".join(part + value for part, value in zip(parts, filled, strict=True))
    return LEFT_OUT


def _filled(value: str) -> str:
    ours = all(word in _WORDS for word in re.split(r"[.-]", value))
    return value if ours or _NUMBERS.fullmatch(value) or _KIND.fullmatch(value) else LEFT_OUT


@functools.cache
def _texts() -> Sequence[tuple[re.Pattern[str], tuple[str, ...]]]:
    """Return what stands around the filled places of each text that the code logs, with its pattern; the longest come first."""
    found = {parts for package in PACKAGES for file in (TREE / package).rglob("*.py") for parts in _logged_in(file)}
    ordered = sorted(found, key=lambda parts: (-sum(map(len, parts)), parts))
    return [(re.compile("(.*?)".join(map(re.escape, parts)), re.DOTALL), parts) for parts in ordered]


def _logged_in(file: Path) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Call) and node.args and _called(node.func) in WRITERS:
            parts = _parts(node.args[0])
            if any(map(str.strip, parts)):
                yield parts


def _called(function: ast.expr) -> str:
    return getattr(function, "attr", "") or getattr(function, "id", "")


def _parts(text: ast.expr) -> tuple[str, ...]:
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        return tuple(_FILLED.split(text.value))
    parts = [""]
    for piece in text.values if isinstance(text, ast.JoinedStr) else ():
        if isinstance(piece, ast.Constant):
            parts[-1] += str(piece.value)
        else:
            parts.append("")
    return tuple(parts)
