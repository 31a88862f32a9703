"""A broker with SASL_SSL, a listener for mutual TLS, and ACLs: as an operator secures one, on loopback."""

import dataclasses
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from deploy.local import kafka
from deploy.local.child import Child, finish, inherited
from deploy.local.home import Home
from shared.kafka_security import client_options
from shared.settings import Settings
from tests.support.certificates import write_certificates

ADMIN = "admin"
_KINDS, _PATTERNS = {"topic": 2, "group": 3}, {"topic": 3, "group": 4}
_OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8}
_ALLOW = 3
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=SASL_SSL://127.0.0.1:{port},SSL://127.0.0.1:{mutual},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://127.0.0.1:{port},SSL://127.0.0.1:{mutual}
controller.listener.names=CONTROLLER
inter.broker.listener.name=SASL_SSL
listener.security.protocol.map=SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=(.*?)$/$1/,DEFAULT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS
allow.everyone.if.no.acl.found=false
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=6000
log.dirs={data}
"""


class SecuredKafka:
    """Its addresses, users and certificates; `settings` are what a service needs to reach it as a user."""

    def __init__(self, home: Home, users: Mapping[str, str]) -> None:
        self.address = f"127.0.0.1:{home.port('kafka')}"
        self.mutual_address = f"127.0.0.1:{home.port('kafka-mutual')}"
        self.users = users
        self.folder = home.folder / "certificates"

    def settings(self, user: str, **others: str) -> dict[str, str]:
        """Return the `ATTAIN_*` settings of a user, by SCRAM over TLS."""
        named = {
            "kafka": self.address,
            "kafka_security": "SASL_SSL",
            "kafka_username": user,
            "kafka_password": self.users[user],
            "kafka_ca_file": str(self.folder / "ca.pem"),
        }
        return {f"ATTAIN_{name.upper()}": value for name, value in (named | others).items()}

    def mutual_settings(self, certificate: str) -> dict[str, str]:
        """Return the `ATTAIN_*` settings of a client that shows a certificate."""
        return {
            "ATTAIN_KAFKA": self.mutual_address,
            "ATTAIN_KAFKA_SECURITY": "SSL",
            "ATTAIN_KAFKA_CA_FILE": str(self.folder / "ca.pem"),
            "ATTAIN_KAFKA_CERTIFICATE_FILE": str(self.folder / f"{certificate}.pem"),
        }

    async def allow(self, user: str, rights: Sequence[tuple[str, str, str]]) -> None:
        """Let a user do what `shared.topics.rights` names."""
        admin = AIOKafkaAdminClient(**client_options(as_settings(self.settings(ADMIN))))
        await admin.start()
        try:
            for kind, name, operation in rights:
                # The client has the request, but no method that sends it.
                request = CreateAclsRequest(
                    _KINDS[kind], name, _PATTERNS[kind], f"User:{user}", "*", _OPERATIONS[operation], _ALLOW
                )
                answer = await admin._send_to_controller(request)
                assert answer.creation_responses[0][0] == 0, answer
        finally:
            await admin.close()


@asynccontextmanager
async def secured_kafka(folder: Path, users: Mapping[str, str]) -> AsyncIterator[SecuredKafka]:
    """Run a broker with these users and passwords, and certificates `CN=<user>`; nobody but the admin may do anything."""
    home = Home(folder)
    state = home.create()
    broker = SecuredKafka(home, users)
    write_certificates(broker.folder, ["broker", *users])
    program = await kafka.prepare(home, state, lambda text: None)
    data = home.kafka / "data"
    shutil.rmtree(data)
    properties = home.kafka / "server.properties"
    properties.write_text(
        _PROPERTIES.format(
            port=home.port("kafka"), mutual=home.port("kafka-mutual"), controller=home.port("kafka-controller"),
            folder=broker.folder, data=data, password=users[ADMIN],
        )
    )  # fmt: skip
    java = program.command[: program.command.index("kafka.Kafka")]
    scram = [part for name, password in users.items()
             for part in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")]  # fmt: skip
    await finish(
        "formatting",
        [*java, "kafka.tools.StorageTool", "format", "-t", state.cluster_id, "-c", str(properties), *scram],
        inherited(state.id), home.log("kafka"),
    )  # fmt: skip

    async def answers() -> bool:
        client = AIOKafkaAdminClient(**client_options(as_settings(broker.settings(ADMIN))), request_timeout_ms=5000)
        try:
            await client.start()
        except Exception:
            return False
        finally:
            await client.close()
        return True

    child = Child(dataclasses.replace(program, answers=answers), lambda text: None, lambda name, pid: None)
    await child.start()
    try:
        yield broker
    finally:
        await child.stop()


def as_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings that a service would read from these variables."""
    return Settings.model_validate({name.removeprefix("ATTAIN_").lower(): value for name, value in environment.items()})
