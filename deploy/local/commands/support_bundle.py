"""`attain support-bundle`: what one who helps has to know of an installation, and nothing of anybody in it."""

import collections
import datetime
import json
import platform
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_origin

import click
import httpx
from pydantic import ValidationError

from deploy.local.client.asking import checked
from deploy.local.commands.doctor import examined
from deploy.local.commands.status import ANSWER_S_MAX, seen
from deploy.local.errors import StackError
from deploy.local.files.writing import whole
from deploy.local.home import Home
from deploy.local.log_texts import told
from deploy.local.options import Context, command_options
from deploy.local.services import SERVICES
from shared.settings import Settings, settings

LINES_MAX = 5000
"""Of each log, the last ones."""
OURS = (*SERVICES, "supervisor", "topics", *(f"migrate-{service}" for service in SERVICES))
"""The logs of a home that programs of ours write; those of Kafka and PostgreSQL quote what they are asked to store."""
ABOUT = """\
A support bundle of Attain. It has versions, settings without texts, what `attain status` and `attain doctor` say, counts over
all tenants, the metrics, and the last lines of the logs as they stand in the code. Ids, names and texts of learners, staff,
sources and tenants are left out, and so are keys, tokens, passwords and folders: … stands for what was filled in.
"""
_HIDDEN = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # ids
    r"|(?<=://)[^/\s@]+@"  # who logs in
    r"|(?<![\w:/.])(?:/[^\s/,;:'\"]+)+"  # folders, which may bear the name of a person
    r"|(?<=tenant )[a-z0-9-]+"
)


@click.command("support-bundle")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("attain-support.zip"),
              show_default=True, help="The ZIP to write.")  # fmt: skip
@click.option("--log", "logs", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A log of services that run elsewhere, as `docker compose logs` writes it; may be repeated.")  # fmt: skip
@command_options
def support_bundle(context: Context, output: Path, logs: tuple[Path, ...]) -> None:
    """
    Write a ZIP for whoever helps: versions, settings, status, what doctor finds, counts, metrics and logs, without personal data.

    Of logs the texts are kept that stand in the code; settings that are texts are told as set or not. What does not answer is
    told too, so it may be written while nothing runs.
    """
    files = {"about.txt": ABOUT} | {
        f"{name}.json": json.dumps(_answered(ask), indent=1) + "\n"
        for name, ask in {
            "versions": _versions, "settings": _settings, "status": lambda: _status(context),
            "doctor": lambda: _doctor(context),
        }.items()
    }  # fmt: skip
    files |= {f"metrics/{service}.txt": _metrics(context, service) for service in SERVICES}
    files |= {f"logs/{name}.txt": "\n".join(told(_last(file))) + "\n" for name, file in _logs(context, logs)}
    with whole(output) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    size = output.stat().st_size
    context.emit(
        {"file": str(output), "files": list(files), "bytes": size},
        f"{output}: {len(files)} files, {size:,} bytes; look through it before you hand it on",
    )


def _answered(ask: Callable[[], Any]) -> Any:
    """Return what is answered, or why nothing is."""
    try:
        return ask()
    except (StackError, httpx.HTTPError, OSError, SystemExit) as error:
        return {"error": hidden(str(error) or type(error).__name__)}


def hidden(text: str) -> str:
    """Return a text of our commands without ids, folders, tenants and who logs in."""
    return _HIDDEN.sub("…", text)


def _versions() -> dict[str, str]:
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"attain": settings().version, "python": platform.python_version(),
            "system": platform.platform(), "made_at": at}  # fmt: skip


def _settings() -> dict[str, Any]:
    """Return the settings that this command sees: numbers and choices as they are, of texts whether they are set."""
    try:
        known = settings()
    except ValidationError as error:
        return {"refused": sorted({str(fault["loc"][0]) for fault in error.errors()})}
    return {name: _setting(name, getattr(known, name)) for name in Settings.model_fields}


def _setting(name: str, value: Any) -> Any:
    field = Settings.model_fields[name]
    if isinstance(value, int | float) or get_origin(field.annotation) is Literal:
        return value
    return "as by default" if value == field.default else "set"


def _status(context: Context) -> dict[str, Any]:
    """Return what `attain status` shows, without addresses; the counts are of all tenants together."""
    found = seen(context)
    counts: dict[str, collections.Counter[str]] = {}
    for one in found.pop("reconciliation"):
        counts.setdefault(one["stage"], collections.Counter()).update(
            tenants=1, expected=one["expected"], actual=one["actual"], tenants_that_differ=int(one["difference"] != 0)
        )
    for service in found["services"]:
        service.pop("url")
        service["error"] = service["error"] and hidden(service["error"])
    return found | {"counts": counts}


def _doctor(context: Context) -> list[dict[str, Any]]:
    checks = examined(context, send=False)
    return [{"name": one.name, "ok": one.ok, "detail": hidden(one.detail), "advice": one.advice} for one in checks]


def _metrics(context: Context, service: str) -> str:
    """Return the metrics of a service: none has a label that tells of a tenant or a person."""
    try:
        with context.client(service, scope="service", timeout_s=ANSWER_S_MAX) as client:
            return checked(client.get("/metrics")).text
    except (StackError, httpx.HTTPError) as error:
        return f"# {hidden(str(error) or type(error).__name__)}\n"


def _logs(context: Context, given: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the logs with their names in the bundle: those of the home, and those given, by number."""
    if not context.remote:
        folder = Home(context.home).logs
        yield from ((name, folder / f"{name}.log") for name in OURS if (folder / f"{name}.log").exists())
    yield from ((f"given-{number}", file) for number, file in enumerate(given, start=1))


def _last(log: Path) -> Sequence[str]:
    with log.open(encoding="utf-8", errors="replace") as lines:
        return collections.deque(lines, LINES_MAX)
