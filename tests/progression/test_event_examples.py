"""The worked examples of events are what the fold tells, of every type, and stand in the document of the events."""

import jsonschema_rs
import msgspec
import pytest
from faststream.kafka import KafkaBroker

from services.progression.domain.subscribing import Address, addressed
from services.progression.handlers.logs import Logs
from shared.asyncapi import document
from shared.contracts.public_events import ADVANCEMENT_EVENTS
from shared.contracts.public_members import Placement, Ref
from shared.contracts.support_events import SUPPORT_EVENTS
from tests.progression.event_examples import EXAMPLES, examples, text
from tests.support.described import closed

TYPES = sorted(ADVANCEMENT_EVENTS | SUPPORT_EVENTS)


def test_there_is_an_example_of_every_event_and_it_is_what_the_fold_tells():
    assert sorted(examples()) == TYPES
    assert EXAMPLES.read_text(encoding="utf-8") == text(), "run python -m tests.progression.event_examples"


@pytest.mark.parametrize("type", TYPES)
def test_an_example_stands_beside_its_schema_and_is_of_it(type: str):
    content = document("progression", KafkaBroker("127.0.0.1:1"), Logs(1).relayed(), "")
    message = content["components"]["messages"][type]
    (example,) = (each["payload"] for each in message["examples"])

    jsonschema_rs.validate({**message["payload"], "components": content["components"]}, example)


@pytest.mark.parametrize("type", TYPES)
def test_what_a_receiver_alone_is_told_is_described_of_every_event(type: str):
    content = document("progression", KafkaBroker("127.0.0.1:1"), Logs(1).relayed(), "")
    message = content["components"]["messages"][type]
    (example,) = (each["payload"] for each in message["examples"])
    schema = closed({**message["payload"], "components": content["components"]})

    for address in (Address(), Address((Ref("urn:a", "ada"),), Placement("s1", ("k1",), "2026"))):
        told = msgspec.json.decode(addressed(msgspec.json.encode(example), address))
        jsonschema_rs.validate(schema, told)
