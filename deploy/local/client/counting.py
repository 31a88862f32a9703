"""What is on the record of a tenant: states from reporting's read model, public events from progression."""

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from deploy.local.client.asking import patiently, told
from deploy.local.options import Context

PAGE_ROWS = 10_000
MASTERED = "attain.competency.mastered.v1"
WITHDRAWN = "attain.competency.withdrawn.v1"
REINSTATED = "attain.competency.reinstated.v1"
READY = "attain.competency.ready.v1"
ADVANCED = "attain.level.advanced.v1"


class State(msgspec.Struct, gc=False):
    """The state of one (learner, competency) in the read model."""

    learner: str
    competency: str
    status: str
    evidence_count: int
    mastered_at: datetime.datetime | None

    @property
    def on_record(self) -> bool:
        """Whether mastery is on the record; a re-check that is due takes nothing away."""
        return self.mastered_at is not None


class Scope(msgspec.Struct):
    """What an event is about."""

    id: str
    title: str = ""


class Learner(msgspec.Struct):
    """Whom an event is about."""

    id: str


class Told(msgspec.Struct):
    """The data of a public event, as far as it is counted here."""

    learner: Learner
    scope: Scope
    effective_at: datetime.datetime | None = None


class Event(msgspec.Struct):
    """A public event."""

    type: str
    data: Told


class _Page(msgspec.Struct):
    items: list[Event]
    next: str


_decode_state = msgspec.json.Decoder(State).decode
_decode_page = msgspec.json.Decoder(_Page).decode


def states(context: Context) -> Iterator[State]:
    """Yield all states of the tenant as reporting shows them, in the order of learners and competencies."""
    after = ""
    with context.client("reporting", scope="service") as client:
        while True:
            parameters: dict[str, str | int] = {"tenant": context.tenant, "limit": PAGE_ROWS, "after": after}
            answer = told(patiently(client.get, "/v1/states", params=parameters))
            lines = answer.content.splitlines()
            yield from map(_decode_state, lines)
            after = answer.headers.get("Attain-Next", "")
            if not lines or not after:
                return


class Advancements:
    """The tenant's public events, read from where the last reading ended."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._after = ""

    def new(self) -> Iterator[Event]:
        """Yield the events since the last call, each learner's in order."""
        with self._context.client("progression", scope="records:read") as client:
            while True:
                parameters: dict[str, str | int] = {"limit": PAGE_ROWS}
                if self._after:
                    parameters["after"] = self._after
                answer = told(patiently(client.get, "/v1/advancements", params=parameters))
                page = _decode_page(answer.content)
                yield from page.items
                self._after = page.next
                if not page.items:
                    return


def count(context: Context) -> dict[str, int | dict[str, int]]:
    """Return what a tenant has: learners, competencies with evidence, pairs of both, and events by kind."""
    return counted(states(context), Counter(event.type for event in Advancements(context).new()))


def counted(states: Iterable[State], events: Counter[str]) -> dict[str, int | dict[str, int]]:
    """Return what `count` does of states and public events (by type) that have been read already."""
    learners, competencies, statuses = set(), set(), Counter[str]()
    pairs = mastered = 0
    for state in states:
        learners.add(state.learner)
        competencies.add(state.competency)
        statuses[state.status] += 1
        pairs += 1
        mastered += state.on_record
    return {
        "learners": len(learners),
        "competencies": len(competencies),
        "pairs": pairs,
        "mastered_pairs": mastered,
        "mastered_events": events[MASTERED],
        "withdrawn_events": events[WITHDRAWN],
        "reinstated_events": events[REINSTATED],
        "advancements": events[ADVANCED],
        "statuses": dict(sorted(statuses.items())),
    }
