"""
Terms that are closed: what each learner's record is then, as the event that says so tells it.

What is found out later of what was shown by then amends the term (`amending`).
"""

from collections.abc import Iterable, Mapping

import msgspec

from services.progression.domain.curriculum import is_level
from services.progression.domain.learner import LearnerState
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Closed
from services.progression.domain.standing import rule_of, shown_at, status_of
from services.progression.domain.states import KeyState
from services.progression.domain.telling import SEQ_STEP, Told
from shared.contracts.public_events import SNAPSHOT_CLOSED
from shared.contracts.snapshots import Ended, TermClosed, digest_of
from shared.shards import stable_id

CLOSE_TERM = "attain.decision.term_closed.v1"
TEXT = "The term is closed: what is on the record now is kept beside what comes later."


class TermDecided(msgspec.Struct, frozen=True):
    """The decision that a term is over; `closed_by` is the subject of the token."""

    term: str
    closed_at: str
    closed_by: str


decode_closing = msgspec.json.Decoder(TermDecided).decode


def closed_at_position(data: msgspec.Raw | bytes, pos: int) -> Closed:
    """Return a term whose decision has a place in the journal."""
    decided = decode_closing(data)
    return Closed(decided.term, decided.closed_at, pos)


def closed_in(decided: TermDecided, shard: int, shards: int) -> TermClosed:
    """Return what tells the readers of states that a shard has closed a term."""
    return TermClosed(decided.term, decided.closed_at, decided.closed_by, shard, shards)


def level_standings(standing: LearnerState) -> list[Ended]:
    """Return what was told last of each level of a learner; an open review changes nothing, so it is not among them."""
    scopes = {**standing.ready, **standing.requested, **standing.taken_back, **standing.advanced}
    told = {
        level: ("advanced", standing.advanced[level]) if level in standing.advanced else standing.short_of(level)
        for level in filter(is_level, scopes)
    }
    return [Ended("level", level, status, id) for level, (status, id) in told.items() if id]


def ended_with(
    states: Iterable[tuple[str, KeyState]], standing: LearnerState, policies: Mapping[str, Policy]
) -> list[Ended]:
    """Return a learner's standings, of each competency with a state and each level of which something was told."""
    found = level_standings(standing)
    for competency, state in states:
        status = status_of(state, rule_of(policies.get(state.policy), state))
        found.append(Ended("competency", competency, status, shown_at(state, status) or ""))
    return found


def snapshot(tenant: str, learner: str, decided: TermDecided, input_id: str, pos: int, standings: list[Ended]) -> Told:
    """Return the event of a learner's part in a closing; the same term and learner give the same id on every run."""
    id = stable_id(tenant, learner, SNAPSHOT_CLOSED, decided.term)
    told = {
        "learner": {"id": learner, "refs": []},
        "session": decided.term,
        "digest": digest_of(standings),
        "standings": len(standings),
        "closed_by": decided.closed_by,
        "seq": pos * SEQ_STEP,
        "effective_at": decided.closed_at,
        "decided_at": decided.closed_at,
        "cause": {"kind": "decision", "id": input_id},
        "reason": {"code": "closed", "text": TEXT},
        "mode": "live",
    }
    return Told(id, SNAPSHOT_CLOSED, tenant, learner, decided.closed_at, told)
