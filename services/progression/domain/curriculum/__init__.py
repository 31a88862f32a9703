"""
Frameworks: what can be mastered, what groups it, what comes before what, and what equals what elsewhere.

`framework` is the value; `importing`, `csv_files` and `case_package` read it; `levels` puts it on a continuum; `graph` and
`crosswalks` answer questions about it; `publishing` tells it to others.
"""

from services.progression.domain.curriculum.framework import (
    Framework,
    framework_of,
    framework_of_level,
    framework_of_scope,
    is_level,
    level_id,
)
from services.progression.domain.curriculum.publishing import PART_SIZE, parts

__all__ = (
    "PART_SIZE", "Framework", "framework_of", "framework_of_level", "framework_of_scope", "is_level", "level_id", "parts",
)  # fmt: skip
