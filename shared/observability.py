"""
Metrics and logs: every metric name in one place, with its meaning and unit.

`python -m shared.observability` prints them as the table in docs/metrics.md.
"""

import datetime
import json
import logging
import sys

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from shared.tenancy import logged_tenant

PLACES = ("tenant", "consumer", "log", "shard", "position")
"""What an entry may be given with `extra`, so that it can be searched for."""
OWN_LOGGERS = ("attain", "services", "shared")
_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class metrics:
    """All metrics of the services; labels never carry tenants, schools or learners (small numbers leak)."""

    build = Gauge("attain_build_info", "1, of the version that runs", ["version"])
    requests = Counter(
        "attain_http_requests_total", "Requests answered, by route and status", ["method", "route", "status"]
    )
    request_seconds = Histogram(
        "attain_http_request_seconds",
        "To the first byte of an answer; without those who ask to wait for a position",
        ["route"],
        buckets=_SECONDS,
    )
    received = Counter("attain_evidence_received_total", "Items by outcome", ["way", "status"])
    quarantined = Counter(
        "attain_evidence_quarantined_total", "Records kept aside because they cannot be used", ["reason"]
    )
    parked = Gauge(
        "attain_evidence_parked",
        "Pieces that wait for a competency or an entry of the map, up to 100,000",
        ["waits_for"],
    )
    sources_stopped = Counter(
        "attain_sources_stopped_total", "Times a source was stopped because it sent mostly bad items"
    )
    relayed = Counter("attain_relay_sent_total", "Log rows sent to Kafka and acknowledged", ["log"])
    relay_restarts = Counter("attain_relay_restarts_total", "Times the relay dropped its producer and started over")
    relay_lowered = Counter("attain_relay_lowered_total", "Times a partition's tail lay behind the relay's cursor")
    folded = Counter("attain_consumer_folded_total", "Events folded and committed", ["consumer"])
    fold_seconds = Histogram(
        "attain_consumer_fold_seconds", "Folding a batch in memory", ["consumer"], buckets=_SECONDS
    )
    commit_seconds = Histogram("attain_consumer_commit_seconds", "Committing a batch", ["consumer"], buckets=_SECONDS)
    holes = Counter("attain_consumer_holes_total", "Missing positions fetched from the feed", ["consumer"])
    hole_seconds = Gauge(
        "attain_consumer_hole_seconds", "For how long the oldest missing position has been waited for", ["consumer"]
    )
    shards_owned = Gauge("attain_consumer_shards_owned", "Shards that this process folds", ["consumer"])
    shards_waiting = Gauge(
        "attain_consumer_shards_waiting",
        "Of those, how many wait: for a missing position, a generation, a retry",
        ["consumer"],
    )
    fences_lost = Counter(
        "attain_consumer_fences_lost_total", "Compare-and-sets that found another owner", ["consumer"]
    )
    undecodable = Counter("attain_consumer_undecodable_total", "Records whose envelope could not be read", ["consumer"])
    consumer_failures = Counter("attain_consumer_failures_total", "Batches that raised and wait", ["consumer"])
    behind_events = Gauge(
        "attain_stage_behind_events", "Events a stage has left to do, asked at each scrape", ["stage"]
    )
    behind_seconds = Gauge("attain_stage_behind_seconds", "For how long the oldest of them waits", ["stage"])
    shard_behind_events = Gauge(
        "attain_shard_behind_events", "The same of a shard, for as long as it is behind", ["stage", "shard"]
    )
    shard_behind_seconds = Gauge(
        "attain_shard_behind_seconds", "For how long the shard's oldest event waits", ["stage", "shard"]
    )
    lag_unknown = Gauge("attain_lag_unknown", "1 where the last scrape could not see how far the stages are")
    blocked = Gauge("attain_blocked_learners", "Learners whose events cannot be folded, asked at each scrape")
    webhooks_parked = Gauge(
        "attain_webhooks_parked",
        "What of webhooks waits for a person, asked at each scrape: whole ones, or the events of single learners",
        ["what"],
    )
    clock_doubted = Gauge("attain_clock_doubted", "1 while the clock cannot be believed and nothing is dated by it")
    differences = Gauge(
        "attain_reconciliation_differences", "Rows by which a stage differs from the one before, all tenants", ["stage"]
    )
    reconciled = Gauge(
        "attain_reconciliation_timestamp_seconds",
        "When a stage was last reconciled; before the first time, when the process began to",
        ["stage"],
    )
    connections = Gauge("attain_database_connections", "Connections of the pool, open and idle", ["state"])
    loop_delay = Gauge("attain_event_loop_delay_seconds", "How late the event loop woke up at the last scrape")


def registry_table() -> str:
    """Return all metrics as a Markdown table: name, kind, labels, meaning."""
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            described = next(iter(metric.describe()))
            name = described.name + ("_total" if described.type == "counter" else "")
            rows.append(
                f"| `{name}` | {described.type} | {', '.join(metric._labelnames)} | {described.documentation} |"
            )
    return "\n".join(rows) + "\n"


class JsonLines(logging.Formatter):
    """
    An entry as one JSON object: time, level, service, logger, message, and what of `PLACES` is known of it.

    Those the entry was given; the tenant also where the task that wrote it serves one.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, object] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if tenant := logged_tenant():
            entry["tenant"] = tenant
        entry |= {name: getattr(record, name) for name in PLACES if hasattr(record, name)}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure_logging(level: str, form: str = "text", service: str = "") -> None:
    """
    Log to stderr, one line an entry, as text or JSON; no tokens, bodies or learner names are ever logged.

    `level` is that of our own loggers. Libraries may name anybody below WARNING: fontTools tells the letters of a transcript.
    """
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonLines(service) if form == "json" else text)
    of_others = max(logging.WARNING, logging.getLevelNamesMapping()[level])
    logging.basicConfig(level=of_others, handlers=[handler], force=True)
    for own in OWN_LOGGERS:
        logging.getLogger(own).setLevel(level)
    # It sets a level of its own as it is imported, and writes by a handler of its own.
    logging.getLogger("faststream").setLevel(of_others)


def log_failure(message: str, error: BaseException | None) -> None:
    """Log the end of something that should not end, with its traceback."""
    logging.getLogger("attain").critical(message, exc_info=error)


if __name__ == "__main__":
    sys.stdout.write(registry_table())
