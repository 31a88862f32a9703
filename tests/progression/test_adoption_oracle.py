"""
What learners are told over time, held against a second telling of the rules that shares no code with the fold.

Evidence comes late, is taken back and restored; policies come into force for one framework or all, in each of the three ways,
between breaks and framework versions that decide nothing; terms are closed, and amended by what changes what was shown by then.
"""

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.rules import Mode
from services.progression.domain.terms import TermDecided
from shared.contracts.internal_events import Competency, EvidenceRecorded
from tests.support.journal import Decided, Journal, piece, restore, retract

BARS = (0.5, 0.7, 0.9)
COMPETENCIES = ("math:add", "ela:read")
MODES: tuple[Mode, ...] = ("grandfathered", "forward_only", "retroactive")


def policy(bar: float) -> Policy:
    return policy_from(
        {"id": f"bar-{bar}", "method": {"type": "mean"}, "decision": {"at_least": bar, "latch": "first_crossing"},
         "upkeep": {"on_contradiction": {"last": 2, "below": bar}}}
    )  # fmt: skip


def framework(id: str, number: int) -> Framework:
    """A version in which the competencies are the same, and need nothing."""
    codes = [code.partition(":")[2] for code in COMPETENCIES if code.startswith(id)]
    return Framework(id, f"version {number}", tuple(Competency(c, c, n) for n, c in enumerate(codes)), ())


@dataclasses.dataclass
class Told:
    """What is expected of one competency of one learner."""

    bar: float | None
    pieces: dict[str, tuple[str, float]] = dataclasses.field(default_factory=dict)
    """Valid pieces by id: when, and how good."""
    shown: str | None = None
    due: bool = False
    former: list[str] = dataclasses.field(default_factory=list)
    """Dates that it had since it was put on the record, before other work decided."""
    lost: tuple[str, ...] = ()
    """The dates of what was taken off the record and not put back."""
    episode: int = 1

    def judge(self, cause: str, *, undone: bool = False) -> list[tuple[Any, ...]]:
        """Return what follows from what is known now."""
        ordered = sorted(self.pieces.values())
        means = [sum(mark for _, mark in ordered[:n]) / n for n in range(1, len(ordered) + 1)]
        met = [n for n, mean in enumerate(means) if self.bar is not None and mean >= self.bar - 1e-9]
        shown = ordered[met[0]][0] if met else None
        newer = [mark for _, mark in ordered[met[0] + 1 :]] if met else []
        due = len(newer) >= 2 and all(mark < (self.bar or 0) for mark in newer[-2:])
        was, was_due, self.shown, self.due = self.shown, self.due, shown, due
        if was and shown and was != shown:
            self.former.append(was)
        if was and not shown:
            self.lost = (*self.former, was)
            self.episode += 1
            return [("withdrawn", cause, None, self.episode - 1)]
        if shown and not was:
            kind = "reinstated" if shown in self.lost or (undone and self.lost) else "mastered"
            self.episode -= kind == "reinstated"
            self.lost, self.former = (), []
            later = [("reverify_due", cause, shown, self.episode)] if due else []
            return [(kind, cause, shown, self.episode), *later]
        if shown and due != was_due:
            return [("reverify_due" if due else "reverified", cause, shown, self.episode)]
        return []


class Oracle:
    """The rules as the contract with subscribers states them."""

    def __init__(self) -> None:
        self.general: float | None = None
        self.own: dict[str, float] = {}
        self.keys: dict[tuple[str, str], Told] = {}

    def in_force(self, competency: str) -> float | None:
        return self.own.get(competency.partition(":")[0], self.general)

    def adopt(self, bar: float, of: str, mode: Mode) -> list[tuple[Any, ...]]:
        if of:
            self.own[of] = bar
        else:
            self.general = bar
        found = []
        for (learner, competency), key in sorted(self.keys.items()):
            if of not in ("", competency.partition(":")[0]) or (not of and competency.partition(":")[0] in self.own):
                continue
            if (mode == "grandfathered" and key.shown) or (mode == "forward_only" and (key.pieces or key.lost)):
                continue
            key.bar = bar
            found += [(learner, competency, bar, *each) for each in key.judge("policy")]
        return found

    def change(
        self, one: EvidenceRecorded, mark: float, cause: str, *, valid: bool, undone: bool = False
    ) -> list[tuple[Any, ...]]:
        competency = one.competencies[0]
        key = self.keys.setdefault((one.learner, competency), Told(self.in_force(competency)))
        if valid:
            key.pieces[one.evidence_id] = (one.occurred_at, mark)
        else:
            del key.pieces[one.evidence_id]
        return [(one.learner, competency, key.bar, *each) for each in key.judge(cause, undone=undone)]


def told(journal: Journal, since: int) -> list[tuple[Any, ...]]:
    """What was told of competencies, as the oracle says it."""
    found = []
    for event in journal.told[since:]:
        kind = event.type.removeprefix("attain.competency.").removesuffix(".v1")
        if kind in ("withdrawn", "mastered", "reinstated", "reverify_due", "reverified"):
            data = event.data
            bar = float(data["policy"]["id"].removeprefix("bar-"))
            date = None if kind == "withdrawn" else data["effective_at"]
            found.append((event.learner, data["scope"]["id"], bar, kind, data["cause"]["kind"], date, data["episode"]))
    return found


def shown_by(oracle: Oracle, terms: set[str]) -> set[tuple[str, ...]]:
    """What is on the record by the end of each term, as (end, learner, competency)."""
    keys = oracle.keys.items()
    return {(end, *key) for end in terms for key, value in keys if value.shown is not None and value.shown <= end}


def amended(journal: Journal, since: int) -> list[tuple[str, ...]]:
    """The terms that were amended, as (end, learner, competency)."""
    events = [event for event in journal.told[since:] if event.type == "attain.snapshot.amended.v1"]
    return sorted((event.data["session"], event.learner, event.data["scope"]["id"]) for event in events)


steps = st.one_of(
    st.tuples(st.just("piece"), st.sampled_from(["ada", "bob"]), st.sampled_from(COMPETENCIES),
              st.sampled_from([0.3, 0.6, 0.8, 1.0]), st.integers(1, 9)),
    st.tuples(st.just("retract"), st.integers(0, 99)),
    st.tuples(st.just("restore"), st.integers(0, 99)),
    st.tuples(st.just("adopt"), st.sampled_from(BARS), st.sampled_from(["", "math", "ela"]), st.sampled_from(MODES)),
    st.tuples(st.just("breaks"), st.integers(1, 9)),
    st.tuples(st.just("close"), st.integers(1, 9)),
    st.tuples(st.just("framework"), st.sampled_from(["math", "ela"])),
)  # fmt: skip


@given(drawn=st.lists(steps, min_size=4, max_size=40))
def test_each_learner_is_told_what_the_contract_says(drawn: list[tuple[Any, ...]]):
    journal, oracle = Journal(), Oracle()
    marks: dict[str, tuple[EvidenceRecorded, float]] = {}
    gone: dict[str, EvidenceRecorded] = {}
    terms: set[str] = set()
    journal.fold([Decided(policy(0.7))])
    oracle.adopt(0.7, "", "grandfathered")
    for number, step in enumerate(drawn):
        since, expected = len(journal.told), []
        before = shown_by(oracle, terms)
        match step:
            case ("piece", learner, competency, mark, day):
                one = piece(number, mark, learner=learner, competency=competency, day=day)
                marks[one.evidence_id] = (one, mark)
                journal.fold([one])
                expected = oracle.change(one, mark, "evidence", valid=True)
            case ("retract", which) if valid := sorted(marks.keys() - gone.keys()):
                one, mark = marks[valid[which % len(valid)]]
                gone[one.evidence_id] = one
                journal.fold([retract(one, by=f"r{number}")])
                expected = oracle.change(one, mark, "retraction", valid=False)
            case ("restore", which) if gone:
                one, mark = marks[sorted(gone)[which % len(gone)]]
                del gone[one.evidence_id]
                journal.fold([restore(one, by=f"r{number}")])
                expected = oracle.change(one, mark, "retraction", valid=True, undone=True)
            case ("adopt", bar, of, mode):
                journal.fold([Decided(policy(bar), of=of, mode=mode, batch=f"b{number}")]).sweep()
                expected = oracle.adopt(bar, of, mode)
            case ("breaks", day):
                journal.fold([Decided(breaks=f"2026-04-0{day}/2026-04-09")]).sweep()
            case ("close", day) if (end := f"2026-03-{day:02}T12:00:00.000000Z") not in terms:
                journal.fold([Decided(closes=TermDecided(end, end, "office"))])
            case ("framework", id):
                journal.fold([Decided(framework=framework(id, number))]).sweep()
        assert sorted(told(journal, since), key=str) == sorted(expected, key=str)
        assert amended(journal, since) == sorted(before ^ shown_by(oracle, terms))
        if step[0] == "close":
            terms.add(end)
        statuses = {
            (key[1], key[2]): (state.status in ("mastered", "reverify_due"), state.mastered_at)
            for key in journal.states
            for state in [journal.state(key[2], key[1])]
        }
        assert statuses == {key: (value.shown is not None, value.shown) for key, value in oracle.keys.items()}
