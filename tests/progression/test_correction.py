"""The correction drill: a test had a wrong item; its evidence is taken back from 10,000 learners at once."""

import copy
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.correction import Selection, _correction, foresee, foresee_arrival
from services.progression.domain.curriculum import Framework
from services.progression.domain.forecast import Forecast
from services.progression.domain.inputs import Key, absorb
from services.progression.domain.learner import LearnerState
from services.progression.domain.mastery import KeyState, Piece, piece_of
from services.progression.domain.policy import policy_from
from shared.contracts import Competency, EvidenceRecorded, EvidenceRetracted, Score, Touched
from tests.support.journal import TENANT, Decided, Journal, piece, retract

LEVEL = Framework(
    "math", "Mathematics", tuple(Competency(c, c.title(), n, level="1") for n, c in enumerate(("add", "sub"))), ()
)
TWO_OF_THREE = policy_from(
    {"id": "two", "method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 1},
     "decision": {"latch": "first_crossing"}, "advancement": {"require": {"all": ["math:add"]}}}
)  # fmt: skip
BAD = "faulty-quiz"
SELECTION = Selection("urn:lms", BAD)


def district(learners: int, seed: int = 1) -> list[EvidenceRecorded]:
    """Two to five pieces of a learner; some are of the faulty quiz, and some learners have nothing else."""
    chance, pieces = random.Random(seed), []
    for number in range(learners):
        only_bad = number % 10 == 0
        for n in range(chance.randint(2, 5)):
            bad = only_bad or chance.random() < 0.25
            pieces.append(
                piece(n, float(chance.random() < 0.7), learner=f"l{number}", competency="math:add",
                      activity=BAD if bad else f"quiz-{n}", id=f"{number}-{n}")
            )  # fmt: skip
    return pieces


def forecast(journal: Journal, pieces: list[EvidenceRecorded], selection: Selection) -> Forecast:
    """Foresee the outcome for every learner of a journal."""
    evidence: dict[Key, dict[str, tuple[Piece | None, bool]]] = {key: {} for key in journal.states}
    for one in pieces:
        for competency in one.competencies:
            absorb(evidence[TENANT, one.learner, competency], competency, one)
    found = Forecast()
    for learner in dict.fromkeys((key[0], key[1]) for key in journal.states):
        keys = [(*learner, code) for code in ("math:add", "math:sub") if (*learner, code) in journal.states]
        held = {key: (msgspec.msgpack.decode(journal.states[key][1], type=KeyState), evidence[key]) for key in keys}
        standing = journal.learners.get(learner, LearnerState())
        outcome = foresee(learner, held, standing, journal.rules[TENANT], journal.policies, selection)
        if outcome is not None:
            found.add(outcome, f"school-{int(learner[1][1:]) % 3}")
    return found


def in_order(bad: list[EvidenceRecorded], said: Forecast) -> list[EvidenceRetracted]:
    """Return the retractions in the order of the forecast."""
    by_id = {one.id: one for one in bad}
    return [retract(by_id[one.order[3]], by=f"void-{one.order[3]}") for _, one in said.pieces]


def test_a_drill_over_ten_thousand_learners_says_what_then_happens_once_each():
    pieces = district(10_000)
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE), *pieces])
    said = forecast(journal, pieces, SELECTION)
    report = said.report()
    before = len(journal.told)
    bad = [one for one in pieces if one.activity == BAD]
    journal.fold(in_order(bad, said))
    told = journal.told[before:]
    counts: dict[str, int] = {}
    for event in told:
        counts[event.type] = counts.get(event.type, 0) + 1
    only_bad = {one.learner for one in bad} - {one.learner for one in pieces if one.activity != BAD}

    assert report["pieces"] == len(bad) == len(said.pieces)
    assert report["learners"] == len({one.learner for one in bad})
    assert report["events"] == dict(sorted(counts.items()))
    assert counts["attain.competency.withdrawn.v1"] > 500
    assert counts["attain.level.review_required.v1"] == counts["attain.competency.withdrawn.v1"]
    withdrawn = [event.learner for event in told if event.type == "attain.competency.withdrawn.v1"]
    assert len(withdrawn) == len(set(withdrawn)), "one withdrawal each"
    assert len(only_bad) >= 1000
    assert all(journal.state(learner=learner).status == "no_evidence" for learner in only_bad)
    assert sum(row["withdrawn"] for row in report["schools"]) == counts["attain.competency.withdrawn.v1"]


def test_a_drill_that_is_foreseen_changes_nothing():
    pieces = district(60)
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE), *pieces])
    before = (copy.deepcopy(journal.states), msgspec.json.encode(list(journal.learners.values())), len(journal.told))
    first = forecast(journal, pieces, SELECTION).report()

    assert first == forecast(journal, pieces, SELECTION).report()
    after = (journal.states, msgspec.json.encode(list(journal.learners.values())), len(journal.told))
    assert after == before


def test_the_outcome_for_one_learner_names_every_status_and_event():
    pieces = [piece(n, learner="l1", competency="math:add", activity=f"quiz-{n}", id=f"one-{n}") for n in (1, 2)]
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE)]).fold(pieces)
    evidence: dict[str, tuple[Piece | None, bool]] = {}
    for one in pieces:
        absorb(evidence, "math:add", one)
    key = (TENANT, "l1", "math:add")
    held = {key: (msgspec.msgpack.decode(journal.states[key][1], type=KeyState), evidence)}
    standing, rules = journal.learners[TENANT, "l1"], journal.rules[TENANT]
    outcome = foresee((TENANT, "l1"), held, standing, rules, journal.policies, Selection("urn:lms", item="one-1"))
    before = len(journal.told)
    journal.fold([retract(pieces[0])])

    assert foresee((TENANT, "l1"), held, standing, rules, journal.policies, Selection("urn:lms", item="x")) is None
    assert outcome is not None
    report = outcome.report()
    assert report["pieces"] == [pieces[0].evidence_id]
    assert [(each["competency"], each["before"]) for each in report["statuses"]] == [("math:add", "mastered")]
    assert report["statuses"][0]["after"] == journal.state(learner="l1").status
    assert [event["type"] for event in report["events"]] == [event.type for event in journal.told[before:]]
    assert len(report["events"]) == 2


def test_the_outcome_of_a_move_names_every_status_and_event_of_both_learners():
    """One loses what was mastered by the piece, the other masters by it what one had not been enough for."""
    ada = [piece(n, learner="ada", competency="math:add", activity=f"quiz-{n}", id=f"ada-{n}") for n in (1, 2)]
    bob = [piece(1, learner="bob", competency="math:add", activity="quiz-7", id="bob-1")]
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE)]).fold([*ada, *bob])
    held = {}
    for learner, pieces in (("ada", ada), ("bob", bob)):
        evidence: dict[str, tuple[Piece | None, bool]] = {}
        for one in pieces:
            absorb(evidence, "math:add", one)
        key = (TENANT, learner, "math:add")
        held[learner] = {key: (msgspec.msgpack.decode(journal.states[key][1], type=KeyState), evidence)}
    standings = {learner: journal.learners.get((TENANT, learner), LearnerState()) for learner in ("ada", "bob", "eve")}
    rules, chosen = journal.rules[TENANT], Selection("urn:lms", item="ada-2", to="bob")
    leaves = foresee((TENANT, "ada"), held["ada"], standings["ada"], rules, journal.policies, chosen)
    assert leaves is not None
    arrives, first = (
        foresee_arrival((TENANT, one), held.get(one, {}), standings[one], rules, journal.policies, leaves)
        for one in ("bob", "eve")
    )
    before = len(journal.told)
    moved = msgspec.structs.replace(ada[1], evidence_id="moved", id="moved", learner="bob")
    gone = Touched(ada[1].evidence_id, ada[1].competencies)
    journal.fold([EvidenceRetracted("ada", "moved", "supersedes", (gone,)), moved])
    told = journal.told[before:]

    for outcome, learner in ((leaves, "ada"), (arrives, "bob")):
        report = outcome.report()
        assert [each["after"] for each in report["statuses"]] == [journal.state(learner=learner).status]
        assert [each["type"] for each in report["events"]] == [e.type for e in told if e.learner == learner]
        assert len(report["events"]) == 2
    assert [each["before"] for each in arrives.report()["statuses"]] == ["not_yet"]
    assert [each["before"] for each in first.report()["statuses"]] == ["no_evidence"]


def test_small_schools_are_hidden_in_the_report():
    pieces = district(30)
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE), *pieces])
    report = forecast(journal, pieces, SELECTION).report()

    assert {row["withdrawn"] for row in report["schools"]} == {None}


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection("urn:lms"), True),
        (Selection("urn:other"), False),
        (Selection("urn:lms", activity="quiz"), True),
        (Selection("urn:lms", activity="other"), False),
        (Selection("urn:lms", item="1"), True),
        (Selection("urn:lms", item="2"), False),
        (Selection("urn:lms", since="2026-03-01T10:00:01.000000Z"), True),
        (Selection("urn:lms", since="2026-03-01T10:00:02.000000Z"), False),
        (Selection("urn:lms", until="2026-03-01T10:00:01.000000Z"), False),
    ],
)
def test_pieces_are_selected_by_source_activity_id_and_time(selection: Selection, found: bool):
    assert selection.has(piece_of(piece(1, activity="quiz"))) is found


@given(
    drawn=st.lists(st.tuples(st.sampled_from(["l1", "l2"]), st.sampled_from(["math:add", "math:sub"]),
                             st.sampled_from([0.0, 1.0]), st.booleans()), max_size=14)
)  # fmt: skip
def test_what_is_foreseen_is_what_happens_whatever_the_evidence(drawn):
    pieces = [
        piece(n, mark, learner=name, competency=code, activity=BAD if bad else f"quiz-{n}")
        for n, (name, code, mark, bad) in enumerate(drawn)
    ]
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE), *pieces])
    said = forecast(journal, pieces, SELECTION)
    before = len(journal.told)
    journal.fold(in_order([one for one in pieces if one.activity == BAD], said))
    happened = sorted(event.type for event in journal.told[before:])

    assert sorted(said.events.elements()) == happened


@given(
    drawn=st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([None, 0.0, 1.0])), min_size=1, max_size=8),
)
def test_new_scores_do_what_is_foreseen(drawn):
    """Of some pieces: what is told then, and where the learner stands, is what the forecast said."""
    pieces = [piece(n, mark, activity=f"quiz-{n}") for n, (mark, _) in enumerate(drawn)]
    scores = {str(n): Score(raw=new, max=1.0) for n, (_, new) in enumerate(drawn) if new is not None}
    selection = Selection("urn:lms", scores=scores)
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE), *pieces])
    state = msgspec.msgpack.decode(journal.states[TENANT, "ada", "math:add"][1], type=KeyState)
    evidence: dict[str, tuple[Piece | None, bool]] = {}
    for one in pieces:
        absorb(evidence, "math:add", one)
    said = foresee(
        (TENANT, "ada"), {(TENANT, "ada", "math:add"): (state, evidence)}, journal.learners.get((TENANT, "ada"),
        LearnerState()), journal.rules[TENANT], journal.policies, selection
    )  # fmt: skip
    if said is None:
        assert not scores
        return
    before = len(journal.told)
    for selected in said.pieces:
        journal.fold([_correction("ada", selected, ("math:add",), selection)])

    assert [event.type for event in journal.told[before:]] == [event.type for event in said.told]
    assert journal.state().status == said.moves[0][1]
    assert journal.state().evidence_count == len(pieces)
