"""Of how much recorded evidence a policy could say anything: asked for `attain policy check --history`, and told as a table."""

from typing import Any

from deploy.local.client.asking import ask
from deploy.local.options import Context

TIMEOUT_S = 600.0
HEAD = f"{'subject':20}{'grade':>12}{'learners':>10}{'pairs':>9}{'decidable':>11}{'undecidable':>13}  for want of"


def reach_of(context: Context, text: bytes, framework: str) -> dict[str, Any]:
    """Return how far a policy would reach, put into force for one framework, or for every one."""
    query = {"framework": framework}
    result: dict[str, Any] = ask(
        context, "progression", "POST", "/v1/policies/reach", content=text, params=query, timeout_s=TIMEOUT_S
    )
    return result


def reach_lines(reach: dict[str, Any]) -> list[str]:
    """Return the whole in words, and a line for each subject and grade."""
    if reach["pairs"] == 0:
        return []
    share = reach["decidable"]
    lines = [
        f"{few(reach['pairs'])} pairs of learner and standard with evidence, of {few(reach['learners'])} learners:",
        f"  {percent(share)} can be decided, {percent(_rest(share))} cannot{_gates(reach, ', for want of ')}",
        *subject_lines(reach["subjects"]),
    ]
    return [*lines, ""]


def subject_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return a table with a line for each subject and grade."""
    return [HEAD] + [
        f"{row['subject'][:19]:20}{row['grade'][:11]:>12}{few(row['learners']):>10}{few(row['pairs']):>9}"
        f"{percent(row['decidable']):>11}{percent(_rest(row['decidable'])):>13}{_gates(row, '  ')}"
        for row in rows
    ]


def few(number: int | None) -> str:
    """Return a number in words, where it is too small to be told."""
    return "few" if number is None else str(number)


def percent(share: float | None) -> str:
    """Return a share in percent, or that it is one of few."""
    return "few" if share is None else f"{share:.0%}"


def _rest(share: float | None) -> float | None:
    return None if share is None else 1 - share


def _gates(told: dict[str, Any], before: str) -> str:
    """Return the gates that are lacking, the most frequent first."""
    gates = ", ".join(f"{gate} ({percent(share)})" for gate, share in told["undecided_by"].items())
    return f"{before}{gates}" if gates else ""
