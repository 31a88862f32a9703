"""Whatever one input does: what is told of levels and of what is ready is true of the states behind that input."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import ClockTicked
from services.progression.domain.policy import policy_from
from shared.contracts.internal_events import Association, Competency, EvidenceRecorded, Touched
from tests.support.journal import Decided, Journal, Record, piece, retract

CODES = ("math:a", "math:b", "math:c", "math:d")
GRAPH = Framework(
    "math",
    "Mathematics",
    tuple(Competency(code[-1], code, n, level=str(n // 3)) for n, code in enumerate(CODES, start=1)),
    (Association("a", "c"), Association("b", "c"), Association("c", "d")),
)
POLICY = {"id": "one", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}}
REQUIREMENTS = {
    "all of the level": None,
    "one of two": {"any": ["a", "b"]},
    "two of four": {"k_of": [{"k": 2, "of": ["a", "b", "c", "d"]}]},
}
named = st.lists(st.sampled_from(CODES), min_size=1, max_size=2, unique=True).map(tuple)
steps = st.lists(st.tuples(st.sampled_from(["new", "moved", "gone"]), named), min_size=2, max_size=10)
SETTLE = 60


def is_complete(requirement: str, level: str, shown: set[str]) -> bool:
    match requirement:
        case "one of two":
            return bool(shown & {"math:a", "math:b"})
        case "two of four":
            return len(shown) >= 2
    return shown >= set(GRAPH.levels[level])


def inputs_of(drawn: list[tuple[str, tuple[str, ...]]]) -> list[Record]:
    """Return pieces that speak to some competencies each, corrections that move the latest to others, and retractions of it."""
    found: list[Record] = []
    held: list[EvidenceRecorded] = []
    for n, (kind, codes) in enumerate(drawn):
        if kind == "gone" and held:
            found.append(retract(held.pop(), by=f"r{n}"))
            continue
        moves = (Touched(held[-1].evidence_id, held.pop().competencies),) if kind == "moved" and held else ()
        held.append(piece(n, competencies=codes, invalidates=moves))
        found.append(held[-1])
    return found


@settings(max_examples=200)
@given(drawn=steps, requirement=st.sampled_from(sorted(REQUIREMENTS)))
def test_what_is_told_of_levels_is_true_behind_every_input(drawn, requirement):
    require = REQUIREMENTS[requirement]
    advancement = {"advancement": {"require": require}} if require else {}
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy_from(POLICY | advancement))])
    advanced: set[str] = set()
    reviewed: set[str] = set()
    stands = dict.fromkeys(GRAPH.levels, "in_progress")
    for each in inputs_of(drawn):
        before = len(journal.told)
        journal.fold([each])
        shown = {key[2] for key in journal.states if journal.state(key[2]).status == "mastered"}
        told = {(event.type.split(".", 1)[1], event.data["scope"]["id"]) for event in journal.told[before:]}

        complete = {level for level in GRAPH.levels if is_complete(requirement, level, shown)}
        assert {scope for type, scope in told if type == "level.advanced.v1"} == complete - advanced
        assert {scope for type, scope in told if type == "level.review_required.v1"} <= advanced - complete
        for code in (scope for type, scope in told if type == "competency.ready.v1"):
            assert set(GRAPH.prerequisites[code]) <= shown
        reviewed |= {scope for type, scope in told if type == "level.review_required.v1"}
        assert {scope for type, scope in told if type == "level.reinstated.v1"} == reviewed & complete
        reviewed -= complete
        advanced |= complete
        for data in (event.data for event in journal.told[before:] if event.data["scope"]["kind"] == "level"):
            level = data["scope"]["id"]
            assert data["before"] == stands[level], "what was told of it last"
            stands[level] = data["after"]
            assert set(data.get("missing", ())) <= set(CODES) - shown


@settings(max_examples=60)
@given(
    drawn=steps,
    requirement=st.sampled_from(sorted(REQUIREMENTS)),
    waits=st.lists(st.sampled_from([0, 20, 40, 60, 80]), min_size=10, max_size=10),
)
def test_what_is_told_of_levels_that_settle_is_what_has_stood_for_so_long(drawn, requirement, waits):
    """
    A level that has not advanced is told to once it has been complete all the time; one that has, to be reviewed or to stand
    again once it has lacked something, or nothing.
    """
    require = REQUIREMENTS[requirement]
    advancement = {"advancement": {"require": require}} if require else {}
    journal = Journal().fold(
        [Decided(framework=GRAPH), Decided(policy_from(POLICY | advancement | {"settle": SETTLE}))]
    )
    complete = dict.fromkeys(GRAPH.levels, False)
    since = dict.fromkeys(GRAPH.levels, 0)
    stands = dict.fromkeys(GRAPH.levels, "in_progress")
    now = SETTLE
    inputs = inputs_of(drawn)
    for each, wait in zip([*inputs, None], [*waits[: len(inputs)], SETTLE], strict=True):
        for minute in range(now + 1, now + wait + 1):
            if minute not in {at + SETTLE for at in since.values()}:
                continue
            before = len(journal.told)
            journal.fold([ClockTicked("ada", instant(minute))])
            told = {(event.type.split(".")[2], event.data["scope"]["id"]) for event in journal.told[before:]}
            assert {event for event in told if event[0] != "ready"} == steady(complete, since, stands, minute)
        now += wait
        if each is not None:
            before = len(journal.told)
            journal.fold([ClockTicked("ada", instant(now)), each])
            shown = {key[2] for key in journal.states if journal.state(key[2]).status == "mastered"}
            for level in GRAPH.levels:
                if is_complete(requirement, level, shown) != complete[level]:
                    complete[level], since[level] = not complete[level], now
            assert not [event for event in journal.told[before:] if event.type.startswith("attain.level.")]


def steady(
    complete: dict[str, bool], since: dict[str, int], stands: dict[str, str], minute: int
) -> set[tuple[str, str]]:
    """Return what is to be told at a minute, and take it into where the levels stand."""
    told = set()
    for level, stood in stands.items():
        has_advanced = stood != "in_progress"
        is_now = "advanced" if complete[level] else "review_required" if has_advanced else stood
        if is_now != stood and minute - since[level] >= SETTLE:
            told.add(("reinstated" if has_advanced and complete[level] else is_now, level))
            stands[level] = is_now
    return told


def instant(minute: int) -> str:
    return f"2026-04-02T{minute // 60:02}:{minute % 60:02}:00.000000Z"
