"""
The home folder: everything a stack keeps, and what it remembers between starts.

`state.json` holds what stays the same for the life of the home (ports, ids, passwords), `run.json` what runs now. Both
are 0600. Only the supervisor that holds the lock writes them; anybody who may read them may read them at any time.
"""

import base64
import contextlib
import dataclasses
import fcntl
import json
import os
import random
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from deploy.local.errors import HomeInUse, StackError
from deploy.local.processes import Pid

# Below the range from which systems take ports for outgoing connections: a client that retries while its server is
# down can otherwise be given the server's own port, and then the server cannot bind it again.
PORTS = range(20000, 32000)
LOG_BYTES_MAX = 16 << 20
SHARDS = 8
"""Of a new home, where ATTAIN_SHARDS does not say."""
LOCK_WAIT_S = 1.0


@dataclasses.dataclass
class State:
    """What a home remembers for good."""

    id: str
    cluster_id: str
    ports: dict[str, int] = dataclasses.field(default_factory=dict)
    passwords: dict[str, str] = dataclasses.field(default_factory=dict)
    postgres_folder: str | None = None
    shards: int = SHARDS


@dataclasses.dataclass
class Run:
    """What runs, as its supervisor last wrote it; true only while that supervisor lives."""

    supervisor: Pid
    children: dict[str, Pid] = dataclasses.field(default_factory=dict)
    ready: bool = False
    services: bool = True
    kafka: str = ""
    postgres: str | None = None
    databases: dict[str, str] = dataclasses.field(default_factory=dict)
    urls: dict[str, str] = dataclasses.field(default_factory=dict)
    error: str = ""
    error_detail: str = ""


class Home:
    """The paths of one home, and its files; making the object touches nothing."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.logs = self.folder / "logs"
        self.kafka = self.folder / "kafka"
        self.postgres = self.folder / "postgres"
        self.token_key_file = self.folder / "token.key"
        self.credential_keys = self.folder / "credentials"
        self.erasure_ledger = self.folder / "erasures.ndjson"
        self.supervisor_log = self.logs / "supervisor.log"
        self._state_file = self.folder / "state.json"
        self._run_file = self.folder / "run.json"
        self._lock_file = self.folder / "lock"
        self._thread_lock = threading.Lock()

    def create(self) -> State:
        """Make the folder, its state and its keys where they are missing; return the state. Hold the lock."""
        self.make_folder()
        if not self.token_key_file.exists():
            _write(self.token_key_file, secrets.token_hex(32) + "\n")
        if not (issuer := self.credential_keys / "issuer.pem").exists():
            self.credential_keys.mkdir(mode=0o700, exist_ok=True)
            _write(issuer, _new_issuer_key())
        state = self.state()
        if state is None:
            state = State(id=secrets.token_hex(16), cluster_id=_new_cluster_id())
            self.save(state)
        return state

    def state(self) -> State | None:
        """Return what this home remembers, None when there is no home yet."""
        members = _read(self._state_file)
        return None if members is None else State(**members)

    def run(self) -> Run | None:
        """Return what the last supervisor wrote, None when there was none; ask `processes.find` whether it lives."""
        members = _read(self._run_file)
        if members is None:
            return None
        members["supervisor"] = Pid(*members["supervisor"])
        members["children"] = {name: Pid(*pid) for name, pid in members["children"].items()}
        return Run(**members)

    def save(self, record: State | Run) -> None:
        """Write a record so that a reader sees the old one or the new one, never a part."""
        file = self._state_file if isinstance(record, State) else self._run_file
        _write(file, json.dumps(dataclasses.asdict(record), indent=2) + "\n")

    def log(self, name: str) -> Path:
        """Return the log file of a program; one that has grown too long is set aside first (one old one is kept)."""
        file = self.logs / f"{name}.log"
        with contextlib.suppress(FileNotFoundError):
            if file.stat().st_size > LOG_BYTES_MAX:
                file.replace(self.logs / f"{name}.log.old")
        return file

    def port(self, name: str) -> int:
        """Return the port of `name`: the remembered one, or a new one when somebody else has taken it."""
        with self._changing() as state:
            port = state.ports.get(name)
            if port is None or not _free(port):
                taken = set(state.ports.values())
                port = state.ports[name] = next(port for port in _candidates() if port not in taken and _free(port))
            return port

    def password(self, name: str) -> str:
        """Return the password of `name`, made once."""
        with self._changing() as state:
            return state.passwords.setdefault(name, secrets.token_urlsafe(24))

    def remember_postgres_folder(self, folder: Path) -> None:
        """Remember that PostgreSQL's files are outside the home; `delete` then deletes them too."""
        with self._changing() as state:
            state.postgres_folder = str(folder)

    def shards(self) -> int:
        """Return how many shards its services have, where ATTAIN_SHARDS does not say."""
        state = self.state()
        return SHARDS if state is None else state.shards

    def remember_shards(self, shards: int) -> None:
        """Remember that the installation was given more shards."""
        with self._changing() as state:
            state.shards = shards

    @contextlib.contextmanager
    def _changing(self) -> Iterator[State]:
        """Change the state as it is on disk now: Kafka and PostgreSQL are prepared at the same time."""
        with self._thread_lock:
            state = self.create()
            before = dataclasses.asdict(state)
            yield state
            if dataclasses.asdict(state) != before:
                self.save(state)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """
        Hold this home. The system frees it when the holder dies, in whatever way; children do not inherit it.

        Raises:
            HomeInUse: somebody else holds it.
        """
        self.make_folder()
        with self._lock_file.open("w") as file:
            if not _locked(file):
                raise HomeInUse(f"another supervisor runs on {self.folder}; `attain down` stops it")
            yield

    def delete(self) -> bool:
        """
        Delete the folder and all that belongs to it; return whether there was one. Nothing may run on it.

        Raises:
            StackError: the folder is not empty and not a home.
        """
        state = self.state()
        if state is None and self.folder.exists() and any(self.folder.iterdir()):
            raise StackError(f"{self.folder} is not a home folder of Attain; nothing was deleted")
        if state is not None and state.postgres_folder is not None:
            shutil.rmtree(state.postgres_folder, ignore_errors=True)
        existed = self.folder.exists()
        if existed:
            shutil.rmtree(self.folder)
        return existed

    def make_folder(self) -> None:
        """Make the folder and the one for logs where they are missing; a folder that exists keeps its mode."""
        # Root's PostgreSQL runs as another user, who must be able to pass through; the secrets are 0600 in any case.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            # Asking first whether it exists would let two starts at the same time both make it.
            try:
                self.folder.mkdir(parents=True)
                self.folder.chmod(mode)
            except FileExistsError:
                if not self.folder.is_dir():
                    raise
            self.logs.mkdir(exist_ok=True)
        except OSError as error:
            raise StackError(f"cannot write the home folder {self.folder}: {error.strerror}") from error


def _locked(file: IO[str]) -> bool:
    """Lock a file. A holder that was just killed may keep it for a moment: its threads do not all end at once."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _candidates() -> Iterator[int]:
    """Return ports in random order, so that two homes that start together seldom choose the same."""
    return iter(random.sample(PORTS, len(PORTS)))


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do; otherwise connections of a server that has just stopped would look like a taken port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        # A server that listens on all addresses would let us bind on Linux only without SO_REUSEADDR; ask it too.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(0.5)
            return client.connect_ex(("127.0.0.1", port)) != 0


def _new_issuer_key() -> str:
    """Return a key to sign records with, PEM; a laptop's own, which nobody else trusts."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _new_cluster_id() -> str:
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        # It is an argument of the format command, where a leading dash would make it an option.
        if not text.startswith("-"):
            return text


def _read(file: Path) -> dict[str, Any] | None:
    try:
        members: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise StackError(f"cannot read {file}: it belongs to another user") from error
    return members


def _write(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
