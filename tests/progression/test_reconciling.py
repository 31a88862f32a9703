"""The sample held against the journal is folded under what is pinned: time zone, depth and breaks as well as the policy."""

import msgspec
import pytest

from services.progression.domain.decisions import ClockTicked
from services.progression.domain.inputs import Key, absorb
from services.progression.domain.mastery import KeyState
from services.progression.domain.policy import Policy, policy_from, read_policy
from services.progression.domain.policy.templates import template
from services.progression.handlers.histories import History
from services.progression.handlers.reconciling import differing
from shared.contracts.internal_events import EvidenceRecorded, Score
from tests.acceptance.test_classroom import DEEP
from tests.support.journal import TENANT, Decided, Journal, piece

KEY: Key = (TENANT, "ada", "math:c0")
CLASSROOM = read_policy(template("classroom"))
AGEING = policy_from(
    {
        "id": "a",
        "scale": {"max": 4, "mastery": 3},
        "method": {"type": "streak", "n": 1},
        "decision": {"latch": "first_crossing"},
        "upkeep": {"reverify_after_days": 30},
    }
)


def rubric(n: int, at: str) -> EvidenceRecorded:
    return piece(n, competency="math:c0", score=Score(level=3.0), activity=f"task-{n}", dok=2, occurred_at=at)


@pytest.mark.parametrize(
    ("policy", "settings", "at", "tick"),
    [
        (CLASSROOM, Decided(breaks="", time_zone="America/Chicago"), ("2026-03-02T22", "2026-03-03T02"), None),
        (CLASSROOM, Decided(framework=DEEP), ("2026-03-02T10", "2026-03-03T10"), None),
        (AGEING, Decided(breaks="2026-06-10/2026-08-20"), ("2026-06-01T10",), "2026-07-20T00:00:00.000000Z"),
    ],
    ids=["time zone", "depth", "breaks"],
)
def test_a_state_under_pins_of_its_own_is_the_value_of_its_history_and_a_spoilt_one_is_not(
    policy: Policy, settings: Decided, at: tuple[str, ...], tick: str | None
):
    pieces = [rubric(n, f"{hour}:00:00.000000Z") for n, hour in enumerate(at)]
    journal = Journal().fold([settings, Decided(policy)]).fold(pieces)
    history = History()
    for each in pieces:
        absorb(history.evidence, KEY[2], each)
    if tick is not None:
        journal.fold([ClockTicked("ada", tick, (KEY[2],))])
        history.clock = tick
    state = msgspec.msgpack.decode(journal.states[KEY][1], type=KeyState)
    unpinned = msgspec.structs.replace(state, time_zone="", dok=0, breaks="")

    assert state != unpinned
    assert differing({KEY: history}, {KEY: state}, journal.policies) == []
    assert differing({}, {KEY: state}, journal.policies) == [KEY]
