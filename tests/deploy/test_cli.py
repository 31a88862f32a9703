import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import jwt
import pytest

from deploy.local.__main__ import run
from deploy.local.cli import attain
from deploy.local.home import Home, Run
from deploy.local.processes import identify
from tests.support.command import attain_here


def test_status_without_a_stack_says_that_nothing_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = attain_here(capsys, "status", "--json", "--home", str(tmp_path / "none"))

    assert code == 0
    assert json.loads(out) == {"running": False, "pids": {}, "stages": [], "services": [], "reconciliation": []}
    assert not (tmp_path / "none").exists()


def test_stack_that_starts_is_not_told_to_be_absent(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    home.save(Run(supervisor=identify(os.getpid())))

    assert attain_here(capsys, "status", "--home", str(tmp_path))[1] == f"a stack is starting in {tmp_path}\n"
    code, _, err = attain_here(capsys, "drain", "--home", str(tmp_path))
    assert (code, err) == (1, f"attain: the stack in {tmp_path} is not ready yet; `attain status` says when it is\n")


def test_down_without_a_stack_succeeds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = attain_here(capsys, "down", "--json", "--home", str(tmp_path / "none"))

    assert (code, json.loads(out)["stopped"]) == (0, True)


def test_reset_asks_for_yes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Home(tmp_path).create()
    code, out, err = attain_here(capsys, "reset", "--home", str(tmp_path))

    assert (code, out) == (1, "")
    assert "--yes" in err
    assert (tmp_path / "state.json").exists()


def test_ctrl_c_while_it_begins_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "deploy.local.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "deploy.local.cli")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as end:
        run()

    assert (end.value.code, capsys.readouterr().err) == (130, "attain: interrupted\n")


@pytest.mark.parametrize("missing", ["click", "psutil"])
def test_package_that_is_missing_is_named_with_what_installs_it(missing: str) -> None:
    """So after `git pull` alone; the first is needed by every command, the second by some."""
    code = f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['attain', 'status']\n"
    code += "from deploy.local.__main__ import run; run()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert missing in ended.stderr
    assert "`make setup` installs them" in ended.stderr


def test_ctrl_c_is_not_lost_in_an_import(tmp_path: Path) -> None:
    """What is raised in a callback of an import is printed and forgotten, and the command would go on."""
    (tmp_path / "slow.py").write_text(
        "import os, signal\nclass Gone:\n    def __del__(self): os.kill(os.getpid(), signal.SIGINT)\ngone = Gone()\ndel gone\n"
    )
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from deploy.local.importing import imported; imported('slow'); print('went on')"
    )
    command, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "attain: interrupted\n")


def test_failure_is_one_line_and_with_json_one_object(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = attain_here(capsys, "token", "--json", "--home", str(tmp_path))

    assert code == 1
    assert err.count("\n") == 1
    assert set(json.loads(out)) == {"error"}


@pytest.mark.parametrize("tenant", ["", "A", "a_b", "a" * 64, "a\n"])
def test_tenant_that_is_not_of_its_form_is_refused(capsys: pytest.CaptureFixture[str], tenant: str) -> None:
    code, _, err = attain_here(capsys, "status", "--tenant", tenant)

    assert code == 2
    assert "--tenant" in err


@pytest.mark.parametrize(
    "called",
    [
        "token --scope nobody", "token --roles techer",
        "settings --break summer", "settings --no-breaks --break 2026-06-10/2026-08-20",
        "settings --no-freezes --freeze 2026-06-10/2026-08-20",
        "quarantine redrive", "quarantine redrive x --all", "correct --source urn:s --to ada", "rollover --session 2026-27",
        "framework levels math --by csv", "framework levels math --by domain {file}", "learner ada",
        "framework import {file} --id math:a --format case", "ingest {file} --format csv",
        "framework import {file} --id math --format case --prerequisites none-such",
    ],
)  # fmt: skip
def test_what_the_command_line_alone_shows_to_be_wrong_ends_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, called: str
) -> None:
    """A script may then tell a mistake of its own from a failure, which ends with 1."""
    for service in ("EVIDENCE", "PROGRESSION", "REPORTING"):
        monkeypatch.setenv(f"ATTAIN_{service}_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ATTAIN_TOKEN", "x")
    monkeypatch.setenv("ATTAIN_TOKEN_KEY_FILE", str(tmp_path / "none"))
    file = tmp_path / "file.json"
    file.write_text("{}")
    code, _, err = attain_here(capsys, *called.format(file=file).split())

    assert (code, err.count("\n")) == (2, 1), err


def test_token_carries_what_was_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    code, out, _ = attain_here(
        capsys, "token", "--json", "--home", str(tmp_path), "--tenant", "north", "--sub", "t-12",
        "--scope", "records:read:self", "--learner", "x", "--source", "https://lms.example.edu", "--expires", "60",
    )  # fmt: skip
    key = bytes.fromhex(home.token_key_file.read_text())
    claims = jwt.decode(json.loads(out)["token"], key, algorithms=["HS256"], audience="attain", issuer="attain")

    assert code == 0
    assert 0 < claims.pop("exp") - time.time() <= 60
    claims.pop("iat")
    assert claims == {
        "iss": "attain", "aud": "attain", "sub": "t-12", "tenant": "north", "scope": "records:read:self",
        "learner": "x", "source": "https://lms.example.edu",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "roles"),
    [
        ((), ["teacher", "counsellor", "registrar", "school_leader"]),
        (("--scope", "decisions:write", "--roles", "registrar"), ["registrar"]),
        (("--scope", "records:read"), None),
    ],
)
def test_token_has_roles_where_it_may_decide(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, asked: tuple[str, ...], roles: list[str] | None
) -> None:
    Home(tmp_path).create()
    _, out, _ = attain_here(capsys, "token", "--json", "--home", str(tmp_path), *asked)
    claims = jwt.decode(json.loads(out)["token"], options={"verify_signature": False})

    assert claims.get("roles") == roles


def test_every_command_takes_the_common_options() -> None:
    context = click.Context(attain)
    groups: list[click.Command | None] = [attain.get_command(context, name) for name in attain.list_commands(context)]
    asked = len(groups)
    found: list[click.Command] = []
    while groups:
        command = groups.pop()
        assert command is not None
        if isinstance(command, click.Group):
            groups += command.commands.values()
        else:
            found.append(command)
    assert len(found) > asked
    for command in found:
        assert {"home", "tenant", "as_json"} <= {parameter.name for parameter in command.params}, command.name


def test_help_cuts_no_sentence_short(capsys: pytest.CaptureFixture[str]) -> None:
    for group in ((), ("policy",), ("policy", "shadow"), ("webhook",), ("tenant",)):
        _, out, _ = attain_here(capsys, *group, "--help")

        assert "..." not in out.partition("Commands:")[2], group


def test_a_command_imports_none_of_the_others() -> None:
    asked = "import sys; from deploy.local.cli import attain; attain.get_command(None, 'webhook'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert "deploy.local.commands.webhook" in done.stdout.split()
    assert not {"deploy.local.commands.policy", "pydantic", "aiokafka"} & set(done.stdout.split())
