"""Which evidence is traced, and what tracing costs where it is off."""

import uuid

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared import tracing
from shared.event_log import Entry
from shared.events import Envelope, decode_envelope, envelope, placed
from shared.handling import ShardBatch
from shared.settings import Settings
from shared.shards import stable_id
from shared.tracing import NOTHING, SPANS_A_BATCH_MAX, Traces

IDS = [stable_id("piece", str(n)) for n in range(4000)]


def _traces(share: float) -> tuple[Traces, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    return Traces("test", share, SimpleSpanProcessor(exporter)), exporter


def _event(id: str, pos: int, cause: str = "") -> tuple[Entry, Envelope]:
    body = envelope(
        id=id, source="t", type="attain.t.v1", tenant="t", subject="l", time="", data=b"{}", cause=cause
    )  # fmt: skip
    whole = placed(body, 1, 3, pos)
    return Entry(3, pos, "t|l", whole), decode_envelope(whole)


def _done(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    return list(exporter.get_finished_spans())


def test_a_share_of_the_ids_is_kept_and_more_of_it_keeps_the_same_ones() -> None:
    traces = {share: _traces(share)[0] for share in (0, 0.01, 0.25, 1)}
    kept = {share: {id for id in IDS if traces[share].samples(id)} for share in traces}

    assert kept[0] == set()
    assert kept[1] == set(IDS)
    assert 0.22 < len(kept[0.25]) / len(IDS) < 0.28
    assert kept[0.01] < kept[0.25]


def test_what_is_off_is_one_object_that_does_nothing() -> None:
    tracing.begin("test", Settings())
    entry, event = _event(IDS[0], 1)

    assert tracing.sending("evidence", [entry]) is NOTHING
    assert tracing.folding("c", "evidence", [ShardBatch(3, [], [event], 1, 1)]) is NOTHING
    assert tracing.request({"method": "POST"}) is NOTHING
    assert tracing.newest_traced([event]) == ""


def test_a_stage_that_is_repeated_names_the_same_span_below_the_stage_before() -> None:
    traces, exporter = _traces(1)
    entry, event = _event(IDS[0], 7)
    for _ in range(2):
        traces.sending("evidence", [entry]).done()
    traces.folding("progression", "evidence", [ShardBatch(3, [], [event], 7, 1)]).done()
    first, again, fold = _done(exporter)

    assert first.context == again.context
    assert first.context is not None
    assert first.context.trace_id == uuid.UUID(IDS[0]).int
    assert fold.parent == first.context
    assert fold.attributes == {"attain.log": "evidence", "attain.shard": 3, "attain.position": 7}


def test_a_record_carries_where_it_was_sent_from() -> None:
    traces, exporter = _traces(1)
    entry, _ = _event(IDS[1], 9, cause=IDS[0])
    sending = traces.sending("advancement", [entry])
    sending.done()
    ((name, value),) = sending.headers[9]
    (span,) = _done(exporter)

    assert span.context is not None
    assert name == "traceparent"
    assert value.decode() == f"00-{uuid.UUID(IDS[0]).hex}-{span.context.span_id:016x}-01"


def test_what_no_evidence_caused_has_no_trace() -> None:
    traces, _ = _traces(1)

    assert traces.sending("progression", [_event("a.1", 1)[0]]) is NOTHING
    assert traces.sending("progression", [_event("a.2", 2, cause="a restore, or whatever is no uuid")[0]]) is NOTHING
    assert traces.sending("evidence", [_event("f" * 32, 3)[0]]) is NOTHING


def test_what_one_input_caused_at_once_is_bounded() -> None:
    traces, exporter = _traces(1)
    entries = [_event(id, pos, cause=IDS[0])[0] for pos, id in enumerate(IDS, start=1)]
    traces.sending("advancement", entries).done()

    assert len(_done(exporter)) == SPANS_A_BATCH_MAX
