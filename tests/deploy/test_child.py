import asyncio
import sys
from pathlib import Path

import pytest

from deploy.local.child import Child, Program
from deploy.local.errors import StackError

LIMIT_S = 30.0


def _program(log: Path, code: str, *, ready: bool) -> Program:
    async def answers() -> bool:
        return ready

    return Program(
        name="sample",
        title="sample",
        command=[sys.executable, "-c", code],
        environment={},
        log=log,
        address="nowhere",
        answers=answers,
        grace_s=0.5,
    )


def _child(program: Program) -> tuple[Child, list[str]]:
    said: list[str] = []
    return Child(program, said.append, lambda name, pid: None), said


def test_program_that_ends_at_once_fails_the_start_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("of an earlier run\n")
    child, _ = _child(_program(tmp_path / "log", "import sys; sys.exit('no disk')", ready=False))

    with pytest.raises(StackError, match=r"sample ended \(exit code 1\)") as failure:
        asyncio.run(child.start())
    assert failure.value.detail == "no disk"


def test_program_that_dies_is_started_again_until_it_is_stopped(tmp_path: Path) -> None:
    three = asyncio.Event()

    def started(name: str, pid: int) -> None:
        pids.append(pid)
        if len(pids) == 3:
            three.set()

    async def live() -> None:
        await child.start()
        child.keep()
        async with asyncio.timeout(LIMIT_S):
            await three.wait()
        await child.stop()

    said: list[str] = []
    pids: list[int] = []
    child = Child(_program(tmp_path / "log", "import time; time.sleep(0.1)", ready=True), said.append, started)
    asyncio.run(live())

    assert any("starting it again in 0.2 s" in line for line in said)
    assert any("starting it again in 1.0 s" in line for line in said)


def test_program_that_ignores_the_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    async def live() -> None:
        await child.start()
        await asyncio.sleep(0.3)
        await child.stop()

    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    child, said = _child(_program(tmp_path / "log", code, ready=True))
    asyncio.run(live())

    assert any("is killed" in line for line in said)
