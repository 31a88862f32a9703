"""What a process of reporting loads when it starts."""

import subprocess
import sys

SELDOM = ("fpdf", "PIL", "pyld", "pyarrow")
"""What transcripts, signed records and Parquet need, by tens of megabytes and hundreds of milliseconds."""


def test_what_is_seldom_asked_for_is_loaded_when_it_is() -> None:
    code = f"import sys, services.reporting.app; print(*[name for name in {SELDOM} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()
