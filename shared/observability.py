"""Metrics and logs: every metric name in one place, with its meaning and unit."""

import logging
import sys

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class metrics:
    """All metrics of the services; labels never carry tenants, schools or learners (small numbers leak)."""

    received = Counter("attain_evidence_received_total", "Items by outcome", ["way", "status"])
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
    fences_lost = Counter(
        "attain_consumer_fences_lost_total", "Compare-and-sets that found another owner", ["consumer"]
    )
    undecodable = Counter("attain_consumer_undecodable_total", "Records whose envelope could not be read", ["consumer"])
    consumer_failures = Counter("attain_consumer_failures_total", "Batches that raised and wait", ["consumer"])
    blocked = Gauge("attain_blocked_learners", "Learners whose events cannot be folded")


def configure_logging(level: str) -> None:
    """Log to stderr, one line an entry; no tokens, bodies or learner names are ever logged."""
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    for noisy in ("aiokafka", "httpx", "faststream"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def log_failure(message: str, error: BaseException | None) -> None:
    """Log the end of something that should not end, with its traceback."""
    logging.getLogger("attain").critical(message, exc_info=error)
