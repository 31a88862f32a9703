"""Individual plans: what they change for their learner, and that nothing of them is told to anybody else."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import ClockTicked, CompetencyDecided, LevelDecided
from services.progression.domain.plans import Plan
from services.progression.domain.policy import Policy, policy_from, read_policy
from services.progression.domain.policy.templates import template
from services.progression.domain.standing import deadline_of
from shared.contracts.internal_events import Association, Competency, EvidenceRecorded, Score, Touched
from shared.events import encode_json
from tests.support.journal import TENANT, Decided, Journal, Record, piece, restore, retract

CODES = ("math:a", "math:b", "math:c", "math:d")
ALTERNATE = "alt:x"
GRAPH = Framework(
    "math",
    "Mathematics",
    tuple(Competency(code[-1], code, n, level=str(n // 3), power=n == 1) for n, code in enumerate(CODES, start=1)),
    (Association("a", "c"), Association("b", "c"), Association("c", "d")),
)
OTHER = Framework("alt", "Alternate standards", (Competency("x", "An alternate standard", 1),), ())
ONE = {"id": "one", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}}
SIGNED = {"advancement": {"require": {"all": ["a", "b"]}, "sign_off": {"by": "teacher"}}}
CLASSROOM = read_policy(template("classroom"))
LEVEL = "math#/0"
REVIEW = "2026-09-30T05:00:00.000000Z"


def plan(kind: Any, competency: str = "math:a", *, until: str = REVIEW, **more: Any) -> CompetencyDecided:
    return CompetencyDecided(
        "ada", competency, "plan", "case_manager", "cm-1", "override", until=until,
        plan=Plan(kind, "iep", "2026-09-29", **more),
    )  # fmt: skip


def ended(competency: str = "math:a") -> CompetencyDecided:
    return CompetencyDecided("ada", competency, "plan", "case_manager", "cm-1", "override", undoes="any")


def begun(**policy: Any) -> Journal:
    return with_policy(policy_from(ONE | policy))


def with_policy(policy: Policy) -> Journal:
    return Journal().fold([Decided(framework=GRAPH), Decided(framework=OTHER), Decided(policy)])


def shows(n: int, competency: str) -> EvidenceRecorded:
    return piece(n, competency=competency)


def tick(at: str, competency: str = "math:a") -> ClockTicked:
    return ClockTicked("ada", at, (competency,))


def test_an_exempt_competency_is_not_asked_for_and_its_level_is_told_as_any_other():
    journal = begun().fold([shows(1, "math:b")]).fold([plan("exempt")])

    assert journal.kinds() == ["competency.mastered", "competency.ready", "level.advanced", "level.ready"]
    ready, advanced = journal.told[1].data, journal.told[2].data
    assert ready["because"] == ["math:a", "math:b"], "as of one that is presumed"
    assert (advanced["gaps"], advanced["basis"]) == ([], {"kind": "evidence", "by": None})
    assert journal.state("math:a").status == "no_evidence"


def test_what_is_asked_in_the_place_of_a_competency_counts_under_its_own_id():
    journal = begun().fold([plan("substitute", instead=ALTERNATE)]).fold([shows(1, "math:b"), shows(2, ALTERNATE)])

    told = [(event.type.split(".", 1)[1], event.data["scope"]["id"]) for event in journal.told]
    assert told[:2] == [("competency.mastered.v1", "math:b"), ("competency.mastered.v1", ALTERNATE)]
    assert ("level.advanced.v1", LEVEL) in told
    assert not [scope for kind, scope in told if kind.startswith("competency.mastered") and scope == "math:a"]

    journal.fold([retract(shows(2, ALTERNATE))])
    lost = journal.told[-1].data
    assert (journal.kinds()[-1], lost["missing"]) == ("level.review_required", ["math:a"])

    journal.fold([restore(shows(2, ALTERNATE))])
    assert journal.kinds()[-2:] == ["competency.reinstated", "level.reinstated"]


@pytest.mark.parametrize(
    "planned", [{"kind": "exempt"}, {"kind": "substitute", "instead": ALTERNATE}], ids=["exempt", "substituted"]
)
def test_a_plan_that_closes_the_last_gap_of_a_placement_is_told_to(planned):
    placed = LevelDecided("ada", "math#/1", "place", "registrar", "r-1", unknown=("math:a", "math:b"))
    journal = begun().fold([placed, shows(1, "math:b"), shows(2, ALTERNATE), plan(**planned)])

    assert "level.gaps_cleared" in journal.kinds()


def test_levels_that_plans_complete_are_looked_at_under_another_policy_as_well():
    any_of = Decided(policy_from(ONE | {"advancement": {"require": {"any": ["a", "c"]}}}))
    journal = begun().fold([plan("substitute", instead=ALTERNATE), shows(1, ALTERNATE)])
    assert "level.advanced" not in journal.kinds()

    assert "level.advanced" in journal.fold([any_of]).sweep().kinds()


def test_what_builds_on_a_competency_is_ready_once_what_stands_in_for_it_is_shown_and_no_longer_presumed():
    presumed = CompetencyDecided("ada", ALTERNATE, "presume", "registrar", "r-1", "placement")
    journal = begun().fold([shows(1, "math:b"), plan("substitute", instead=ALTERNATE), presumed])
    assert "competency.ready" not in journal.kinds()

    assert "competency.ready" in journal.fold([shows(2, ALTERNATE)]).kinds()


def test_a_level_is_not_advanced_by_asking_nothing_of_it():
    journal = begun().fold([plan("exempt", "math:a"), plan("exempt", "math:b")])

    assert "level.advanced" not in journal.kinds()
    assert "level.advanced" in journal.fold([shows(1, "math:a"), shows(2, "math:b")]).kinds()


def test_of_a_choice_no_more_is_asked_than_exemptions_leave():
    both = {"require": {"k_of": [{"k": 2, "of": ["a", "b"]}]}}

    assert "level.advanced" in begun(advancement=both).fold([plan("exempt"), shows(1, "math:b")]).kinds()


def test_ending_a_plan_within_the_settle_time_publishes_nothing_and_later_moves_nobody():
    journal = begun(settle=60).fold([shows(1, "math:b"), plan("exempt")]).fold([ended()])
    journal.fold([tick("2026-05-01T00:00:00.000000Z")])
    assert "level.advanced" not in journal.kinds()

    at_once = begun().fold([shows(1, "math:b"), plan("exempt")])
    before = at_once.kinds()
    assert at_once.fold([ended()]).kinds() == before
    assert LEVEL in at_once.learners[TENANT, "ada"].advanced


def test_a_review_is_over_once_what_a_correction_took_is_back_though_a_plan_that_ended_left_a_gap():
    journal = begun().fold([plan("exempt")]).fold([shows(1, "math:b")]).fold([ended()])
    journal.fold([retract(shows(1, "math:b"))]).fold([restore(shows(1, "math:b"))])

    assert [kind for kind in journal.kinds() if kind.startswith("level.")] == [
        "level.advanced", "level.ready", "level.review_required", "level.reinstated"
    ]  # fmt: skip


def test_the_loss_of_what_a_level_does_not_ask_for_opens_no_review_of_a_gap_that_a_newer_policy_left():
    journal = begun(advancement={"require": {"any": ["a"]}}).fold([shows(1, "math:a"), shows(2, "math:d")])
    journal.fold([Decided(policy_from(ONE | {"advancement": {"require": {"all": ["a", "c"]}}}))])
    journal.fold([retract(shows(2, "math:d"))])
    assert "level.review_required" not in journal.kinds()

    journal.fold([retract(shows(1, "math:a"), by="r2")])
    assert journal.kinds().count("level.review_required") == len(GRAPH.levels)


@pytest.mark.parametrize("named", ["math:c", ALTERNATE])
def test_a_rule_is_held_against_what_it_names_wherever_that_lies_and_whatever_decides_it(named: str):
    """Another level under another policy, or another framework."""
    own = {"applies_to": {"competencies": ["math:a", "math:b"]}, "advancement": {"require": {"all": ["a", named]}}}
    journal = begun().fold([Decided(policy_from(ONE | own))]).fold([shows(1, "math:a")]).fold([shows(2, named)])
    journal.fold([retract(shows(2, named))])
    levels = [event for event in journal.told if event.data["scope"]["id"] == LEVEL]
    [lost] = [event.data for event in journal.told if event.type == "attain.competency.withdrawn.v1"]

    assert [event.type.split(".")[2] for event in levels] == ["advanced", "review_required"]
    assert lost["levels_affected"] == [LEVEL]


def test_a_rule_that_names_what_the_framework_has_no_more_is_held_against_who_has_that():
    larger = Framework("math", "Mathematics", (*GRAPH.competencies, Competency("z", "Gone", 9)), GRAPH.associations)
    journal = begun().fold([Decided(framework=larger)]).fold([shows(1, "math:z")]).fold([Decided(framework=GRAPH)])
    journal.fold([Decided(policy_from(ONE | {"advancement": {"require": {"any": ["b", "z"]}}}))]).sweep()

    assert {event.data["scope"]["id"] for event in journal.told if event.type == "attain.level.advanced.v1"} == {
        *GRAPH.levels
    }


def test_a_lift_by_the_id_of_a_plan_undoes_nothing():
    journal = begun().fold([plan("exempt")])
    lift = CompetencyDecided("ada", "math:a", "lift", "teacher", "t-1", "override", undoes="input-4")

    assert journal.held("math:a").decided == journal.fold([lift]).held("math:a").decided


def test_a_sign_off_is_asked_for_without_naming_what_is_not_asked():
    journal = begun(**SIGNED).fold([plan("exempt"), shows(1, "math:b")])
    asked = next(event.data for event in journal.told if event.type == "attain.level.sign_off_requested.v1")

    assert asked["weakest"] == []
    sign = LevelDecided("ada", LEVEL, "sign_off", "teacher", "t-1")
    assert journal.fold([sign]).kinds()[-2:] == ["level.advanced", "level.ready"]


def work(*marks: float, competency: str = "math:a") -> list[EvidenceRecorded]:
    return [
        piece(n, day=n, score=Score(level=float(mark)), activity=f"task-{n}", competency=competency)
        for n, mark in enumerate(marks, start=1)
    ]


def test_more_pieces_come_first_where_a_plan_gives_them_and_none_ask_where_nothing_is_asked():
    def suggested(*plans: Record) -> list[int]:
        journal = Journal().fold([Decided(framework=GRAPH), Decided(CLASSROOM), *plans])
        asked = []
        for n, each in enumerate(work(*[1] * 9), start=1):
            if "support.suggested" in journal.fold([each]).kinds():
                asked.append(n)
        return asked[:1]

    assert suggested() == [5]
    assert suggested(plan("extend", pieces=3)) == [8]
    assert suggested(plan("exempt")) == []


AGEING = ONE | {"method": {"type": "streak", "n": 2}, "sufficiency": {"min_evidence": 2, "max_age_days": 5}}


def test_pieces_suffice_for_longer_and_what_was_shown_so_stays_when_the_plan_ends():
    apart = [piece(1, day=1), piece(2, day=9)]
    assert Journal().fold([Decided(policy_from(AGEING)), *apart]).kinds() == []

    longer = plan("extend", "math:add", days=10)
    journal = Journal().fold([Decided(policy_from(AGEING)), longer, *apart])
    assert journal.kinds() == ["competency.mastered"]
    assert journal.fold([ended("math:add")]).kinds() == ["competency.mastered"]
    assert journal.fold([retract(apart[0])]).kinds()[1:] == ["competency.withdrawn"]
    assert journal.fold([restore(apart[0])]).kinds()[2:] == ["competency.reinstated"]

    later = Journal().fold([Decided(policy_from(AGEING)), *apart, longer])
    told = later.told[0].data
    assert (told["basis"]["kind"], told["basis"]["by"], told["reason"]["text"]) == (
        "evidence", None, "The rule of the policy is met.",
    )  # fmt: skip
    ends_before = Journal().fold([Decided(policy_from(AGEING)), longer, ended("math:add"), *apart])
    assert ends_before.kinds() == []


def test_a_day_of_review_that_has_passed_asks_its_owner_and_ends_nothing():
    journal = begun().fold([plan("exempt")])
    journal.fold([tick("2026-09-30T04:59:00.000000Z")])
    assert journal.kinds() == []

    journal.fold([tick(REVIEW)])
    [asked] = journal.told
    assert asked.type == "attain.support.suggested.v1"
    assert (asked.data["need"], asked.data["owner"], asked.data["side"]) == ("plan_review", "case_manager", "school")
    assert "level.advanced" in journal.fold([shows(1, "math:b")]).kinds(), "it is in force"

    journal.fold([tick("2027-08-01T00:00:00.000000Z")])
    assert journal.kinds().count("support.closed") == 0, "nor does it end with the school year"

    journal.fold([plan("exempt", until="2028-02-01T00:00:00.000000Z")])
    closed = journal.told[-1].data
    assert (journal.kinds()[-1], closed["outcome"], closed["replaces"]) == ("support.closed", "plan_changed", asked.id)


@pytest.mark.parametrize("kind", ["accommodate", "extend"])
def test_a_plan_of_which_nothing_follows_changes_no_value(kind):
    more = {"accommodations": ("read_aloud",)} if kind == "accommodate" else {"pieces": 2}
    with_plan = begun().fold([plan(kind, **more), shows(1, "math:a"), shows(2, "math:b")])
    without = begun().fold([shows(1, "math:a"), shows(2, "math:b")])

    assert with_plan.kinds() == without.kinds()
    assert with_plan.values() == without.values()


REQUIREMENTS: dict[str, dict[str, Any] | None] = {
    "all of the level": None,
    "power, and half of the others": {"power": "mastered", "supporting": {"share": 0.5, "at": "mastered"}},
    "one of two": {"any": ["a", "b"]},
    "two of four": {"k_of": [{"k": 2, "of": ["a", "b", "c", "d"]}]},
}
POLICIES = {
    name: policy_from(ONE | ({"advancement": {"require": require}} if require else {}))
    for name, require in REQUIREMENTS.items()
}
OF_PLANS = ("plan", "exempt", "substitu", "extend", "accommodat", "iep", "cm-1", "case_manager")
"""What of a plan would be a word, or a person, that nobody else is to read."""
codes = st.sampled_from((*CODES, ALTERNATE))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("shown"), codes),
        st.tuples(st.just("moved"), codes),
        st.tuples(st.just("gone"), codes),
        st.tuples(st.sampled_from(["exempt", "substitute", "accommodate", "ended"]), st.sampled_from(CODES)),
    ),
    min_size=3, max_size=14,
)  # fmt: skip


class Plain:
    """The same in plain sets: what is shown, what is planned, and which levels that completes."""

    def __init__(self, requirement: str) -> None:
        self.requirement = requirement
        self.pieces: list[EvidenceRecorded] = []
        self.plans: dict[str, str] = {}

    def copy(self) -> "Plain":
        other = Plain(self.requirement)
        other.pieces, other.plans = list(self.pieces), dict(self.plans)
        return other

    @property
    def met(self) -> set[str]:
        shown = {each.competencies[0] for each in self.pieces}
        return {
            code for code in CODES if code in shown or (self.plans.get(code) == "substitute" and ALTERNATE in shown)
        }

    @property
    def exempt(self) -> set[str]:
        return {code for code, kind in self.plans.items() if kind == "exempt"}

    def is_complete(self, level: str) -> bool:
        asked = set(CODES) - self.exempt
        if self._completes(level, asked, set()):
            asked = set(CODES)
        return self._completes(level, asked, self.met & asked)

    def _completes(self, level: str, asked: set[str], has: set[str]) -> bool:
        own = asked & set(GRAPH.levels[level])
        match self.requirement:
            case "power, and half of the others":
                others = own - {"math:a"}
                return own - others <= has and 2 * len(others & has) >= len(others)
            case "one of two":
                return not asked & {"math:a", "math:b"} or bool(has & {"math:a", "math:b"})
            case "two of four":
                return len(has) >= min(2, len(asked))
        return own <= has


def taken(drawn: list[tuple[str, str]], told: Plain) -> list[tuple[Record, Plain]]:
    """Return the records that steps make, each with what is so behind it."""
    found: list[tuple[Record, Plain]] = []
    for n, (step, code) in enumerate(drawn):
        record: Record
        match step:
            case "shown":
                record = shows(n, code)
                told.pieces.append(record)
            case "moved" if told.pieces:
                old = told.pieces.pop()
                record = piece(n, competency=code, invalidates=(Touched(old.evidence_id, old.competencies),))
                told.pieces.append(record)
            case "gone" if told.pieces:
                record = retract(told.pieces.pop(), by=f"r{n}")
            case "exempt" | "substitute" | "accommodate":
                record = plan(step, code, **({"instead": ALTERNATE} if step == "substitute" else {}))
                told.plans[code] = step
            case _:
                record = ended(code)
                told.plans.pop(code, None)
        found.append((record, told.copy()))
    return found


@settings(max_examples=60)
@given(drawn=steps, requirement=st.sampled_from(sorted(REQUIREMENTS)))
def test_levels_are_told_as_plain_sets_have_them_and_nothing_of_a_plan_is(drawn, requirement):
    policy = POLICIES[requirement]
    journal, advanced = with_policy(policy), set[str]()
    records = taken(drawn, Plain(requirement))
    for record, now in records:
        before = len(journal.told)
        journal.fold([record])
        told = [(event.type.split(".", 1)[1], event.data) for event in journal.told[before:]]

        complete = {level for level in GRAPH.levels if now.is_complete(level)}
        found = {data["scope"]["id"] for type, data in told if type == "level.advanced.v1"}
        assert found == complete - advanced
        for type, data in told:
            scope = data["scope"]["id"]
            assert not set(data.get("missing", ())) & now.met
            if type == "level.advanced.v1":
                assert set(data["gaps"]) == set(GRAPH.levels[scope]) - now.met - now.exempt
            if type == "competency.ready.v1":
                assert set(GRAPH.prerequisites[scope]) <= now.met | now.exempt
            assert scope == ALTERNATE or ALTERNATE not in encode_json(data).decode()
        advanced |= complete
    for event in journal.told:
        if not event.type.startswith("attain.support."):
            assert not [word for word in OF_PLANS if word in encode_json(event.data).decode().lower()]

    at_once = with_policy(policy).fold([record for record, _ in records], drop_cache=True)
    assert (at_once.states, at_once.learners) == (journal.states, journal.learners)
    assert [(event.id, event.data) for event in at_once.told] == [(event.id, event.data) for event in journal.told]


def test_the_day_of_review_is_a_deadline_until_it_has_passed():
    journal = begun().fold([plan("exempt")])
    before = deadline_of(journal.held("math:a"), None)
    journal.fold([tick(REVIEW)])

    assert (before, deadline_of(journal.held("math:a"), None)) == (REVIEW, None)


def test_a_plan_is_read_back_as_it_was_stored():
    decided = begun().fold([plan("extend", pieces=2, days=30)]).held("math:a")

    assert decided.extended == (2, 30)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(decided), type=type(decided)) == decided
