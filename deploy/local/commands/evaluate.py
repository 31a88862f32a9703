"""`attain evaluate`: golden cases through the product's own functions."""

from pathlib import Path
from typing import Any

import click
import msgspec

from deploy.local.errors import StackError
from deploy.local.golden import LATER, answer
from deploy.local.options import Context, command_options

CASES_BYTES_MAX = 64 << 20


class Case(msgspec.Struct):
    """One case: what is asked of which method, and what is to come out, each number within `tol`."""

    id: str
    method: str
    expect: dict[str, Any]
    params: dict[str, Any] = {}
    input: dict[str, Any] = {}
    tol: float = 0.0


@click.command()
@click.argument("cases", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@command_options
def evaluate(context: Context, cases: Path) -> None:
    """
    Run golden cases through the product's own functions.

    CASES is a JSON array of objects with id, method, params, input, expect and tol. A case passes when everything that it
    expects comes out. Exit code 1 when one fails; cases of what is not built yet are counted apart.
    """
    read = read_cases(cases)
    results = [judge(case) for case in read]
    counts = {
        "passed": sum(result["ok"] is True for result in results),
        "failed": sum(result["ok"] is False for result in results),
        "not_built": sum(result["ok"] is None for result in results),
    }
    context.emit({**counts, "cases": results}, _text(counts, read, results))
    if counts["failed"]:
        click.get_current_context().exit(1)


def read_cases(file: Path) -> list[Case]:
    """Return the cases of a file; raises `StackError` where it holds none."""
    if file.stat().st_size > CASES_BYTES_MAX:
        raise StackError(f"{file} is over {CASES_BYTES_MAX >> 20} MiB")
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[Case])
    except OSError as error:
        raise StackError(f"{file} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StackError(f"{file} is not an array of cases with id, method and expect: {error}") from error


def judge(case: Case) -> dict[str, Any]:
    """Return a case's id, whether it passes (None where nothing answers it yet) and what came out."""
    if case.method in LATER:
        return {"id": case.id, "ok": None, "got": None}
    try:
        got = answer(case.method, case.params, case.input)
    except Exception as error:  # noqa: BLE001 - one faulty case must not hide the others
        return {"id": case.id, "ok": False, "got": {"error": f"{type(error).__name__}: {error}"}}
    return {"id": case.id, "ok": agrees(case.expect, got, case.tol), "got": got}


def agrees(expected: Any, got: Any, tol: float) -> bool:
    """Tell whether all that is expected came out: members by name, lists in full, numbers within `tol`."""
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(
            name in got and agrees(member, got[name], tol) for name, member in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(got, list)
            and len(got) == len(expected)
            and all(agrees(*pair, tol) for pair in zip(expected, got, strict=True))
        )
    if _is_number(expected) and _is_number(got):
        return bool(abs(expected - got) <= tol)
    return type(expected) is type(got) and bool(expected == got)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(counts: dict[str, int], cases: list[Case], results: list[dict[str, Any]]) -> str:
    lines = [f"{case.id}: {case.method} is not built yet" for case in cases if case.method in LATER]
    for case, result in zip(cases, results, strict=True):
        if result["ok"] is False:
            expected, got = (msgspec.json.encode(side).decode() for side in (case.expect, result["got"]))
            lines.append(f"{case.id}: {case.method} gives {got}, expected {expected}")
    return "\n".join([*lines, f"{counts['passed']} passed, {counts['failed']} failed, {counts['not_built']} not built"])
