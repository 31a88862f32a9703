"""One stack a test, of PostgreSQL alone: the Kafka of the other tests is given to it, which saves most of the time."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import asyncpg
import psutil
import pytest

from deploy.local import processes, stack
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.processes import Pid
from deploy.local.stack import Stack
from deploy.local.supervisor import Supervisor
from tests.support.servers import administrator_url
from tests.support.waiting import wait_until


def _start(home: Path, servers: Stack, owner: int | None = None) -> Stack:
    owner = os.getpid() if owner is None else owner
    return stack.start(home, services=False, owner=owner, environment={"ATTAIN_KAFKA": servers.kafka})


def _gone(pids: dict[str, int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids.values())


def _supervisors(home: Path) -> list[int]:
    """Return the pids of all that supervise this home or wait to."""
    command = ["deploy.local.supervisor", "--home", str(home)]
    found = psutil.process_iter(["cmdline"])
    return [each.pid for each in found if set(command) <= set(each.info["cmdline"] or [])]


def test_given_kafka_is_used_and_not_started(home: Path, servers: Stack) -> None:
    started = _start(home, servers)

    assert started.kafka == servers.kafka
    assert set(started.pids) == {"supervisor", "postgres"}


def test_second_start_finds_the_data_on_the_same_port(home: Path, servers: Stack) -> None:
    first = _start(home, servers)
    asyncio.run(_execute(first, "CREATE TABLE kept AS SELECT 1"))
    assert stack.stop(home)
    assert _gone(dict(first.pids))
    assert stack.running(home) is None
    second = _start(home, servers)

    assert (second.postgres, second.databases) == (first.postgres, first.databases)
    asyncio.run(_execute(second, "SELECT * FROM kept"))


def test_taken_port_is_avoided_and_the_new_one_remembered(home: Path, servers: Stack) -> None:
    Home(home).create()
    port = Home(home).port("postgres")
    with socket.create_server(("127.0.0.1", port)):
        started = _start(home, servers)

        assert started.postgres is not None
        assert not started.postgres.endswith(f":{port}")
    state = Home(home).state()
    assert state is not None
    assert started.postgres == f"127.0.0.1:{state.ports['postgres']}"


def test_orphans_of_a_killed_supervisor_are_ended_at_the_next_start(home: Path, servers: Stack) -> None:
    first = _start(home, servers)
    os.kill(first.pids["supervisor"], signal.SIGKILL)
    wait_until(lambda: stack.running(home) is None)
    assert psutil.pid_exists(first.pids["postgres"])
    second = _start(home, servers)

    assert _gone(dict(first.pids))
    assert second.postgres == first.postgres


def test_stop_ends_what_a_killed_supervisor_left(home: Path, servers: Stack) -> None:
    started = _start(home, servers)
    os.kill(started.pids["supervisor"], signal.SIGKILL)

    assert stack.stop(home)
    assert _gone(dict(started.pids))
    assert not stack.stop(home)


def test_pid_file_that_names_a_stranger_does_not_block_a_start(home: Path, servers: Stack) -> None:
    _start(home, servers)
    stack.stop(home)
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1\n1\n\n127.0.0.1\n")

    assert _start(home, servers).pids["postgres"] != os.getpid()


def test_starts_at_the_same_time_give_one_stack(new_home: Path, servers: Stack) -> None:
    found: list[Stack] = []
    threads = [threading.Thread(target=lambda: found.append(_start(new_home, servers))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({each.pids["supervisor"] for each in found}) == 1
    assert len(found) == 3


def test_start_that_came_second_leaves_no_supervisor_that_would_take_over(
    home: Path, servers: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _start(home, servers)
    live, too_early = stack._live, iter([True])
    monkeypatch.setattr(stack, "_live", lambda place: None if next(too_early, False) else live(place))

    assert _start(home, servers).pids == first.pids
    assert _supervisors(home) == [first.pids["supervisor"]]


def test_stack_ends_with_its_owner(home: Path, servers: Stack) -> None:
    with subprocess.Popen(["sleep", "60"]) as owner:
        started = _start(home, servers, owner=owner.pid)
        owner.kill()
        owner.wait()

        wait_until(lambda: _gone(dict(started.pids)))


def test_start_that_is_interrupted_stops_what_it_had_started(home: Path, servers: Stack) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 1:
            assert stack.starting(home)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stack.start(home, services=False, say=say, owner=os.getpid(), environment={"ATTAIN_KAFKA": servers.kafka})
    assert said[-1] == "stopping what was being started"
    assert not _supervisors(home)
    assert not stack.starting(home)


def test_start_without_room_on_the_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state.json").mkdir()
    with pytest.raises(StackError, match="the supervisor ended") as failure:
        stack.start(tmp_path)
    assert failure.value.detail == f"{tmp_path / 'state.json'}: Is a directory"
    monkeypatch.setattr(stack, "FREE_BYTES_MIN", 1 << 62)
    with pytest.raises(StackError, match=r"MiB are left on the disk of .*: make room, then start it again"):
        stack.start(tmp_path)


def test_supervisor_goes_on_where_it_cannot_write_what_it_does(tmp_path: Path) -> None:
    """A full disk: what died has to be started again as soon as there is room."""
    (tmp_path / "logs" / "supervisor.log").mkdir(parents=True)
    (tmp_path / "run.json").mkdir()
    said: list[str] = []
    supervisor = Supervisor(Home(tmp_path), say=said.append)
    supervisor._say("Kafka ended")
    supervisor._started("kafka", os.getpid())

    assert said == ["Kafka ended"]


def test_reset_leaves_nothing(new_home: Path, servers: Stack) -> None:
    started = _start(new_home, servers)

    assert stack.reset(new_home)
    assert _gone(dict(started.pids))
    assert not new_home.exists()
    assert not stack.reset(new_home)


def test_reset_refuses_a_folder_that_is_not_a_home(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(StackError, match="not a home folder"):
        stack.reset(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as another user")
def test_closed_parent_folder_stays_closed(servers: Stack, tmp_path: Path) -> None:
    """The data of root's PostgreSQL goes where its user can reach it, and reset deletes it there."""
    tmp_path.chmod(0o700)
    home = tmp_path / "home"
    try:
        started = _start(home, servers)
        state = Home(home).state()

        assert state is not None
        assert state.postgres_folder is not None
        assert psutil.Process(started.pids["postgres"]).uids().real != 0
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    finally:
        stack.reset(home)
    assert not Path(state.postgres_folder).exists()


def test_reused_pid_is_not_taken_for_the_process_that_had_it() -> None:
    own = processes.identify(os.getpid())

    assert processes.find(own) is not None
    assert processes.find(Pid(own.pid, own.created - 60)) is None


async def _execute(started: Stack, statement: str) -> None:
    connection = await asyncpg.connect(administrator_url(started, "evidence"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
