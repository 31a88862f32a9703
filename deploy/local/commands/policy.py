"""`attain policy`: what counts as mastery."""

from pathlib import Path
from typing import Any

import click
import httpx

from deploy.local.commands.asking import patiently, refusal, told
from deploy.local.errors import StackError
from deploy.local.options import Context, command_options

POLICY_BYTES_MAX = 1 << 20
PolicyFile = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def policy() -> None:
    """Policies: what counts as mastery, in a file that people can read."""


@policy.command("set")
@click.argument("file", type=PolicyFile)
@click.option("--framework", default="", help="Framework that it is for; every one if not given.")
@command_options
def set_policy(context: Context, file: Path, framework: str) -> None:
    """Publish a policy version; returns when all shards have folded it."""
    text = read_policy(file)
    with context.client("progression") as client:
        _answer(context, patiently(lambda: _post(client, text, framework)))


@policy.command("check")
@click.argument("file", type=PolicyFile)
@command_options
def check_policy(context: Context, file: Path) -> None:
    """Read a policy without storing it, and say what is the matter with it."""
    text = read_policy(file)
    with context.client("progression") as client:
        _answer(context, patiently(lambda: client.post("/v1/policies/check", content=text)))


def put_into_force(context: Context, text: bytes) -> dict[str, Any]:
    """
    Put a policy into force for every framework of the tenant, unless it is the only one that the tenant ever had.

    Putting the same policy into force again changes nothing, but every state is held against it.
    """
    with context.client("progression") as client:
        checked: dict[str, Any] = told(patiently(lambda: client.post("/v1/policies/check", content=text))).json()
        known = told(patiently(lambda: client.get("/v1/policies"))).json()["items"]
        if [each["hash"] for each in known] == [checked["hash"]]:
            return checked
        result: dict[str, Any] = told(patiently(lambda: _post(client, text, ""))).json()
    return result


def read_policy(file: Path) -> bytes:
    """Return the bytes of a policy file; raises `StackError` when that cannot be one."""
    if file.stat().st_size > POLICY_BYTES_MAX:
        raise StackError(f"{file} is over {POLICY_BYTES_MAX >> 20} MiB, which no policy is")
    return file.read_bytes()


def _post(client: httpx.Client, text: bytes, framework: str) -> httpx.Response:
    parameters = {"framework": framework} if framework else {}
    return client.post("/v1/policies", content=text, params=parameters)


def _answer(context: Context, answer: httpx.Response) -> None:
    """Give what a service says of a policy; one that it refuses is a result too, with exit code 1."""
    if answer.status_code != 422:
        result = told(answer).json()
        context.emit(result, f"policy {result['policy']}, version {result['version']}: no problems")
        return
    problem = refusal(answer)
    where = f"{problem['pointer']}: " if problem["pointer"] else ""
    context.emit({"policy": None, "version": None, "problems": [problem]}, f"refused: {where}{problem['detail']}")
    click.get_current_context().exit(1)
