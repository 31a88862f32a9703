"""Sending evidence through the HTTP edge: batches, zipped, in two lanes, again where an answer was lost."""

import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import msgspec

from deploy.local.client.asking import patiently, refusal, told
from deploy.local.errors import StackError
from deploy.local.options import Context

BATCH_ITEMS = 5_000
# Below the 8 MiB that the edge takes, even where zipping gains nothing.
BATCH_BYTES = 7 << 20
LANES = 2
# Level 1 takes 10 ms for 5,000 items and sends an eighth; more is slower than the network of a laptop.
ZIP_LEVEL = 1
STATUSES = ("accepted", "duplicate", "corrected", "parked", "rejected", "acknowledged")
UNREMARKABLE = frozenset(("accepted", "acknowledged"))
NATIVE = "/v1/evidence"


class Item(msgspec.Struct):
    """What became of one item, by its index in the file."""

    index: int
    id: str | None
    status: str
    reason: str | None = None
    pointer: str | None = None
    detail: str | None = None


class Tally:
    """What became of all items: the counts, and the items that are listed."""

    def __init__(self, lists: Callable[[Item], bool] = lambda item: item.status not in UNREMARKABLE) -> None:
        self._lists = lists
        self.counts: Counter[str] = Counter(dict.fromkeys(STATUSES, 0))
        self.reasons: Counter[tuple[str, str]] = Counter()
        """How many of a status had which reason."""
        self.items: list[Item] = []

    @property
    def taken(self) -> int:
        """How many are durable and no longer waiting."""
        return self.counts["accepted"] + self.counts["duplicate"] + self.counts["corrected"]

    @property
    def refused(self) -> int:
        """How many are not."""
        return refused(self.counts)

    def add(self, items: Iterable[Item], indexes: Sequence[int]) -> None:
        """Count the items of one answer; they have these indexes in the file."""
        for item, index in zip(items, indexes, strict=True):
            self.counts[item.status] += 1
            if item.reason:
                self.reasons[item.status, item.reason] += 1
            if self._lists(item):
                item.index = index
                self.items.append(item)


def refused(counts: Mapping[str, int]) -> int:
    """Return how many were not taken, or wait, by their counts by status; none where nothing was sent."""
    return counts.get("parked", 0) + counts.get("rejected", 0)


class _Answer(msgspec.Struct):
    items: list[Item]


class _Who(msgspec.Struct):
    learner: str = ""


_decode_who = msgspec.json.Decoder(_Who).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode


def send(
    context: Context,
    items: Iterable[bytes | Item],
    tally: Tally,
    *,
    lines: bool = True,
    path: str = NATIVE,
    sent: Callable[[int], None] = lambda count: None,
) -> None:
    """
    Send items, each learner's in their order; what is sent again is a duplicate, so nothing counts twice.

    The mastery that follows does not depend on the order, but what is told on the way does: out of order, something may
    be told, withdrawn and told again. So a learner's items go through one lane, which waits for its answers.

    Args:
        items: native objects, encoded, each on one line where `lines`; or why there is none to send.
        tally: takes what became of them; lists items in their order.
        path: where they are sent, with its query.
        lines: send NDJSON, in which an item that is not JSON harms no other; else an array.
        sent: told how many items have been answered so far, after each batch.

    Raises:
        StackError: refused as a whole, or the service stayed away; what was answered so far is durable.
    """
    with context.client("evidence", scope="evidence:write") as client, ThreadPoolExecutor(LANES) as threads:
        lanes = [_Lane(client, threads, tally, lines, path) for _ in range(LANES)]
        answered = 0
        try:
            for index, item in enumerate(items):
                if isinstance(item, Item):
                    tally.add([item], [index])
                    continue
                lane = lanes[lane_of(item)]
                if lane.is_full(item):
                    answered += lane.flush()
                    sent(answered)
                lane.add(index, item)
            for lane in (*lanes, *lanes):
                answered += lane.flush()
                sent(answered)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    tally.items.sort(key=lambda item: item.index)


def lane_of(item: bytes) -> int:
    """Return the lane of an item: the same for all items of a learner."""
    try:
        learner = _decode_who(item).learner
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    return zlib.crc32(learner.encode()) % LANES


class _Lane:
    """One request at a time: a batch that fills while the one before is on its way."""

    def __init__(self, client: httpx.Client, threads: ThreadPoolExecutor, tally: Tally, lines: bool, path: str) -> None:
        self._client = client
        self._threads = threads
        self._tally = tally
        self._lines = lines
        self._path = path
        self._indexes: list[int] = []
        self._items: list[bytes] = []
        self._size = 0
        self._waiting: tuple[list[int], Future[list[Item]]] | None = None

    def is_full(self, item: bytes) -> bool:
        """Tell whether a batch has no room for an item; one that is too large by itself is a batch of its own."""
        return bool(self._items) and (len(self._items) == BATCH_ITEMS or self._size + len(item) + 1 > BATCH_BYTES)

    def add(self, index: int, item: bytes) -> None:
        """Put an item into the batch."""
        self._indexes.append(index)
        self._items.append(item)
        self._size += len(item) + 1

    def flush(self) -> int:
        """Wait for the batch on its way and send the one that has been filled; return how many items were answered."""
        answered = 0
        if self._waiting is not None:
            indexes, future = self._waiting
            self._tally.add(future.result(), indexes)
            answered, self._waiting = len(indexes), None
        if self._items:
            self._waiting = (
                self._indexes,
                self._threads.submit(post, self._client, self._items, self._lines, self._path),
            )
            self._indexes, self._items, self._size = [], [], 0
        return answered


def post(client: httpx.Client, items: Sequence[bytes], lines: bool, path: str = NATIVE) -> list[Item]:
    """Send one batch and return what became of each item; a service with lower limits gets it in halves."""
    body = b"\n".join(items) if lines else b"[%s]" % b",".join(items)
    kind = "application/x-ndjson" if lines else "application/json"
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    zipper = zlib.compressobj(ZIP_LEVEL, wbits=31)
    body = zipper.compress(body) + zipper.flush()
    answer = patiently(client.post, path, content=body, headers=headers)
    if answer.status_code == 413:
        if len(items) == 1:
            return [Item(0, None, "rejected", "too_large", "", refusal(answer)["detail"])]
        half = len(items) // 2
        return [*post(client, items[:half], lines, path), *post(client, items[half:], lines, path)]
    found = _decode_answer(told(answer).content).items
    if len(found) != len(items):
        raise StackError(f"{len(items)} items were sent and {len(found)} answered")
    return found


def first_lines(tally: Tally, limit: int) -> list[str]:
    """Return what is the matter with the first items that are listed, a line each."""
    lines = []
    for item in itertools.islice(tally.items, limit):
        why = " ".join(filter(None, (item.reason, item.pointer, item.detail)))
        id = "" if item.id is None else f" (id {item.id})"
        lines.append(f"item {item.index}{id}: {item.status}{f': {why}' if why else ''}")
    if len(tally.items) > limit:
        lines.append(f"and {len(tally.items) - limit:,} more; --json lists all")
    return lines
