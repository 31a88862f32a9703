"""What people decide of a learner, and the ticks of the clock: inputs of the journal beside evidence; their storage format."""

from typing import Literal

import msgspec

from services.progression.domain.plans import Plan
from services.progression.domain.states import Decided, DecidedKind
from shared.contracts.internal_events import Status

COMPETENCY_DECIDED = "attain.decision.competency.v1"
LEVEL_DECIDED = "attain.decision.level.v1"
SUPPORT_DECIDED = "attain.decision.support.v1"
CLOCK_TICKED = "attain.clock.ticked.v1"

Basis = Literal["sign_off", "override", "transfer", "test_out", "substitution", "placement", "evidence"]
"""What a decision rests on, as the events' `basis.kind` says it."""


class CompetencyDecided(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A decision on one competency of one learner; data of `COMPETENCY_DECIDED`, see `states.Decided` for the kinds.

    `role` and `author` (the `sub` of the token) say who decided; `evidence` are ids that the decision refers to. A credit by a
    crosswalk has in `origin` what was shown. An `ask` has in `begun` the competency whose first pieces were low, in `since` and
    `at` when the first of them and the last occurred.
    """

    learner: str
    competency: str
    kind: DecidedKind
    role: str
    author: str
    basis: Basis
    reason: str = ""
    status: Status | None = None
    until: str | None = None
    undoes: str = ""
    evidence: tuple[str, ...] = ()
    provenance: str = ""
    instead_of: str = ""
    """The role that was asked and has let wait, where another signs off in its place."""
    begun: str = ""
    since: str = ""
    at: str = ""
    follows: Literal["", "policy", "framework"] = ""
    """What it follows from where nobody took it and no evidence is behind it: the rules, which are no correction."""
    batch: str = ""
    """The recalculation that it is of."""
    plan: Plan | None = None
    """Of a `plan`, which is to be looked at again from `until` on; without one it ends that which stands."""
    origin: str = ""

    @property
    def passes(self) -> bool:
        """Whether it passes a re-check: one by use does, and so does lifting one that success has answered."""
        return self.kind == "check" or bool(self.evidence)

    def decided(self, id: str, time: str) -> Decided:
        """Return the decision as a state keeps it; `id` is that of the input, `time` when it was recorded."""
        by, at = self.begun or self.instead_of or self.role, self.at or time
        return Decided(
            id, self.kind, at, by, self.status, self.until, self.undoes, self.basis, self.author, self.since, self.plan,
            self.origin,
        )  # fmt: skip


LevelDecisionKind = Literal["sign_off", "withhold", "withdraw", "reinstate", "place", "choose", "lift"]


class LevelDecided(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A decision on a level of one learner, or on a goal; data of `LEVEL_DECIDED`. `level` is `<framework>#<subject>/<level>`.

    `sign_off` confirms what is complete, `withhold` refuses with a date of review, `withdraw` takes an advancement back and
    `reinstate` undoes that, `place` puts the learner there beyond what is shown (`not_yet` has evidence, `unknown` none),
    `choose` is a goal that the learner has chosen among `options`, `lift` undoes a sign-off or a refusal: of what still
    settles nothing has been told yet, a level that was advanced is withdrawn.
    """

    learner: str
    level: str
    kind: LevelDecisionKind
    role: str
    author: str
    reason: str = ""
    review_at: str | None = None
    appeal_to: str = ""
    not_yet: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


SupportOutcome = Literal["plan_changed", "dismissed", "left"]


class SupportDecided(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A person closes a suggestion of support on a competency or level (`scope`); data of `SUPPORT_DECIDED`.

    Without a cause it is the one that was suggested first.
    """

    learner: str
    scope: str
    outcome: SupportOutcome
    role: str
    author: str
    reason: str = ""
    cause: str = ""


class ClockTicked(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A stored deadline of a learner has passed at the instant `at`; data of `CLOCK_TICKED`.

    It is that of `competencies`, or of levels that settle.
    """

    learner: str
    at: str
    competencies: tuple[str, ...] = ()
