"""What becomes ready, which level is complete, and what a new rule or framework changes."""

import msgspec
import pytest

from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.framework import LevelCredit
from services.progression.domain.decisions import LevelDecided
from services.progression.domain.inputs import input_of
from services.progression.domain.learner import LearnerState
from services.progression.domain.policy import policy_from
from services.progression.domain.rules import Activation, Rules
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.telling import Trigger
from services.progression.handlers.outcome import Outcome
from services.progression.handlers.standings import standings_of
from shared.contracts.internal_events import EvidenceRecorded, PolicyRef, Score, Touched
from tests.support.frameworks import read_csv
from tests.support.journal import STREAK_3, TENANT, Decided, Journal, piece, restore, retract

STREAK_2 = policy_from(
    {"id": "streak-2", "method": {"type": "streak", "n": 2}, "decision": {"latch": "first_crossing"}}
)
STREAK_5 = policy_from(
    {"id": "streak-5", "method": {"type": "streak", "n": 5}, "decision": {"latch": "first_crossing"}}
)
NODES = "code,title,level,subject\nadd,Adding,1,math\nsub,Subtracting,1,math\nmul,Multiplying,2,math\n"
GRAPH, _ = read_csv("math", "Mathematics", NODES, "from,to\nadd,mul\nsub,mul\n")


def shown(code: str, first: int) -> list[EvidenceRecorded]:
    return [piece(n, competency=f"math:{code}") for n in range(first, first + 3)]


def with_graph(graph: Framework = GRAPH) -> Journal:
    return Journal().fold([Decided(framework=graph), Decided(STREAK_3)])


def test_a_competency_becomes_ready_when_its_last_prerequisite_is_shown_and_the_level_advances():
    journal = with_graph().fold(shown("add", 1)).fold(shown("sub", 4))

    assert journal.kinds() == [
        "competency.mastered", "competency.mastered", "competency.ready", "level.advanced", "level.ready",
    ]  # fmt: skip
    ready, advanced = journal.told[2].data, journal.told[3].data
    assert (ready["scope"]["id"], ready["because"]) == ("math:mul", ["math:add", "math:sub"])
    assert (advanced["scope"]["id"], advanced["next"]) == ("math#math/1", ["math#math/2"])
    assert advanced["effective_at"] == piece(6).occurred_at


def test_a_level_tells_what_it_counts_for_and_its_standing_says_what_was_told():
    credits = {"math#math/1": LevelCredit("MATH-1", 0.5)}
    journal = with_graph(msgspec.structs.replace(GRAPH, credits=credits)).fold(shown("add", 1)).fold(shown("sub", 4))
    journal.fold([Decided(framework=msgspec.structs.replace(GRAPH, credits={}))]).fold(shown("mul", 7))
    told = {event.data["scope"]["id"]: event.data for event in journal.told if event.type == "attain.level.advanced.v1"}
    standing = journal.learners[TENANT, "ada"]
    states = [journal.state(code) for code in ("math:add", "math:sub", "math:mul")]
    items = {item["level"]: item for item in standings_of("ada", states, standing, {"math": GRAPH})["items"]}

    assert told["math#math/1"]["credit"] == {"code": "MATH-1", "value": 0.5}
    assert told["math#math/2"]["credit"] is None
    assert {level: item["credit"] for level, item in items.items()} == {
        level: data["credit"] for level, data in told.items()
    }
    assert {level: item["seq"] for level, item in items.items()} == {level: data["seq"] for level, data in told.items()}

    journal.fold([LevelDecided("ada", "math#math/1", "withdraw", "leader", "p", "a mistake")])
    [first, _] = standings_of("ada", states, standing, {"math": GRAPH})["items"]

    assert (first["status"], first["credit"], first["seq"]) == ("withdrawn", None, journal.told[-1].data["seq"])


def test_roots_are_never_announced_as_ready():
    journal = with_graph().fold(shown("mul", 1))

    assert journal.kinds() == ["competency.mastered", "level.advanced"]


def test_what_is_shown_already_is_not_announced_as_ready():
    journal = with_graph().fold(shown("mul", 1)).fold(shown("add", 4)).fold(shown("sub", 7))

    assert "competency.ready" not in journal.kinds()


def test_a_withdrawal_moves_nobody_and_a_second_completion_tells_that_the_review_is_over():
    pieces = shown("sub", 4)
    journal = with_graph().fold(shown("add", 1)).fold(pieces).fold([retract(pieces[0])])
    journal.fold([piece(7, competency="math:sub")])

    assert journal.kinds()[5:] == [
        "competency.withdrawn", "level.review_required", "competency.mastered", "level.reinstated",
    ]  # fmt: skip
    assert journal.told[6].data["missing"] == ["math:sub"]
    assert journal.told[5].data["levels_affected"] == ["math#math/1"]
    assert journal.told[5].data["removed"] == [pieces[0].evidence_id]


def test_events_on_levels_tell_what_they_rest_on_and_by_which_policy_and_how_the_level_stands_by_them():
    pieces = shown("sub", 4)
    journal = with_graph().fold([*shown("add", 1), *pieces]).fold([retract(pieces[0])]).fold([restore(pieces[0])])
    of_levels = [event for event in journal.told if event.data["scope"]["kind"] == "level"]
    ready = next(event.data for event in journal.told if event.type == "attain.competency.ready.v1")

    assert [(event.type.split(".")[2], event.data["before"], event.data["after"]) for event in of_levels] == [
        ("advanced", "in_progress", "advanced"), ("ready", "in_progress", "ready"),
        ("review_required", "advanced", "review_required"), ("reinstated", "review_required", "advanced"),
    ]  # fmt: skip
    for data in (ready, *(event.data for event in of_levels)):
        assert (data["basis"], data["policy"]) == ({"kind": "evidence", "by": None}, STREAK_3.named)


def test_a_withdrawal_under_a_level_that_is_not_advanced_affects_none():
    pieces = shown("sub", 4)
    journal = with_graph().fold(pieces).fold([retract(pieces[0])])

    assert journal.kinds() == ["competency.mastered", "competency.withdrawn"]
    assert journal.told[1].data["levels_affected"] == []


def test_an_episode_ends_with_a_withdrawal_and_goes_on_where_that_is_undone():
    pieces = shown("sub", 4)
    journal = with_graph().fold(pieces).fold([retract(pieces[0])]).fold([restore(pieces[0])])
    journal.fold([retract(pieces[0], by="r3")]).fold([piece(n, competency="math:sub", day=2) for n in (8, 9, 10)])

    assert [(event.type.split(".")[2], event.data["episode"]) for event in journal.told] == [
        ("mastered", 1), ("withdrawn", 1), ("reinstated", 1), ("withdrawn", 1), ("mastered", 2),
    ]  # fmt: skip


def test_a_learner_kept_by_an_earlier_version_is_read_with_no_episode_ended():
    kept = msgspec.to_builtins(LearnerState(satisfied={"math:add": "2026-03-01T10:00:00.000000Z"}))[:-1]

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=LearnerState).losses == {}


def test_events_name_a_competency_as_its_source_does():
    add, *others = GRAPH.competencies
    identified = msgspec.structs.replace(add, identifier="8d1f")
    graph = msgspec.structs.replace(GRAPH, competencies=(identified, *others))
    journal = with_graph(graph).fold(shown("add", 1)).fold(shown("sub", 4))

    external = {event.data["scope"]["id"]: event.data["scope"]["external"] for event in journal.told}
    assert external["math:add"] == [{"system": "case", "code": "8d1f"}]
    assert external["math:sub"] == external["math#math/1"] == []


def test_mastery_tells_the_greatest_depth_among_what_counts():
    untagged = with_graph().fold(shown("add", 1))
    tagged = with_graph().fold([piece(n, competency="math:add", dok=dok) for n, dok in ((1, 1), (2, 3), (3, None))])

    assert untagged.told[0].data["dok_shown"] is None
    assert tagged.told[0].data["dok_shown"] == 3


def test_a_new_policy_leaves_what_is_on_the_record_under_the_old_one():
    journal = with_graph().fold(shown("add", 1)).fold([Decided(STREAK_5)]).sweep()

    assert journal.state("math:add").status == "mastered"
    assert journal.state("math:add").policy == PolicyRef(STREAK_3.id, STREAK_3.version)
    assert journal.kinds() == ["competency.mastered"]


def test_a_new_policy_decides_anew_what_is_not_on_the_record_and_names_itself_as_the_cause():
    journal = with_graph().fold([piece(1), piece(2)]).fold([Decided(STREAK_2)]).sweep()

    assert journal.state().status == "mastered"
    assert journal.told[0].data["cause"] == {"kind": "policy", "id": "decision-5"}


def test_a_policy_of_a_framework_goes_before_the_general_one():
    journal = Journal().fold([Decided(STREAK_2, of="math"), Decided(STREAK_5), piece(1), piece(2)])

    assert journal.state().policy == PolicyRef(STREAK_2.id, STREAK_2.version)


def test_a_new_framework_version_tells_what_it_makes_ready():
    flat, _ = read_csv("math", "Mathematics", NODES, "")
    journal = with_graph(flat).fold(shown("add", 1)).fold(shown("sub", 4)).fold([Decided(framework=GRAPH)]).sweep()

    assert journal.kinds()[-1] == "competency.ready"
    assert journal.told[-1].data["cause"]["kind"] == "framework"


def test_events_name_learners_by_opaque_id_alone():
    journal = with_graph().fold(shown("add", 1))

    assert journal.told[0].data["learner"] == {"id": "ada", "refs": []}
    assert "source" not in str(journal.told[0].data)


def test_a_learner_whose_input_raises_is_set_apart_and_the_others_go_on():
    rules = Rules()
    rules.activate(Activation(1, Trigger("d", 1, "", "policy"), "", STREAK_3))
    fold = ShardFold({}, {"school": rules}, {STREAK_3.hash: STREAK_3})
    wrong = piece(1, score=Score(raw="3", max=1.0))  # type: ignore[arg-type]  # what no decoder lets through
    for n, event in enumerate([wrong, piece(2), piece(3, learner="bob")], start=1):
        fold.fold(input_of("school", f"i{n}", n, "", event))

    assert list(fold.blocked) == [("school", "ada")]
    assert ("school", "bob", "math:add") in fold.touched


def test_who_is_set_apart_is_logged_with_tenant_shard_and_position(caplog: pytest.LogCaptureFixture):
    outcome = Outcome()
    outcome.note_blocked(("school", "ada"), 3, 7, "KeyError: 'x'")
    (entry,) = caplog.records

    assert outcome.blocked == [("school", "ada", 3, 7, "KeyError: 'x'")]
    assert entry.message == "learner ada is set apart: KeyError: 'x'"
    assert {name: vars(entry)[name] for name in ("tenant", "consumer", "shard", "position")} == {
        "tenant": "school", "consumer": "progression", "shard": 3, "position": 7,
    }  # fmt: skip


@pytest.mark.parametrize("broken", ["state", "standing"])
def test_a_learner_whose_state_or_standing_raises_is_set_apart_and_nothing_is_told_of_it(broken: str):
    rules = Rules()
    rules.activate(Activation(1, Trigger("d", 1, "", "policy"), "", STREAK_3))
    fold = ShardFold({}, {"school": rules}, {STREAK_3.hash: STREAK_3})
    for n, event in enumerate([piece(k, learner=who) for k in (1, 2, 3) for who in ("ada", "bob")], start=1):
        fold.fold(input_of("school", f"i{n}", n, "", event))
    standings = {("school", who): LearnerState() for who in ("ada", "bob")}
    if broken == "state":
        fold.entries["school", "ada", "math:add"].state = None  # type: ignore[assignment]
    else:
        standings["school", "ada"] = None  # type: ignore[assignment]
    described, told = fold.describe_touched(), fold.tell(standings)

    assert list(fold.blocked) == [("school", "ada")]
    assert ("school", "bob", "math:add") in described
    assert {event.learner for event in told} == {"bob"}


ONE = policy_from({"id": "one", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}})


def test_a_piece_that_is_moved_to_another_competency_never_shows_both():
    """As after a new alignment: neither the level nor what builds on both was ever reached."""
    wrong = piece(1, competency="math:sub")
    right = piece(2, competency="math:add", invalidates=(Touched(wrong.evidence_id, wrong.competencies),))
    journal = Journal().fold([Decided(framework=GRAPH), Decided(ONE)]).fold([wrong]).fold([right])

    assert journal.kinds() == ["competency.mastered", "competency.mastered", "competency.withdrawn"]


def test_a_review_names_all_that_one_correction_took_from_a_level_and_none_asks_for_what_it_gave_instead():
    both = piece(1, competencies=("math:add", "math:sub"))
    journal = Journal().fold([Decided(framework=GRAPH), Decided(ONE)]).fold([both])
    assert journal.kinds()[:3] == ["competency.mastered", "competency.mastered", "competency.ready"]
    journal.fold([retract(both)])

    assert journal.told[-1].data["missing"] == ["math:add", "math:sub"]

    choice = {"require": {"k_of": [{"k": 1, "of": ["add", "sub"]}]}}
    moved = piece(2, competency="math:sub", invalidates=(Touched("eada1", ("math:add",)),))
    other = Journal().fold([Decided(framework=GRAPH), Decided(policy_from(ONE.content | {"advancement": choice}))])
    other.fold([piece(1, competency="math:add")]).fold([moved])

    assert "level.advanced" in other.kinds()
    assert "level.review_required" not in other.kinds()
