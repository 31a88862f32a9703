"""The correction drill: a test had a wrong item; its evidence is taken back from 10,000 learners at once."""

import copy
import dataclasses
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.correction import (
    Outcome,
    foresee,
    foresee_arrival,
    selected_ids,
)
from services.progression.domain.curriculum import Framework
from services.progression.domain.forecast import Forecast
from services.progression.domain.mastery import piece_of
from services.progression.domain.policy import policy_from
from services.progression.domain.selecting import Selection, rescored_id
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.telling import SUPPORT
from services.progression.domain.terms import TermDecided
from shared.contracts.internal_events import (
    Aligned,
    Association,
    Competency,
    EvidenceRecorded,
    EvidenceRetracted,
    Score,
    Touched,
)
from shared.contracts.native import moved_id
from shared.errors import Refused
from tests.support.journal import Decided, Journal, Record, piece, retract

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


def forecast(journal: Journal, selection: Selection) -> Forecast:
    """Foresee the outcome for every learner of a journal."""
    found = Forecast()
    for learner in dict.fromkeys(key[1] for key in journal.states):
        outcome = foresee(journal.record(learner), selection)
        if outcome is not None:
            found.add(outcome, f"school-{int(learner[1:]) % 3}")
    return found


def rescore(one: EvidenceRecorded, score: Score) -> EvidenceRecorded:
    """Build what takes the place of a piece with another score."""
    id = rescored_id(one.source, one.id, score)
    gone = (Touched(one.evidence_id, one.competencies),)
    return msgspec.structs.replace(one, evidence_id=f"new-{one.evidence_id}", id=id, score=score, invalidates=gone)


def move(one: EvidenceRecorded, to: str) -> list[Record]:
    """Build what takes a piece from its learner and gives it to another."""
    id = moved_id(one.source, one.id, to)
    gone = (Touched(one.evidence_id, one.competencies),)
    moved = msgspec.structs.replace(one, evidence_id=f"moved-{one.evidence_id}", id=id, learner=to)
    return [EvidenceRetracted(one.learner, moved.evidence_id, "supersedes", gone), moved]


def in_order(bad: list[EvidenceRecorded], said: Forecast) -> list[EvidenceRetracted]:
    """Return the retractions in the order of the forecast."""
    by_id = {one.id: one for one in bad}
    return [retract(by_id[one.order[3]], by=f"void-{one.order[3]}") for _, one in said.pieces]


def test_a_drill_over_ten_thousand_learners_says_what_then_happens_once_each():
    pieces = district(10_000)
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE), *pieces])
    said = forecast(journal, SELECTION)
    report = said.report(10)
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
    first = forecast(journal, SELECTION).report(10)

    assert first == forecast(journal, SELECTION).report(10)
    after = (journal.states, msgspec.json.encode(list(journal.learners.values())), len(journal.told))
    assert after == before


def test_who_cannot_be_folded_is_named_and_is_no_fault_of_the_service(monkeypatch: pytest.MonkeyPatch):
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE)]).fold([piece(1, learner="l1")])
    record = journal.record("l1")

    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(ShardFold, "_fold_key", broken)
    with pytest.raises(Refused, match=r"learner l1 cannot be folded: KeyError"):
        foresee(record, Selection("urn:lms"))


def test_the_outcome_for_one_learner_names_every_status_and_event():
    pieces = [piece(n, learner="l1", competency="math:add", activity=f"quiz-{n}", id=f"one-{n}") for n in (1, 2)]
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE)]).fold(pieces)
    record = journal.record("l1")
    outcome = foresee(record, Selection("urn:lms", item="one-1"))
    before = len(journal.told)
    journal.fold([retract(pieces[0])])

    assert foresee(record, Selection("urn:lms", item="x")) is None
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
    leaves = foresee(journal.record("ada"), Selection("urn:lms", item="ada-2", to="bob"))
    assert leaves is not None
    arrives, first = (foresee_arrival(journal.record(one), leaves) for one in ("bob", "eve"))
    before = len(journal.told)
    journal.fold(move(ada[1], "bob"))
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
    report = forecast(journal, SELECTION).report(10)

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
    said = forecast(journal, SELECTION)
    before = len(journal.told)
    journal.fold(in_order([one for one in pieces if one.activity == BAD], said))
    happened = sorted(event.type for event in journal.told[before:])

    assert sorted(said.events.elements()) == happened


@given(
    drawn=st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([None, 0.0, 1.0])), min_size=1, max_size=8),
)
def test_new_scores_do_what_is_foreseen(drawn):
    """Of some pieces: what is told then, and where the learner stands, is what the forecast said."""
    pieces = {str(n): piece(n, mark, activity=f"quiz-{n}") for n, (mark, _) in enumerate(drawn)}
    scores = {str(n): Score(raw=new, max=1.0) for n, (_, new) in enumerate(drawn) if new is not None}
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE), *pieces.values()])
    said = foresee(journal.record(), Selection("urn:lms", scores=scores))
    if said is None:
        assert not scores
        return
    before = len(journal.told)
    journal.fold([rescore(pieces[one.order[3]], scores[one.order[3]]) for one in said.pieces])

    assert [event.type for event in journal.told[before:]] == [event.type for event in said.told]
    assert journal.state().status == said.moves[0][1]
    assert journal.state().evidence_count == len(pieces)


def test_what_a_piece_had_superseded_counts_again_in_the_preview():
    pieces = [piece(n, float(n != 3), id=str(n)) for n in range(3)]
    wrong = rescore(pieces[2], Score(raw=0.0, max=1.0))
    journal = Journal().fold([Decided(framework=LEVEL), Decided(TWO_OF_THREE), pieces[0], pieces[2], wrong])
    asked = Selection("urn:lms", item=wrong.id)
    again = Touched(pieces[2].evidence_id, pieces[2].competencies)
    record = dataclasses.replace(journal.record(), uncovered={wrong.id: again})
    said = foresee(record, asked)
    before = len(journal.told)
    gone = (Touched(wrong.evidence_id, wrong.competencies),)
    journal.fold([EvidenceRetracted("ada", "void", "retracts", gone, (again,))])

    assert said is not None
    assert [event.type for event in said.told] == [event.type for event in journal.told[before:]]
    assert "attain.competency.reinstated.v1" in {event.type for event in said.told}
    assert selected_ids(record, Selection("urn:lms")) == (["2"], ["0", wrong.id])


WOVEN = Framework(
    "math", "Mathematics",
    tuple(Competency(code, code.title(), n, level=level) for n, (code, level) in enumerate(
        {"add": "1", "sub": "1", "mul": "2", "div": "2", "total": "2", "product": "3"}.items())),
    (Association("add", "mul"), Association("sub", "mul"), Association("mul", "div"),
     Association("add", "total", "exactMatchOf"), Association("mul", "product", "replacedBy")),
)  # fmt: skip
POLICIES = tuple(
    policy_from(
        {"id": f"woven-{n}", "method": method, "decision": {"latch": latch},
         "upkeep": {"on_contradiction": {"last": 1, "below": 1}, "by_use": True} | waiting,
         "advancement": {"require": {"power": "mastered", "supporting": {"share": 0.5, "at": "mastered"}}}}
    )
    for n, (method, latch, waiting) in enumerate((
        ({"type": "streak", "n": 1}, "first_crossing", {}),
        ({"type": "streak", "n": 1}, "first_crossing", {"max_per_week": 1}),
        ({"type": "mean_of_last", "k": 2, "at_or_above": 1}, "current", {}),
        ({"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 1}, "confirm", {}),
    ))
)  # fmt: skip
SPRING = Decided(closes=TermDecided("spring", "2026-03-04T00:00:00.000000Z", "office"))


def woven(chance: random.Random) -> tuple[Journal, dict[str, EvidenceRecorded]]:
    """Return a journal of two learners whose competencies hang together, maybe under a new policy, and pieces by their ids."""
    journal = Journal().fold([Decided(framework=WOVEN), Decided(chance.choice(POLICIES))])
    codes, pieces = [entry.code for entry in WOVEN.competencies], {}
    for n in range(chance.randint(4, 16)):
        named = chance.sample(codes, chance.choice([1, 1, 2]))
        said = tuple(Aligned(f"math:{c}", chance.choice([1.0, 3.0]), chance.choice(["full", "partial"])) for c in named)
        one = piece(
            n, float(chance.random() < 0.7), learner=chance.choice(["ada", "bob"]), day=chance.randint(1, 5),
            competencies=tuple(each.competency for each in said), alignment=chance.choice([(), said]),
            activity=BAD if chance.random() < 0.3 else f"quiz-{n}",
        )  # fmt: skip
        pieces[one.id] = one
        journal.fold([one], drop_cache=chance.random() < 0.2)
        if chance.random() < 0.5:
            journal.settle()
        if n == 5 and chance.random() < 0.5:
            journal.fold([SPRING])
    journal.settle()
    if chance.random() < 0.3:
        journal.fold([Decided(chance.choice(POLICIES))])
    return journal, pieces


def told_since(journal: Journal, before: int, learner: str) -> list[tuple[str, str, str]]:
    """Return what was told of a learner, but for prompts to adults."""
    return [(each.type, each.data["scope"]["id"], each.data["reason"]["code"]) for each in journal.told[before:]
            if each.learner == learner and not each.type.startswith(SUPPORT)]  # fmt: skip


def statuses(journal: Journal, learner: str) -> dict[str, str]:
    return {key[2]: journal.state(key[2], learner).status for key in journal.states if key[1] == learner}


def corrected(kind: str, chance: random.Random) -> Iterator[tuple[Outcome, list[Any], dict[str, tuple[str, str]]]]:
    """Correct what a journal has; yield for each learner what was foreseen, what was told then, and which statuses changed."""
    journal, pieces = woven(chance)
    chosen = chance.choice([one for one in pieces.values() if one.learner == "ada"] or list(pieces.values()))
    other = {"ada": "bob", "bob": "ada"}[chosen.learner]
    scores = {id: Score(raw=float(chance.random() < 0.5), max=1.0) for id in pieces}
    asked = Selection("urn:lms", item=chosen.id)
    if kind == "moved":
        asked = asked._replace(to=other)
    elif chosen.activity == BAD:
        asked = asked._replace(item="", activity=BAD)
    leaves = foresee(journal.record(chosen.learner), asked._replace(scores=scores if kind == "rescored" else None))
    assert leaves is not None
    outcomes = [leaves, *([foresee_arrival(journal.record(other), leaves)] if kind == "moved" else [])]
    # A new policy may be in force that the learners are not swept by yet: what it changes is not of the correction.
    journal.sweep().settle()
    before, was = len(journal.told), {outcome.learner: statuses(journal, outcome.learner) for outcome in outcomes}
    done = [pieces[one.order[3]] for one in leaves.pieces]
    if kind == "moved":
        journal.fold(move(chosen, other))
    elif kind == "rescored":
        journal.fold([rescore(one, scores[one.id]) for one in done])
    else:
        journal.fold([retract(one, by=f"void-{one.id}") for one in done])
    journal.settle()
    for outcome in outcomes:
        now, then = statuses(journal, outcome.learner), was[outcome.learner]
        changed = {code: (then.get(code, "no_evidence"), status) for code, status in now.items()}
        told = told_since(journal, before, outcome.learner)
        yield outcome, told, {code: both for code, both in changed.items() if both[0] != both[1]}


def test_a_preview_is_what_then_happens_also_where_batches_end_between_the_pieces():
    """What follows from one is folded before the next then; of a few no order of the pieces tells the same either way."""
    seen: Counter[str] = Counter()
    for seed in range(120):
        chance = random.Random(seed)
        journal, pieces = woven(chance)
        said = foresee(journal.record(), Selection("urn:lms", activity=chance.choice(["", BAD])))
        if said is None or len(said.pieces) < 2:
            continue
        journal.sweep().settle()
        before, was = len(journal.told), statuses(journal, "ada")
        for one in said.pieces:
            journal.fold([retract(pieces[one.order[3]], by=f"void-{one.order[3]}")]).settle()
        now, foreseen = statuses(journal, "ada"), dict(zip(said.competencies, said.moves, strict=True))
        events = sorted((event.type, event.data["scope"]["id"], event.data["reason"]["code"]) for event in said.told)
        is_same = events == sorted(told_since(journal, before, "ada"))
        seen["same" if is_same else "more"] += 1

        assert is_same or not said.is_certain, seed
        assert {code: both for code, both in foreseen.items() if both[0] != both[1]} == {
            code: (was[code], status) for code, status in now.items() if was[code] != status
        }, seed

    assert seen["same"] > 70, seen
    assert 0 < seen["more"] < 8, seen


def test_a_preview_is_what_then_happens_to_all_that_hangs_together():
    """Re-checks passed by use, credits by a crosswalk and amendments of closed terms as well, on whatever they fall."""
    happened: Counter[str] = Counter()
    for seed in range(270):
        kind = ("retracted", "rescored", "moved")[seed % 3]
        for outcome, told, changed in corrected(kind, random.Random(seed)):
            report = outcome.report()
            said = [(each["type"], each["scope"]["id"], each["reason"]["code"]) for each in report["events"]]
            foreseen = {each["competency"]: (each["before"], each["after"]) for each in report["statuses"]}

            assert sorted(said) == sorted(told), (seed, outcome.learner)
            assert {code: both for code, both in foreseen.items() if both[0] != both[1]} == changed, seed
            happened.update(type for type, _, _ in told)

    assert happened["attain.snapshot.amended.v1"] > 5, happened
    for follows in ("withdrawn", "credited", "reverified"):
        assert happened[f"attain.competency.{follows}.v1"] > 5, happened
