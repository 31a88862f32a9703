"""
A correction that is undone in the end leaves what was shown or credited as it was: told as withdrawn and as reinstated, with its
date; held against what is noted before.
"""

import random
from collections import Counter
from typing import Any

from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.learner import LearnerState
from services.progression.domain.policy import policy_from
from services.progression.domain.rules import Mode
from shared.contracts.internal_events import EvidenceRecorded, EvidenceRetracted, Score, Touched
from tests.progression.test_correction import WOVEN
from tests.support.journal import Decided, Journal, Record, hand_over, piece, restore, retract

WAYS: tuple[dict[str, Any], ...] = (
    {"method": {"type": "streak", "n": 1}},
    {"method": {"type": "streak", "n": 2}, "upkeep": {"on_contradiction": {"last": 1, "below": 1}, "by_use": True}},
    {"method": {"type": "mean"}, "evidence": {"reassess": "replace_latest"}},
)
POLICIES = tuple(
    policy_from({"id": f"p-{n}", "decision": {"latch": "first_crossing"}} | way) for n, way in enumerate(WAYS)
)


def learner_with_work(chance: random.Random) -> tuple[Journal, list[EvidenceRecorded]]:
    """Return a learner of whose competencies some are shown, and credited by what equals them before or after that."""
    journal, pieces = Journal().fold([Decided(framework=WOVEN), Decided(chance.choice(POLICIES))]), []
    codes = [f"math:{entry.code}" for entry in WOVEN.competencies]
    for n in range(chance.randint(3, 14)):
        named = tuple(chance.sample(codes, chance.choice([1, 1, 2])))
        pieces.append(
            piece(
                n, float(chance.random() < 0.7), day=chance.randint(1, 9), competencies=named, activity=f"quiz-{n % 6}"
            )
        )
        journal.fold([pieces[-1]]).settle()
    return journal, pieces


def dates(journal: Journal) -> dict[str, str | None]:
    """Return when each competency was shown, None where it was not."""
    return {key[2]: journal.state(key[2]).mastered_at for key in journal.states}


def test_what_a_correction_takes_is_told_once_and_reinstated_with_its_date_once_that_is_undone():
    seen: Counter[str] = Counter()
    for seed in range(250):
        chance = random.Random(seed)
        journal, pieces = learner_with_work(chance)
        shown, gone = dates(journal), chance.sample(pieces, chance.randint(1, min(4, len(pieces))))
        before = len(journal.told)
        journal.fold([retract(*gone)]).settle()
        lost = sorted(code for code, at in shown.items() if at is not None and dates(journal)[code] is None)
        journal.fold([restore(*gone)]).settle()
        told = [(event.type.split(".")[-2], event.data["scope"]["id"], event.data) for event in journal.told[before:]]
        credited = {code for _, code, data in told if data.get("after") == "credited"}
        shown_again = [
            (code, data) for kind, code, data in told if kind == "reinstated" and data["after"] != "credited"
        ]
        back = [(code, data["effective_at"]) for code, data in shown_again if code in lost]

        assert dates(journal) == shown, seed
        assert sorted(back) == [(code, shown[code]) for code in lost], seed
        assert "mastered" not in {kind for kind, code, _ in told if code in lost}, seed
        seen.update(["lost"] * len(lost) + ["credited meanwhile"] * len(credited & {*lost}))

    assert seen["lost"] > 150, seen
    assert seen["credited meanwhile"] > 5, seen


SIGNED = policy_from(
    {"id": "signed", "provisional": {"method": {"type": "streak", "n": 1}},
     "mastered": {"any_of": [{"method": {"type": "streak", "n": 1}, "sign_off": {"by": "teacher"}},
                             {"method": {"type": "streak", "n": 3}}]},
     "decision": {"latch": "first_crossing"}}
)  # fmt: skip
MODES: tuple[Mode, ...] = ("grandfathered", "forward_only", "retroactive")
TURNS = ("mastered", "credited", "withdrawn", "reinstated")


class Woven:
    """One learner's history: work, policies in every mode and decisions of people, in batches of any size."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.journal = Journal().fold([Decided(framework=WOVEN), Decided(self._policy())])
        self.pieces: list[EvidenceRecorded] = []
        self._waiting: list[Record] = []
        for _ in range(chance.randint(4, 20)):
            self._live()
        self.flush()
        self.journal.sweep().settle()

    def take(self, record: Record) -> None:
        """Let a record come, alone or with others; what follows from it may be late."""
        self._waiting.append(record)
        if self.chance.random() < 0.6:
            self.flush(late=self.chance.random() < 0.2)

    def flush(self, *, late: bool = False) -> None:
        self.journal.fold(self._waiting, drop_cache=self.chance.random() < 0.2)
        self._waiting = []
        if not late:
            self.journal.settle()

    def since(self) -> dict[str, str]:
        """Return since when each competency is on the record or credited."""
        return dict(self.journal.learners["school", "ada"].satisfied) if self.journal.learners else {}

    def _policy(self) -> Any:
        return self.chance.choice((*POLICIES, SIGNED))

    def _live(self) -> None:
        chance = self.chance
        code = f"math:{chance.choice(WOVEN.competencies).code}"
        kind = chance.choices(["work", "policy", "sign_off", "override", "credit"], [14, 2, 2, 1, 1])[0]
        if kind == "work":
            named = {code, f"math:{chance.choice(WOVEN.competencies).code}"} if chance.random() < 0.5 else {code}
            n, mark = len(self.pieces), float(chance.random() < 0.65)
            self.pieces.append(
                piece(n, mark, day=chance.randint(1, 9), competencies=tuple(sorted(named)), activity=f"quiz-{n % 6}")
            )
            self.take(self.pieces[-1])
        elif kind == "policy":
            self.flush()
            self.journal.fold([Decided(self._policy(), mode=chance.choice(MODES))])
        elif kind == "sign_off":
            self.take(CompetencyDecided("ada", code, "sign_off", "teacher", "t", "sign_off"))
        elif kind == "override":
            status = chance.choice(["mastered", "not_yet"])
            self.take(CompetencyDecided("ada", code, "override", "teacher", "t", "override", "seen", status=status))  # type: ignore[arg-type]
        else:
            self.take(CompetencyDecided("ada", code, "credit", "registrar", "r", "transfer", "elsewhere"))


def corrected(woven: Woven) -> list[EvidenceRetracted]:
    """Take some pieces back, or score them anew as nothing; return what undoes each."""
    chance = woven.chance
    undoings: list[EvidenceRetracted] = []
    for gone in chance.sample(woven.pieces, min(len(woven.pieces), chance.randint(1, 4))):
        touched = Touched(gone.evidence_id, gone.competencies)
        if chance.random() < 0.3:
            anew = piece(100 + len(undoings), occurred_at=gone.occurred_at, competencies=gone.competencies,
                         activity=gone.activity, score=Score(raw=0.0, max=1.0), invalidates=(touched,))  # fmt: skip
            woven.take(anew)
            back = Touched(anew.evidence_id, anew.competencies)
            undoings.append(EvidenceRetracted("ada", f"u-{gone.id}", "retracts", (back,), (touched,)))
        else:
            woven.take(retract(gone, by=f"r-{gone.id}"))
            undoings.append(restore(gone, by=f"u-{gone.id}"))
    woven.flush(late=chance.random() < 0.2)
    return undoings


def recorded(journal: Journal) -> dict[str, str]:
    """Return what a subscriber has on record who does what each event says, which has to follow on those before."""
    held: dict[str, str] = {}
    scopes: dict[str, str] = {}
    seqs: dict[str, int] = {}
    for event in journal.told:
        kind, data = event.type.removeprefix("attain.competency.").removesuffix(".v1"), event.data
        scope = data["scope"]["id"]
        assert scopes.get(data.get("replaces") or "", scope) == scope
        assert not data.get("replaces") or data["replaces"] in scopes, "what is replaced was told"
        assert data["seq"] > seqs.get(scope, 0)
        scopes[event.id], seqs[scope] = scope, data["seq"]
        credits = kind == "credited" or (kind == "reinstated" and data["after"] == "credited")
        if credits or kind in ("mastered", "reinstated"):
            assert held.get(scope) in ((None,) if credits else (None, "credited")), "nothing is told twice"
            held[scope] = "credited" if credits else "shown"
        elif kind == "withdrawn":
            del held[scope]
    return held


def test_who_does_what_each_event_says_has_what_is_on_the_record():
    """Whatever work, rules, decisions and corrections come together."""
    for seed in range(100):
        woven = Woven(random.Random(seed))
        undoings = corrected(woven)
        for undoing in woven.chance.sample(undoings, len(undoings)):
            woven.take(undoing)
        woven.flush()
        woven.journal.sweep().settle()
        standing = woven.journal.learners.get(("school", "ada"), LearnerState())

        assert recorded(woven.journal) == {
            code: "credited" if code in standing.credited else "shown" for code in standing.satisfied
        }, seed


def test_corrections_that_are_undone_in_any_order_end_in_what_was_told_before():
    """But for what another correction has shown anew meanwhile, such as one that takes a low piece back."""
    seen: Counter[str] = Counter()
    for seed in range(400):
        woven = Woven(random.Random(seed))
        before, mark = woven.since(), len(woven.journal.told)
        undoings = corrected(woven)
        for undoing in woven.chance.sample(undoings, len(undoings)):
            woven.take(undoing)
        woven.flush()
        turns = [
            (event.type.split(".")[-2], event.data["scope"]["id"], event.data["after"])
            for event in woven.journal.told[mark:]
            if event.type.split(".")[-2] in TURNS
        ]
        if any(kind == "mastered" for kind, *_ in turns):
            continue
        last = {code: (kind, after) for kind, code, after in turns}

        assert woven.since() == before, seed
        assert all(last[code][0] == "reinstated" for code in last.keys() & before.keys()), (seed, turns)
        seen.update(f"{kind} as {after}" for code, (kind, after) in last.items() if code in before)

    assert seen["reinstated as mastered"] > 100, seen
    assert seen["reinstated as credited"] > 20, seen


def test_what_an_unmerge_takes_is_told_once_as_identity_and_reinstated_with_its_date_once_it_is_undone():
    """Of the learner's pieces some were another's before a merge; all who have them meanwhile end as they were."""
    seen: Counter[str] = Counter()
    for seed in range(200):
        chance = random.Random(seed)
        journal, pieces = learner_with_work(chance)
        anothers, shown = chance.sample(pieces, chance.randint(1, len(pieces))), dates(journal)
        before = len(journal.told)
        there, parted = hand_over(anothers, "bo", "m1-undone", "undone")
        journal.fold(parted).settle()
        alone, mark = dates(journal), len(journal.told)
        for merge in ("m2", "m3"):
            there, one = hand_over(there, "ada", merge, "undone")
            journal.fold(one).settle()
            there, parted = hand_over(there, "bo", f"{merge}-undone", "undone")
            journal.fold(parted).settle()
        journal.fold(hand_over(there, "ada", "m4", "undone")[1]).settle()
        lost = {code for code, at in shown.items() if at is not None and alone[code] is None}
        told = [(event.type.split(".")[-2], event.data) for event in journal.told[before:] if event.learner == "ada"]
        withdrawn = [
            data for _, data in (event for event in told[: mark - before] if event[0] == "withdrawn") if data["removed"]
        ]
        back = [
            (data["scope"]["id"], data["effective_at"])
            for kind, data in told
            if kind == "reinstated" and data["scope"]["id"] in lost and data["after"] != "credited"
        ]

        assert {data["scope"]["id"] for data in withdrawn} >= lost, seed
        assert {(data["cause"]["kind"], data["basis"]["kind"]) for data in withdrawn} <= {("identity", "identity")}
        assert dates(journal) == shown, seed
        assert Counter(back) == Counter({(code, shown[code]): 3 for code in lost}), seed
        assert not [kind for kind, data in told if kind == "mastered" and data["scope"]["id"] in lost], seed
        seen["lost"] += len(lost)

    assert seen["lost"] > 150, seen


def test_what_is_restored_in_another_order_than_it_was_taken_is_reinstated():
    """The date moves to the second piece, is withdrawn with that, and comes back with the first."""
    first, second = piece(1, day=1), piece(2, day=2)
    journal = Journal().fold([Decided(POLICIES[0]), first, second])
    journal.fold([retract(first), retract(second, by="r2")]).fold([restore(first), restore(second, by="r4")])
    mastered, _, back = journal.told

    assert journal.kinds() == ["competency.mastered", "competency.withdrawn", "competency.reinstated"]
    assert (back.data["effective_at"], back.data["original"]) == (first.occurred_at, mastered.id)


def test_scores_that_are_put_right_in_another_order_reinstate_what_they_had_shown():
    first, second = piece(1, day=1), piece(2, day=2)
    journal = Journal().fold([Decided(POLICIES[0]), first, second])
    pieces = [first, second]
    for n, (mark, of) in enumerate([(0.0, 0), (0.0, 1), (1.0, 0), (1.0, 1)], start=10):
        old = pieces[of]
        pieces[of] = piece(
            n, mark, occurred_at=old.occurred_at, invalidates=(Touched(old.evidence_id, old.competencies),)
        )
        journal.fold([pieces[of]])

    assert journal.kinds() == ["competency.mastered", "competency.withdrawn", "competency.reinstated"]
    assert journal.state().mastered_at == first.occurred_at


def test_what_new_work_shows_after_a_loss_is_mastered_anew():
    journal = Journal().fold([Decided(POLICIES[0]), piece(1, day=1)])
    journal.fold([retract(piece(1, day=1))]).fold([piece(2, day=2)])

    assert journal.kinds()[-1] == "competency.mastered"
