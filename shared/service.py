"""Running a service: its server and its background tasks."""

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from types import FrameType
from typing import Any, TypeAlias

import uvicorn
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from shared import tracing
from shared.auth import Authenticator
from shared.collecting import collect_rarely
from shared.database import STATEMENT_TIMEOUT_S
from shared.http_protocol import BoundedHttp
from shared.observability import configure_logging, log_failure, metrics
from shared.settings import Settings
from shared.tasks import Pulse
from shared.waiting import wait_for_server
from shared.web import make_app

log = logging.getLogger(__name__)
KEEP_ALIVE_S = 75
"""An idle connection stays open for longer than load balancers (60 s) and clients keep it: only they may close it, who know."""
GRACEFUL_STOP_S = 10
STOP_S_MAX = 25
"""From SIGTERM to the end of the process, whatever hangs: below the 30 s that Compose and Kubernetes wait."""
STARTUP_FAILED = 3
LIVE_S = 1.0 * STATEMENT_TIMEOUT_S
"""A statement may take so long and fail; only who looks several times in a minute and sees no turn knows of a stuck loop."""
LOOK_S, LOOKS = 10.0, 6
"""How often is looked for stuck loops, and how often in a row one is seen before the process ends: as the chart's probe does."""

Compose: TypeAlias = Callable[[FastAPI, Settings, contextlib.AsyncExitStack], Awaitable[None]]


class Tasks:
    """
    Background tasks that end the process where one dies or stays stuck: the supervisor starts it anew, the logs make that free.

    Compose and the laptop's supervisor see that a process ends, and not that it stands still.
    """

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], Sequence[Pulse]] = {}
        self._stopping = threading.Event()
        # A thread: what is stuck may be the event loop itself.
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def start(self, name: str, work: Coroutine[Any, Any, None], pulse: Pulse, *others: Pulse) -> None:
        """Run a task that never ends by itself, with the pulse of each of its loops."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_end_process_unless_cancelled)
        self._tasks[task] = (pulse, *others)

    def stuck(self) -> list[str]:
        """Return the names of the tasks that have ended, or that have a loop which does not go round: what to restart for."""
        return [task.get_name() for task, pulses in list(self._tasks.items()) if task.done() or has_stuck(pulses)]

    def _watch(self) -> None:
        """Look for what is stuck until stopped, and end the process where something stays so."""
        seen = 0
        while seen < LOOKS:
            if self._stopping.wait(LOOK_S):
                return
            names = self.stuck()
            # One that was paused as a whole looks stuck until its loops have come round.
            seen = seen + 1 if names else 0
        log_failure(f"no progress: {', '.join(names)}; the process ends", None)
        os.kill(os.getpid(), signal.SIGTERM)

    async def stop(self) -> None:
        """Cancel the tasks and wait for them."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def has_stuck(pulses: Iterable[Pulse]) -> bool:
    """Tell whether one of the loops is stuck."""
    return any(pulse.is_stuck(LIVE_S) for pulse in pulses)


def _end_process_unless_cancelled(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        log_failure(f"background task {task.get_name()} ended", task.exception())
        os.kill(os.getpid(), signal.SIGTERM)


async def keep_consuming(broker: KafkaBroker) -> None:
    """Consume until cancelled; while Kafka is away at the start, HTTP is served already and Kafka asked again."""

    async def started() -> None:
        try:
            await broker.start()
        except (KafkaError, OSError):
            with contextlib.suppress(KafkaError, OSError):
                await broker.stop()
            raise

    await wait_for_server("Kafka", started, (KafkaError, OSError), math.inf)
    await asyncio.Event().wait()


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve HTTP in the foreground until SIGTERM or SIGINT, then stop in order."""
    name = app.title.removeprefix("Attain ")
    configure_logging(settings.log_level, settings.log_format, name)
    metrics.build.labels(version=settings.version).set(1)
    tracing.begin(name, settings)
    collect_rarely()
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=BoundedHttp,
            # What a request binds itself to, its tenant, is not for the one that was sent behind it on the same connection.
            reset_contextvars=True,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACEFUL_STOP_S,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
    )
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    tracing.end()
    if not server.started:
        sys.exit(STARTUP_FAILED)


class _Server(uvicorn.Server):
    """A server whose process ends in time."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, and end the process where that takes too long."""
        last = threading.Timer(STOP_S_MAX, _end_process)
        last.daemon = True
        last.start()
        super().handle_exit(sig, frame)


def _end_process() -> None:
    """End as if killed: what was answered is durable, and what was not is sent or folded again."""
    log_failure(f"did not stop within {STOP_S_MAX} s; the process ends", None)
    os._exit(1)


def make_service(title: str, description: str, settings: Settings, compose: Compose) -> FastAPI:
    """Return an application that `compose` completes when it starts; what it pushes on the stack ends with it."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            await compose(app, settings, stack)
            yield
        log.info("stopped in order")

    return make_app(title, description, Authenticator(settings), lifespan)
