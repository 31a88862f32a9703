"""Asking the services: refusals with their pointer, patience with a service that is away."""

import random
import time
from collections.abc import Callable
from typing import Any, ParamSpec
from urllib.parse import quote

import click
import httpx

from deploy.local.errors import StackError
from deploy.local.options import HTTP_TIMEOUT_S, Context
from deploy.local.tokens import DEFAULT_SCOPE

PATIENCE_S = 60.0
"""Longer than a supervisor needs to start anything again."""
PAUSE_S_MIN = 0.2
PAUSE_S_MAX = 5.0
TELLING_S = 1.0
"""The pause from which on the user is told of it: some two seconds after the first call."""
AWAY = frozenset((429, 502, 503, 504))
NOT_THERE = frozenset((404, 410))
P = ParamSpec("P")


def patiently(call: Callable[P, httpx.Response], *args: P.args, **named: P.kwargs) -> httpx.Response:
    """
    Return the first answer of a call that does not mean "away", asking again with growing pauses.

    Only for calls that may be repeated: an answer that was lost may have been given.

    Raises:
        StackError: away for longer than `PATIENCE_S`.
    """
    deadline, pause_s, silent = time.monotonic() + PATIENCE_S, PAUSE_S_MIN, True
    while True:
        try:
            answer = call(*args, **named)
            if answer.status_code not in AWAY:
                return answer
            why = f"{answer.request.url} cannot answer now ({refusal(answer)['detail'] or answer.status_code})"
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError):
            raise
        except httpx.TransportError as error:
            why = f"{error.request.url} does not answer ({type(error).__name__})"
        if time.monotonic() + pause_s > deadline:
            raise StackError(f"{why}, for {PATIENCE_S:.0f} s now; the same command may be given again")
        if pause_s >= TELLING_S and silent:
            click.echo(f"{why}; asking again, for up to {PATIENCE_S:.0f} s", err=True)
            silent = False
        time.sleep(pause_s * random.uniform(0.5, 1.0))
        pause_s = min(pause_s * 2, PAUSE_S_MAX)


def segment(id: str) -> str:
    """Return an id as one part of a path, whatever people put into it."""
    return quote(id, safe=":")


def told(answer: httpx.Response) -> httpx.Response:
    """
    Return an answer that says success.

    Raises:
        StackError: it says anything else; with the service's own words, the member that they are about, and what to do.
    """
    if answer.is_success:
        return answer
    problem = refusal(answer)
    service = answer.request.url.copy_with(raw_path=b"/", query=None)
    if not problem["detail"] or not answer.is_client_error:
        said = problem["detail"] or "no reason given"
        raise StackError(f"{service} failed ({answer.status_code}): {said}; `attain doctor` looks for what is wrong")
    if answer.status_code == 401:
        raise StackError(
            f"{service} does not accept the token or key: {problem['detail']}; give another in ATTAIN_TOKEN"
        )
    if answer.status_code in NOT_THERE:
        raise StackError(problem["detail"])
    raise StackError(f"refused: {problem['detail']}" + (f" ({problem['pointer']})" if problem["pointer"] else ""))


def checked(response: httpx.Response) -> httpx.Response:
    """
    Return a response that says success, where the one who reads the failure wants to know what was asked.

    Raises:
        StackError: it says anything else; with the detail of the problem it carries.
    """
    if response.is_success:
        return response
    try:
        problem = response.json()
        detail = problem.get("detail") or problem.get("title") or ""
    except (ValueError, AttributeError):
        detail = response.text[:200]
    raise StackError(f"{response.request.method} {response.request.url} answered {response.status_code}: {detail}")


def all_pages(client: httpx.Client, path: str) -> Any:
    """Return what a path answers, with the items of all pages; raises `StackError`."""
    return completed(client, path, patiently(client.get, path))


def completed(client: httpx.Client, path: str, first: httpx.Response) -> Any:
    """Return the first answer of a path, with the items of all pages behind it where it is a page of a list."""
    whole = page = told(first).json()
    # What comes next on a learner's record is a list, and no cursor.
    while isinstance(page, dict) and page.get("items") and isinstance(page.get("next"), str | int) and page["next"]:
        page = told(patiently(client.get, httpx.URL(path).copy_set_param("after", page["next"]))).json()
        whole["items"] += page["items"]
    return whole


def ask(
    context: Context, service: str, method: str, path: str, *, scope: str = DEFAULT_SCOPE,
    timeout_s: float = HTTP_TIMEOUT_S, key: str = "", **sent: Any,
) -> Any:  # fmt: skip
    """
    Return what a service answers to a request that may be repeated, as plain data.

    One that would have a second effect may be with a `key`, which names it.

    Raises:
        StackError: it refuses, or is away for long.
    """
    if key:
        sent["headers"] = {"Idempotency-Key": key}
    with context.client(service, scope=scope, timeout_s=timeout_s) as client:
        return told(patiently(client.request, method, path, **sent)).json()


def refusal(answer: httpx.Response) -> dict[str, str]:
    """Return what a problem document says: `detail` and `pointer`, each may be empty."""
    try:
        body = answer.json()
        return {"detail": str(body.get("detail") or ""), "pointer": str(body.get("pointer") or "")}
    except (ValueError, AttributeError):
        return {"detail": answer.text[:200], "pointer": ""}


def confirmed(question: str, nothing: str) -> None:
    """
    Return once a person has said yes to a question.

    Raises:
        StackError: they said no, or nobody is there to ask; `nothing` says what was not done.
    """
    try:
        if click.confirm(question, err=True):
            return
    except click.Abort:
        click.echo(err=True)
        nothing = f"nobody said yes, so {nothing}; --yes says it beforehand"
    raise StackError(nothing)
