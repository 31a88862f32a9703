"""
How far a policy's verdicts can be trusted, from the evidence that is held already: no learner is tested for it.

Verdicts are those that the evidence alone gives. What people decided is no part of them: they may know what no piece tells.
"""

import dataclasses
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from services.progression.domain.analysis.classification import livingston_lewis
from services.progression.domain.analysis.group_bias import GroupBias
from services.progression.domain.analysis.noise import Differences
from services.progression.domain.analysis.redundancy import Redundancy, judged
from services.progression.domain.evidence_rules import Counted, composites, value_of
from services.progression.domain.mastery import KeyState, replay
from services.progression.domain.policy.rule import Rule
from services.progression.domain.standing import ON_RECORD, status_of
from services.progression.domain.states import Piece

PIECES_MIN = 4
"""Pieces of a pair below which halves say nothing."""
PAIRS_MIN = 30
"""Pairs below which a figure is not given."""


@dataclasses.dataclass(slots=True)
class Audit:
    """Counted pair by pair; `report` gives the figures."""

    outside: str = ""
    """Source of an outside test: its pieces are what the verdicts are held against, and no part of them."""
    agreed: Counter[tuple[bool, bool]] = dataclasses.field(default_factory=Counter)
    """Pairs by whether they were on the record before the outside test, and whether that was at the cut."""
    bias: GroupBias = dataclasses.field(default_factory=GroupBias)
    halves: Counter[tuple[bool, bool]] = dataclasses.field(default_factory=Counter)
    """Pairs by whether the odd and the even pieces are at the cut on average."""
    means: list[tuple[float, float, float]] = dataclasses.field(default_factory=list)
    """The mean values of the two halves, and of all pieces."""
    verdicts: Counter[tuple[bool, bool]] = dataclasses.field(default_factory=Counter)
    """Pairs by whether the odd and the even pieces alone would be on the record, where of both there are enough to decide."""
    shown: int = 0
    fragile: int = 0
    """Of those on the record, how many a single piece less would take off."""
    pieces: int = 0
    surplus: int = 0
    pairs: int = 0
    redundancy: Redundancy = dataclasses.field(default_factory=Redundancy)
    differences: Differences = dataclasses.field(default_factory=Differences)
    scale: tuple[float, float, float] | None = None
    """(lowest, cut, highest) of the policy's scale."""

    def add(self, competency: str, rule: Rule, pieces: Sequence[Piece], groups: Mapping[str, str]) -> None:
        """Count one pair; `groups` are those of the learner, by name."""
        everything = sorted(pieces, key=lambda piece: piece.order)
        ordered = [piece for piece in everything if piece.order[2] != self.outside]
        units = composites(rule, ordered)
        self._hold_against_outside(rule, everything, ordered)
        self.bias.add(competency, units, groups)
        self.differences.add(rule, ordered)
        self.scale = (rule.bottom, rule.cut, rule.top)
        if len(units) >= PIECES_MIN:
            values = [unit.value.value for unit in units]
            odd, even, whole = map(statistics.fmean, (values[::2], values[1::2], values))
            self.means.append((odd, even, whole))
            self.halves[odd >= rule.cut, even >= rule.cut] += 1
            self._decide_halves(rule, units)
        state = replay(KeyState(), ordered, rule, "")
        self.pieces += len(units)
        self.pairs += 1
        judgements = list(judged(rule, units))
        self.redundancy.add(judgements)
        if status_of(state, rule) not in ON_RECORD:
            return
        self.shown += 1
        # Rows of one test come at one instant; what a re-check asked for is no surplus.
        self.surplus += sum(
            status == "mastered" and unit.piece.order[0] > (state.crossed_at or "")
            for unit, (status, _) in zip(units, judgements, strict=True)
        )
        self.fragile += any(
            status_of(replay(KeyState(), [*ordered[:n], *ordered[n + 1 :]], rule, ""), rule) not in ON_RECORD
            for n in range(len(ordered))
        )

    def _decide_halves(self, rule: Rule, units: Sequence[Counted]) -> None:
        """Count whether the policy comes to the same from either half, where it comes to anything from both."""
        halves = [[piece for unit in half for piece in unit.parts] for half in (units[::2], units[1::2])]
        odd, even = (status_of(replay(KeyState(), half, rule, ""), rule) for half in halves)
        if "insufficient_evidence" not in (odd, even):
            self.verdicts[odd in ON_RECORD, even in ON_RECORD] += 1

    def _hold_against_outside(self, rule: Rule, everything: Sequence[Piece], ordered: Sequence[Piece]) -> None:
        """Hold the verdict at the first outside test against that."""
        tests = [
            (piece, value_of(rule, piece)) for piece in everything if self.outside and piece.order[2] == self.outside
        ]
        scored = [(piece, value) for piece, value in tests if value is not None]
        before = [piece for piece in ordered if scored and piece.order < scored[0][0].order]
        if before:
            shown = status_of(replay(KeyState(), before, rule, ""), rule) in ON_RECORD
            self.agreed[shown, scored[0][1].correct] += 1

    def report(self) -> dict[str, Any]:
        """
        Return the figures, None where there are fewer than `PAIRS_MIN` pairs for one.

        `split_half` and `classification` are of the mean of the pieces held against the scale's cut, which is a ruler for the
        evidence whatever the policy does with it; `replayed` is of the policy's own verdicts.
        """
        return {
            "pairs_in_halves": len(self.means),
            "split_half": self._split_half(),
            "replayed": self._replayed(),
            "classification": self._classification(),
            "shown": self.shown,
            "fragile": round(self.fragile / self.shown, 4) if self.shown >= PAIRS_MIN else None,
            "over_testing_index": round(self.surplus / self.pieces, 4)
            if self.pieces and self.pairs >= PAIRS_MIN
            else None,
            "redundancy": self._redundancy(),
            "outside": self._outside(),
            "bias": self.bias.report(),
            "noise": noise._asdict() if (noise := self.differences.noise()) is not None else None,
        }

    def _redundancy(self) -> dict[str, float] | None:
        """Return the share of pieces that were redundant when given, and its parts: while mastery was shown, and otherwise."""
        found = self.redundancy
        if self.pairs < PAIRS_MIN or not found.pieces:
            return None
        return {
            "pieces": found.pieces,
            "share": round((found.shown + found.unshown) / found.pieces, 4),
            "shown": round(found.shown / found.pieces, 4),
            "unshown": round(found.unshown / found.pieces, 4),
        }

    def _outside(self) -> dict[str, Any] | None:
        """Return how the verdicts agree with the outside test: false advance of those on the record, false hold of the others."""
        pairs = self.agreed.total()
        if not self.outside or pairs < PAIRS_MIN:
            return None
        shown = self.agreed[True, True] + self.agreed[True, False]
        agreement, kappa = _agreement(self.agreed)
        return {
            "source": self.outside,
            "pairs": pairs,
            "agreement": round(agreement, 4),
            "kappa": kappa,
            "false_advance": round(self.agreed[True, False] / shown, 4) if shown else None,
            "false_hold": round(self.agreed[False, True] / (pairs - shown), 4) if pairs > shown else None,
        }

    def _split_half(self) -> dict[str, float | None] | None:
        """Return agreement of the halves, the same beyond chance, and reliability at full length (Spearman-Brown)."""
        if len(self.means) < PAIRS_MIN:
            return None
        agreed, kappa = _agreement(self.halves)
        reliability = self._reliability()
        return {
            "agreement": round(agreed, 4), "kappa": kappa,
            "reliability": round(reliability, 4) if reliability is not None else None,
        }  # fmt: skip

    def _replayed(self) -> dict[str, float | None] | None:
        """Return how often the policy decides alike on either half of the evidence, and the same beyond chance."""
        pairs = self.verdicts.total()
        if pairs < PAIRS_MIN:
            return None
        agreed, kappa = _agreement(self.verdicts)
        return {"pairs": pairs, "agreement": round(agreed, 4), "kappa": kappa}

    def _reliability(self) -> float | None:
        """Return the reliability of a mean of all pieces; None where one half is the same of all, and tells nobody apart."""
        odd, even, _ = zip(*self.means, strict=True)
        if len(set(odd)) == 1 or len(set(even)) == 1:
            return None
        r = statistics.correlation(odd, even)
        return max(0.0, 2 * r / (1 + r)) if r > -1 else 0.0

    def _classification(self) -> dict[str, float] | None:
        """Return Livingston and Lewis' accuracy and consistency of the cut on the mean of all pieces."""
        if len(self.means) < PAIRS_MIN or self.scale is None:
            return None
        low, cut, high = self.scale
        whole = [mean for _, _, mean in self.means]
        reliability = self._reliability() or 0.0
        try:
            found = livingston_lewis(statistics.fmean(whole), statistics.pvariance(whole), reliability, cut, low, high)
        except ValueError:
            return None
        return {
            "accuracy": round(found.accuracy, 4), "consistency": round(found.consistency, 4),
            "false_advance": round(found.fp, 4), "false_hold": round(found.fn, 4),
        }  # fmt: skip


def _agreement(counts: Counter[tuple[bool, bool]]) -> tuple[float, float | None]:
    """
    Return the share of pairs of judgements that agree, and the same beyond chance (Cohen 1960: kappa).

    That is None where both judge everybody alike: chance alone would agree as well, so it has nothing to be beyond of.
    """
    n = counts.total()
    agreed = (counts[True, True] + counts[False, False]) / n
    first = (counts[True, True] + counts[True, False]) / n
    second = (counts[True, True] + counts[False, True]) / n
    chance = first * second + (1 - first) * (1 - second)
    return agreed, round((agreed - chance) / (1 - chance), 4) if chance < 1 else None
