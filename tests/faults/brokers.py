"""Kafka brokers for fault tests: as the laptop's, with a listener of its own for each link that can be broken."""

import dataclasses
import shutil
from collections.abc import Mapping

from deploy.local import kafka
from deploy.local.child import Program
from deploy.local.home import Home, State

HEAP_MB_OF_THREE = 256


class Brokers:
    """
    One broker, or three of one cluster.

    A link `x` leads through the proxy on its port to the listener `X` of the single broker, whose address on
    this machine is `ports[x]` and which sends its clients back to the proxy.
    """

    def __init__(self, home: Home, state: State, count: int, links: Mapping[str, int]) -> None:
        self._state = state
        self._links = links if count == 1 else {}
        self._log_of = home.log
        self._homes = [home if n == 1 else Home(home.folder / f"broker-{n}") for n in range(1, count + 1)]
        self.ports = {link: home.port(f"kafka-{link}") for link in self._links}

    async def prepare(self) -> list[Program]:
        """Return the brokers, formatted and ready to be started."""
        programs = []
        for number, home in enumerate(self._homes, 1):
            if number > 1:
                home.create()
                home.kafka.mkdir(exist_ok=True)
                shutil.copy(self._homes[0].kafka / "jars.json", home.kafka)
            programs.append(await kafka.prepare(home, self._state, _say_nothing))
            meta = home.kafka / "data" / "meta.properties"
            meta.write_text(meta.read_text().replace("node.id=1", f"node.id={number}"))
        self._configure()
        if len(programs) == 1:
            return programs
        return [
            dataclasses.replace(
                program, name=f"kafka-{n}", log=self._log_of(f"kafka-{n}"), title=f"Kafka broker {n}",
                command=[_small_heap(part) for part in program.command],
            )
            for n, program in enumerate(programs, 1)
        ]  # fmt: skip

    async def lose_everything(self) -> None:
        """Put an empty broker in place of the single one, which must not run."""
        (home,) = self._homes
        shutil.rmtree(home.kafka / "data")
        await kafka.prepare(home, self._state, _say_nothing)
        self._configure()

    def _configure(self) -> None:
        count = len(self._homes)
        files = [home.kafka / "server.properties" for home in self._homes]
        settings = [
            dict(line.split("=", 1) for line in file.read_text().splitlines() if not line.startswith("#"))
            for file in files
        ]
        voters = ",".join(f"{n}@{s['controller.quorum.voters'].partition('@')[2]}" for n, s in enumerate(settings, 1))
        for number, (file, own) in enumerate(zip(files, settings, strict=True), 1):
            own |= {"node.id": str(number), "controller.quorum.voters": voters}
            own["inter.broker.listener.name"] = "PLAINTEXT"
            for link, port in self._links.items():
                own["listeners"] += f",{link.upper()}://127.0.0.1:{self.ports[link]}"
                own["advertised.listeners"] += f",{link.upper()}://127.0.0.1:{port}"
                own["listener.security.protocol.map"] += f",{link.upper()}:PLAINTEXT"
            if count > 1:
                own |= {
                    "default.replication.factor": str(count), "offsets.topic.replication.factor": str(count),
                    "min.insync.replicas": "2", "unclean.leader.election.enable": "false",
                }  # fmt: skip
            file.write_text("".join(f"{name}={value}\n" for name, value in own.items()))


def _small_heap(part: str) -> str:
    return f"-Xmx{HEAP_MB_OF_THREE}m" if part.startswith("-Xmx") else part


def _say_nothing(_: str) -> None:
    return None
