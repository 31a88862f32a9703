"""Services of the session's stack killed at random moments, which a printed seed gives again."""

import asyncio
import os
import random
import secrets
import signal

from deploy.local import stack as local_stack
from deploy.local.stack import Stack


def chosen() -> random.Random:
    """Return the moments of a test: of the seed that `ATTAIN_TEST_SEED` gives, else of a new one, which is printed."""
    seed = int(os.environ.get("ATTAIN_TEST_SEED", secrets.randbelow(1_000_000)))
    print(f"ATTAIN_TEST_SEED={seed}")
    return random.Random(seed)


async def kill(stack: Stack, service: str) -> int:
    """Kill the process of a service, once there is one; return which it was."""
    while True:
        running = local_stack.running(stack.home)
        assert running is not None
        try:
            os.kill(pid := running.pids[service], signal.SIGKILL)
        except ProcessLookupError:
            await asyncio.sleep(0.02)
        else:
            return pid
