"""`attain policy`: what counts as mastery."""

import collections
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import httpx

from deploy.local.client.asking import patiently, refusal, told
from deploy.local.commands.reaching import reach_lines, reach_of
from deploy.local.errors import StackError
from deploy.local.files.text import read_text
from deploy.local.options import Commands, Context, command_options
from services.progression.domain import policy as policies
from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.importing import read_import
from services.progression.domain.policy import Policy, lint
from services.progression.domain.policy.card import card_of
from services.progression.domain.policy.phrases import LANGUAGES, Language, phrases
from services.progression.domain.policy.templates import NAMES, template
from shared.errors import InvalidEvent
from shared.events import now

POLICY_BYTES_MAX = 1 << 20
VERSION_MIN = 6
"""Digits of a hash that tell versions apart."""
VERSION_DIGITS = 12
VERSIONS_NAMED = 10
"""Versions that an error names at most."""
PolicyFile = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Commands)
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
        _answer(context, patiently(_post, client, text, framework))


@policy.command("activate")
@click.argument("version")
@click.option("--framework", default="", help="Framework that it is for; every one if not given.")
@command_options
def activate(context: Context, version: str, framework: str) -> None:
    """
    Put an earlier VERSION into force again; returns when it is folded.

    VERSION is id@version, the id alone where there is one version of it, or the start of its hash: `attain policy list`.
    """
    with context.client("progression") as client:
        known = told(patiently(client.get, "/v1/policies")).json()["items"]
        found = _called(version, known)
        if len(found) != 1:
            which = ", ".join(_full_name(each) for each in (found or known)[:VERSIONS_NAMED]) or "none"
            raise StackError(
                f"{len(found) or 'no'} versions of tenant {context.tenant} are {version!r}; there is {which}"
            )
        text = json.dumps(found[0]["content"]).encode()
        _answer(context, patiently(_post, client, text, framework))


def _called(version: str, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the versions that are called so: by id, by id@version, or by the start of their hash."""
    by_id = [each for each in known if each["content"]["id"] == version]
    name, _, start = version.rpartition("@")
    if by_id or len(start) < VERSION_MIN:
        return by_id
    return [each for each in known if each["hash"].startswith(start) and name in ("", each["content"]["id"])]


def _full_name(stored: Mapping[str, Any]) -> str:
    return f"{stored['content']['id']}@{stored['hash'][:VERSION_DIGITS]}"


@policy.command("list")
@command_options
def list_policies(context: Context) -> None:
    """List every version that the tenant has had, and which decide, in which frameworks, what is not on the record yet."""
    with context.client("progression") as client:
        known = told(patiently(client.get, "/v1/policies")).json()["items"]
        deciding = told(patiently(client.get, "/v1/policies/in-force")).json()["items"]
    frameworks = {each["hash"]: each.get("frameworks", []) for each in deciding}
    items = [
        {"policy": each["content"]["id"], "version": each["hash"][:VERSION_DIGITS], "hash": each["hash"],
         "in_force": each["hash"] in frameworks, "frameworks": frameworks.get(each["hash"], [])}
        for each in known
    ]  # fmt: skip
    lines = [
        _full_name(each) + (f"  in force for {', '.join(item['frameworks'])}" if item["in_force"] else "")
        for item, each in zip(items, known, strict=True)
    ]
    context.emit({"items": items}, "\n".join(lines) or f"tenant {context.tenant} has no policy")


@policy.command("check")
@click.argument("file", type=PolicyFile)
@click.option("--framework", "frameworks", type=(str, PolicyFile), multiple=True, metavar="ID FILE",
              help="A framework (nodes.csv, or a CASE package) that it may name competencies of; may be repeated.")  # fmt: skip
@click.option("--before", type=PolicyFile, help="The version that it takes the place of: is a cut lowered unsaid?")
@click.option("--history", is_flag=True, help="Also of how much of the recorded evidence it could say anything.")
@click.option(
    "--for",
    "of",
    default="",
    metavar="ID",
    help="With --history, the framework that it is for; every one if not given.",
)
@command_options
def check_policy(
    context: Context, file: Path, frameworks: tuple[tuple[str, Path], ...], before: Path | None, history: bool, of: str
) -> None:
    """
    Say what is the matter with a policy; needs no stack but for --history.

    An error would be refused by `policy set`, a warning is yours to weigh. With --history it is an error too if of fewer than
    half of the pairs of learner and standard anything could be said; that `policy set` does not ask. Exit code 1 where
    there is an error.
    """
    if of and not history:
        raise click.UsageError("--for is the framework of --history; give both")
    found, problems = lint.check(
        read_policy(file),
        policy_of(before) if before is not None else None,
        [_framework(*each) for each in frameworks] or None,
    )
    named: dict[str, Any] = _NAMELESS
    said, lines = [problem._asdict() for problem in problems], []
    if found is not None:
        named = {"policy": found.id, "version": found.version, "hash": found.hash}
    if found is not None and history:
        context.say("holding all recorded evidence against it")
        reach = reach_of(context, read_policy(file), of)
        said += reach["problems"]
        lines = reach_lines(reach)
        named |= {"history": {name: value for name, value in reach.items() if name not in ("problems", *named)}}
    _tell(context, named, said, lines)


@policy.command("new")
@click.option("--template", "name", type=click.Choice(NAMES), required=True, help="What to begin from.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; the terminal otherwise.")
@command_options
def new_policy(context: Context, name: str, out: Path | None) -> None:
    """
    Begin a policy of your own from a template; needs no stack.

    \b
    k2            observations in the first grades
    classroom     rubric work and quizzes in grades 3 to 8
    credit        courses that count for a diploma
    performance   tasks and portfolios
    practice      software that gives many short answers
    canvas-compat the number that Canvas shows by default
    """
    text = template(name)
    if out is not None:
        try:
            with out.open("xb") as file:
                file.write(text)
        except FileExistsError:
            raise StackError(f"{out} exists; name another file, or move it away") from None
        except OSError as error:
            raise StackError(f"{out} cannot be written: {error.strerror}") from error
    result = {"template": name, "file": str(out) if out is not None else None, "text": text.decode()}
    context.emit(result, f"{out}: from template {name}" if out is not None else text.decode().rstrip("\n"))


@policy.command("explain")
@click.argument("file", type=PolicyFile)
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the card.")
@command_options
def explain_policy(context: Context, file: Path, language: Language) -> None:
    """Say in six plain sentences what a policy does, and what it asks of a learner in a year; needs no stack."""
    read = policy_of(file)
    card = card_of(read, language)
    effort = card.effort
    result = {
        "policy": read.id, "version": read.version, "language": language, "sentences": card.sentences, "asks": card.asks,
        "pieces": {
            "provisional": effort.provisional._asdict() if effort.provisional is not None else None,
            "mastered": effort.mastered._asdict(),
        },
        "signed_by": effort.signed, "rechecks_a_year": round(effort.rechecks_a_year, 2),
    }  # fmt: skip
    said = [f"{number}. {sentence}" for number, sentence in enumerate(card.sentences, start=1)]
    lines = [phrases(language)("policy", id=read.id, version=read.version), "", *said, "", *card.asks]
    context.emit(result, "\n".join(textwrap.fill(line, 100, subsequent_indent="   ") for line in lines))


def put_into_force(context: Context, text: bytes) -> dict[str, Any]:
    """
    Put a policy into force for every framework of the tenant, unless it is the only one that the tenant ever had.

    Putting the same policy into force again changes nothing, but every state is held against it.
    """
    with context.client("progression") as client:
        checked: dict[str, Any] = told(patiently(client.post, "/v1/policies/check", content=text)).json()
        known = told(patiently(client.get, "/v1/policies")).json()["items"]
        if [each["hash"] for each in known] == [checked["hash"]]:
            return checked
        result: dict[str, Any] = told(patiently(_post, client, text, "")).json()
    return result


def read_policy(file: Path) -> bytes:
    """Return the bytes of a policy file; raises `StackError` when that cannot be one."""
    if file.stat().st_size > POLICY_BYTES_MAX:
        raise StackError(f"{file} is over {POLICY_BYTES_MAX >> 20} MiB, which no policy is")
    return file.read_bytes()


def policy_of(file: Path) -> Policy:
    """Return the policy of a file; raises `StackError` when it is none."""
    try:
        return policies.read_policy(read_policy(file))
    except InvalidEvent as refused:
        raise StackError(_said(file, refused)) from refused


def _framework(framework_id: str, file: Path) -> Framework:
    text = read_text(file)
    form = {"format": "case", "package": text} if text.lstrip()[:1] in ("{", "[") else {"nodes": text}
    try:
        body = json.dumps({"id": framework_id, **form}).encode()
        framework, _ = read_import(body, now()[:10])
    except InvalidEvent as refused:
        raise StackError(_said(file, refused)) from refused
    if not framework.competencies:
        raise StackError(f"{file} has no competencies")
    return framework


def _said(file: Path, refused: InvalidEvent) -> str:
    return f"{file}: {refused}" + (f" ({refused.pointer})" if refused.pointer else "")


def _post(client: httpx.Client, text: bytes, framework: str) -> httpx.Response:
    parameters = {"framework": framework} if framework else {}
    return client.post("/v1/policies", content=text, params=parameters)


def _answer(context: Context, answer: httpx.Response) -> None:
    """Give what a service says of a policy; one that it refuses is a result too."""
    if answer.status_code != 422:
        result = told(answer).json()
        _tell(context, result, result["problems"], stands=", is in force")
        return
    problem = refusal(answer)
    _tell(context, _NAMELESS, [{"severity": "error", "pointer": problem["pointer"], "text": problem["detail"]}])


def _tell(
    context: Context,
    named: Mapping[str, Any],
    problems: list[dict[str, str]],
    before: Sequence[str] = (),
    stands: str = "",
) -> None:
    """Print a policy's problems, a line each, below other lines; exit code 1 where one is an error."""
    lines = [*before, *(f"{each['severity']}: {each['pointer'] or 'the whole'}: {each['text']}" for each in problems)]
    if named["policy"] is not None:
        lines.append(f"policy {named['policy']}, version {named['version']}{stands}: {_many(problems)}")
    context.emit({**named, "problems": problems}, "\n".join(lines))
    if any(each["severity"] == "error" for each in problems):
        click.get_current_context().exit(1)


def _many(problems: list[dict[str, str]]) -> str:
    counts = collections.Counter(each["severity"] for each in problems)
    return ", ".join(f"{n} {severity}{'' if n == 1 else 's'}" for severity, n in counts.items()) or "no problems"


_NAMELESS: dict[str, Any] = {"policy": None, "version": None}
