"""The AsyncAPI document of a service: what FastStream subscribes to, what the relay sends, and the data of both."""

import functools
import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse
from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI

from shared.auth import TENANT
from shared.contracts.internal_events import EVENTS, IDENTITY_ERASED, QUARANTINED, IdentityErased, Quarantined
from shared.contracts.public_events import ADVANCEMENT_EVENTS
from shared.contracts.snapshots import TERM_CLOSED, TermClosed
from shared.contracts.support_events import SUPPORT_EVENTS
from shared.described import schema_of, with_components
from shared.event_log import EventLog
from shared.events import NOBODY, UNTOLD, redacted_type, resharded_type, topic_of
from shared.topics import SUBMITTED, TOPICS, Topic

DATA = EVENTS | {
    "progression": EVENTS["progression"] | {TERM_CLOSED: TermClosed},
    "advancement": ADVANCEMENT_EVENTS,
    "evidence.quarantined": {QUARANTINED: Quarantined},
    "support": SUPPORT_EVENTS | {IDENTITY_ERASED: IdentityErased},
}
"""The data of every event type that is described, by log."""


class Redacted(msgspec.Struct, frozen=True):
    """
    What an erased event leaves in its place, in any log: the SHA-256 of what was there. It is about `nobody`, and `time` is that
    of no event.
    """

    sha256: str


class Resharded(msgspec.Struct, frozen=True):
    """Holds the position of an event that another shard has since a re-shard: of nobody, and saying nothing."""


_TEXT, _NUMBER = {"type": "string"}, {"type": "integer", "minimum": 0}
_ENVELOPE: dict[str, dict[str, Any]] = {
    "specversion": {"const": "1.0"},
    "id": _TEXT,
    "source": _TEXT | {"description": "the service that tells it, as a path"},
    "tenant": _TEXT,
    "subject": _TEXT | {"minLength": 1, "description": f"whom or what it is about; `{NOBODY}` where that is nobody"},
    "time": _TEXT
    | {
        "format": "date-time",
        "description": f"when it was told, in UTC with microseconds; `{UNTOLD}` of what stands for another event",
    },
    "dataschema": _TEXT | {"description": "the type as a URN"},
    "generation": _NUMBER
    | {"description": "rises when a log begins anew; positions of another one are not comparable"},
    "shard": _NUMBER,
    "position": _NUMBER | {"description": "dense and rising in a shard"},
    "causationid": _TEXT | {"description": "the id of the input that caused it"},
}
"""What every event has around its data; the last is left out where nothing caused it."""
_ALWAYS = [*list(_ENVELOPE)[:-1], "type", "data"]
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: events</title>
<style>body{{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}
code,pre{{font-size:.9em}}pre{{background:#8881;padding:1rem;overflow:auto}}</style>
<h1>{title}: events</h1><p>The same as AsyncAPI 3.0: <a href="/asyncapi.json">/asyncapi.json</a></p>{channels}</html>"""


def document(
    title: str, broker: KafkaBroker, logs: Sequence[EventLog], suffix: str, submitted: type | None = None
) -> dict[str, Any]:
    """
    Return the AsyncAPI 3.0 document: FastStream's own for what is received, completed by what is sent.

    Args:
        submitted: what producers write, where the service takes in what is submitted.
    """
    specification = AsyncAPI(broker, title=f"Attain {title}", version="1").to_specification()
    content: dict[str, Any] = msgspec.json.decode(specification.to_json())
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, dict[str, Any]] = {}
    known = {topic.name(suffix): topic for topic in TOPICS}
    received = {channel["address"] for channel in content["channels"].values()}
    sent = {topic_of(log.name, suffix) for log in logs}
    for address in sorted(received | sent):
        topic = known[address]
        told = _messages(topic, submitted)
        channels[address] = {
            "address": address,
            "description": topic.meaning,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in told},
            "bindings": {"kafka": {"topic": address, "bindingVersion": "0.4.0"}},
        }
        operations[f"{'send' if address in sent else 'receive'} {address}"] = {
            "action": "send" if address in sent else "receive",
            "channel": {"$ref": f"#/channels/{address}"},
        }
        messages |= told
    return with_components(
        content | {"channels": channels, "operations": operations, "components": {"messages": messages}}
    )


def _messages(topic: Topic, submitted: type | None) -> dict[str, dict[str, Any]]:
    """Return the messages of a topic by their names."""
    if topic is SUBMITTED and submitted is not None:
        return {topic.name(): _submission(topic.name(), submitted)}
    return {
        name: {
            "name": name, "contentType": "application/cloudevents+json", "payload": _payload(name, schema_of(kind))
        } | ({"examples": [{"payload": _examples()[name]}]} if name in _examples() else {})
        for name, kind in _types(topic).items()
    }  # fmt: skip


@functools.cache
def _examples() -> dict[str, Any]:
    """Return a worked example of every public event and those on support, by type, as the fold tells it."""
    found: dict[str, Any] = msgspec.json.decode(files("shared.contracts").joinpath("event_examples.json").read_bytes())
    return found


def _submission(name: str, kind: type) -> dict[str, Any]:
    tenant = _TEXT | {"pattern": f"^{TENANT.pattern}$", "description": "whose it is, as ASCII"}
    key = _TEXT | {"description": "free: any, or none"}
    return {
        "name": name,
        "contentType": "application/json",
        "summary": "A piece of evidence, as POST /v1/evidence takes one.",
        "description": "What cannot be used goes to quarantine, as does what has no tenant; the same `id` again changes nothing.",
        "headers": {"type": "object", "required": ["tenant"], "properties": {"tenant": tenant}},
        "payload": schema_of(kind),
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.4.0"}},
    }  # fmt: skip


def _types(topic: Topic) -> dict[str, type[msgspec.Struct]]:
    """Return the data of every event type of a topic, those that stand for what is not there any more with them."""
    if topic.log not in DATA:
        return {}
    gone: dict[str, type[msgspec.Struct]] = {redacted_type(topic.log): Redacted, resharded_type(topic.log): Resharded}
    return DATA[topic.log] | gone


def _payload(type: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "required": _ALWAYS, "properties": _ENVELOPE | {"type": {"const": type}, "data": data}
    }  # fmt: skip


def event_schema(topic: Topic) -> dict[str, Any]:
    """Return the schema of any event of a topic, for answers that have such."""
    parts: dict[str, Any] = {}
    for name, kind in _types(topic).items():
        # Of members with a default an event of an earlier version may be without.
        data = schema_of(kind, prefix="Event")
        parts |= data.pop("$defs") | {name: _payload(name, data)}
    return {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in _types(topic)], "$defs": parts}


def asyncapi_router(
    title: str, broker: KafkaBroker, logs: Sequence[EventLog], suffix: str, submitted: type | None = None
) -> APIRouter:
    """Return `/asyncapi` for people and `/asyncapi.json` for tools; see `document`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/asyncapi.json")
    async def as_json() -> JSONResponse:
        return JSONResponse(document(title, broker, logs, suffix, submitted))

    @router.get("/asyncapi")
    async def as_page() -> HTMLResponse:
        content = document(title, broker, logs, suffix, submitted)
        sections = [
            f"<h2><code>{html.escape(address)}</code></h2><p>{html.escape(channel['description'])}</p>"
            + "".join(_message(content["components"]["messages"][name], content) for name in channel["messages"])
            for address, channel in content["channels"].items()
        ]
        return HTMLResponse(_PAGE.format(title=html.escape(content["info"]["title"]), channels="".join(sections)))

    return router


def _message(message: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Return what a message says: of an event its data, of anything else all of it, with the headers that it needs."""
    payload = message["payload"]
    reference = payload["$ref"] if "$ref" in payload else payload["properties"]["data"]["$ref"]
    schema = content["components"]["schemas"][reference.rpartition("/")[2]]
    headers = {"headers": message["headers"]["properties"]} if "headers" in message else {}
    shown = _as_block(headers | schema.get("properties", {}))
    examples = "".join(
        f"<details><summary>Example</summary>{_as_block(example['payload'])}</details>"
        for example in message.get("examples", ())
    )
    return f"<h3><code>{html.escape(message['name'])}</code></h3>{shown}{examples}"


def _as_block(content: Any) -> str:
    return f"<pre>{html.escape(msgspec.json.format(msgspec.json.encode(content)).decode())}</pre>"
