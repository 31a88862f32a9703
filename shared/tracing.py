"""
Traces by OpenTelemetry: the spans of sampled evidence, from the request that brought it to the read model.

No context travels with an event. The trace of a piece of evidence is the piece's own id, and the id of a span follows
from the trace, the stage and the event: every stage knows its parent's, a stage that is repeated after a crash names
the same span again, and all services sample the same pieces. A record that is traced carries `traceparent` as a header
of Kafka, for readers outside. While no endpoint is named, a batch costs a call.

    POST /v1/evidence > intake > send evidence > fold progression > send advancement, progression > fold reporting-*
"""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from shared.event_log import Entry
from shared.events import Envelope
from shared.handling import ShardBatch
from shared.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import SpanContext

SPANS_A_BATCH_MAX = 500
"""Of one batch, and of one request; what a policy or a decision caused at once is one trace of very many spans."""
QUEUE_SPANS_MAX = 8192
EXPORT_S = 2
"""For one request to the collector with its repetitions; a stop waits for two of them at most."""
SEND_EVERY_MS = 2000
EVIDENCE, PROGRESSION = "evidence", "progression"


class _Ids(msgspec.Struct):
    id: str
    causationid: str = ""


class _Event(NamedTuple):
    """An event on its way: the id whose trace it belongs to (empty for none), its own, and its place in the log."""

    trace: str
    id: str
    shard: int
    pos: int


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_decode_ids = msgspec.json.Decoder(_Ids).decode
_on: "Traces | None" = None


class Work:
    """What is done for a batch of traced events, or for a request; the base class stands for nothing traced."""

    headers: dict[int, list[tuple[str, bytes]]] = {}  # noqa: RUF012  # empty, and shared by all that is not traced
    """By position: what a record of Kafka carries."""

    def done(self, status: int = 0) -> None:
        """Tell that it is durable, or answered."""


NOTHING = Work()


def begin(service: str, settings: Settings) -> None:
    """Trace in this process where `trace_endpoint` is set."""
    global _on  # noqa: PLW0603  # as there is one registry of metrics
    if settings.trace_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # One line for each failed request, not one for each try.
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)
        exporter = OTLPSpanExporter(f"{settings.trace_endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_S)
        processor = BatchSpanProcessor(exporter, QUEUE_SPANS_MAX, schedule_delay_millis=SEND_EVERY_MS)
        _on = Traces(service, settings.trace_share, processor)


def end() -> None:
    """Send what waits, for a bounded time."""
    global _on  # noqa: PLW0603
    if _on is not None:
        _on.processor.shutdown()
        _on = None


def request(scope: MutableMapping[str, Any]) -> Work:
    """Return the request that begins here; `taken` notes what came with it."""
    if _on is None or scope["method"] != "POST":
        return NOTHING
    work = _Request(_on, scope)
    _coming.set(work)
    return work


def taken(evidence_ids: Iterable[str | None], began_ns: int, way: str) -> None:
    """Tell that pieces are in the log by now, taken in since `began_ns`."""
    if _on is not None:
        _on.note_taken(evidence_ids, began_ns, way)


def sending(log: str, entries: Sequence[Entry]) -> Work:
    """Return the sending of entries of a log, which begins now."""
    return NOTHING if _on is None else _on.sending(log, entries)


def folding(consumer: str, log: str, batches: Sequence[ShardBatch]) -> Work:
    """Return the folding of batches of a log, which begins now."""
    return NOTHING if _on is None else _on.folding(consumer, log, batches)


def newest_traced(inputs: Sequence[_Named]) -> str:
    """Return the id of the last of the inputs that is traced; empty for none."""
    if _on is None:
        return ""
    return next((one.id for one in reversed(inputs) if _on.samples(one.id)), "")


class Traces:
    """The spans of one service; those that cannot be sent in time are dropped."""

    def __init__(self, service: str, share: float, processor: "SpanProcessor") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

        self.processor = processor
        self.resource = Resource.create({"service.name": f"attain-{service}", "service.namespace": "attain"})
        self.span: Callable[..., ReadableSpan] = ReadableSpan
        self.context, self.kinds, self.link, self.sampled = SpanContext, SpanKind, Link, TraceFlags(TraceFlags.SAMPLED)
        # As OpenTelemetry samples by the last 56 bits of a trace id, by the 48 that stand in the last group of a uuid.
        self._threshold = f"{min(round((1 - share) * 2**48), 2**48 - 1):012x}" if share else "g"

    def samples(self, id: str) -> bool:
        """Tell whether the trace of an id is kept; never of one that is no uuid."""
        return id[24:] >= self._threshold and _UUID.fullmatch(id) is not None

    def place(self, trace: str, stage: str, event: str) -> "SpanContext":
        """Return where the span of a stage is, in the trace of the id `trace`."""
        digest = hashlib.blake2b(f"{trace}|{stage}|{event}".encode(), digest_size=8).digest()
        return self.context(int(trace.replace("-", ""), 16), int.from_bytes(digest, "big"), True, self.sampled)

    def note(
        self, name: str, at: "SpanContext", parent: "SpanContext | None", began_ns: int, kind: str, **more: Any
    ) -> None:
        """Hand over a span that ends now."""
        self.processor.on_end(
            self.span(
                name, at, parent, self.resource, kind=self.kinds[kind], start_time=began_ns, end_time=time.time_ns(), **more
            )
        )  # fmt: skip

    def note_taken(self, evidence_ids: Iterable[str | None], began_ns: int, way: str) -> None:
        """See `taken`."""
        request = _coming.get()
        traces = [id for id in evidence_ids if id is not None and self.samples(id)][:SPANS_A_BATCH_MAX]
        for trace in traces:
            parent = None if request is None else request.note(trace)
            at = self.place(trace, "intake", trace)
            self.note("intake", at, parent, began_ns, "INTERNAL", attributes={"attain.way": way})

    def sending(self, log: str, entries: Sequence[Entry]) -> Work:
        """See `sending`."""
        events = [
            _Event(_trace_of(log, ids), ids.id, entry.shard, entry.pos)
            for entry in entries
            for ids in (_decode_ids(entry.body),)
        ]
        after = "intake" if log == EVIDENCE else f"fold {PROGRESSION}"
        return self._batch(f"send {log}", "PRODUCER", log, events, lambda one: self.place(one.trace, after, one.trace))

    def folding(self, consumer: str, log: str, batches: Sequence[ShardBatch]) -> Work:
        """See `folding`."""
        events = [_Event(_trace_of(log, e), e.id, e.shard, e.position) for batch in batches for e in batch.events]
        after = f"send {log}"
        return self._batch(
            f"fold {consumer}", "CONSUMER", log, events, lambda one: self.place(one.trace, after, one.id)
        )

    def _batch(
        self, stage: str, kind: str, log: str, events: Sequence[_Event], parent_of: "Callable[[_Event], SpanContext]"
    ) -> Work:
        traced = [event for event in events if self.samples(event.trace)]
        return _Batch(self, stage, kind, log, traced[:SPANS_A_BATCH_MAX], parent_of) if traced else NOTHING


class _Batch(Work):
    """Events of a batch that are traced."""

    def __init__(
        self,
        traces: Traces,
        stage: str,
        kind: str,
        log: str,
        events: Sequence[_Event],
        parent_of: "Callable[[_Event], SpanContext]",
    ) -> None:
        self._traces, self._stage, self._kind, self._log, self._parent_of = traces, stage, kind, log, parent_of
        self._began_ns = time.time_ns()
        self._spans = [(traces.place(event.trace, stage, event.id), event) for event in events]
        self.headers = {
            event.pos: [("traceparent", f"00-{at.trace_id:032x}-{at.span_id:016x}-01".encode())]
            for at, event in self._spans
        }

    def done(self, status: int = 0) -> None:
        for at, event in self._spans:
            self._traces.note(
                self._stage, at, self._parent_of(event), self._began_ns, self._kind,
                attributes={"attain.log": self._log, "attain.shard": event.shard, "attain.position": event.pos},
            )  # fmt: skip


class _Request(Work):
    """A request, in the trace of each traced piece that it brought, with a link to the caller's own trace."""

    def __init__(self, traces: Traces, scope: MutableMapping[str, Any]) -> None:
        self._traces, self._scope = traces, scope
        self._began_ns = time.time_ns()
        self._brought: list[SpanContext] = []

    def note(self, trace: str) -> "SpanContext":
        """Take a piece as brought by this request, and return its span."""
        self._brought.append(self._traces.place(trace, "request", trace))
        return self._brought[-1]

    def done(self, status: int = 0) -> None:
        if not self._brought:
            return
        route = getattr(self._scope.get("route"), "path", "unmatched")
        method = self._scope["method"]
        attributes = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        caller = _caller(self._scope)
        links = [self._traces.link(caller)] if caller is not None else []
        for at in self._brought:
            self._traces.note(
                f"{method} {route}", at, None, self._began_ns, "SERVER", attributes=attributes, links=links
            )


def _caller(scope: MutableMapping[str, Any]) -> "SpanContext | None":
    """Return the span from which a request was sent, where it says so."""
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    names = (b"traceparent", b"tracestate")
    carrier = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in names}
    context = get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
    return context if context.is_valid else None


def _trace_of(log: str, event: Envelope | _Ids) -> str:
    """Return the id of the input that caused an event; a piece of evidence is its own. Empty where nothing says it."""
    return event.causationid or (event.id if log == EVIDENCE else "")


_coming: ContextVar[_Request | None] = ContextVar("request", default=None)
