import threading
from typing import Any, cast

import pytest

from services.progression.domain.policy import read_policy
from services.progression.handlers import adopting, decisions
from shared.errors import InvalidEvent

NOTHING = cast("Any", None)


async def test_a_policy_is_read_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML of 64 KB can take seconds, in which shards would not be folded and nobody answered."""
    readers: list[threading.Thread] = []

    def reading(text: bytes) -> Any:
        readers.append(threading.current_thread())
        return read_policy(text)

    for handler in (decisions, adopting):
        monkeypatch.setattr(handler, "read_policy", reading)
    deciding = decisions.Decisions(NOTHING, NOTHING, NOTHING)
    adoptions = adopting.Adoptions(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)
    for ask in (deciding.set_policy, deciding.store_policy, deciding.check_policy, adoptions.compare):
        with pytest.raises(InvalidEvent):
            await ask("t", b"[" * 50, "")

    assert len(readers) == 4
    assert threading.main_thread() not in readers
