"""The part of a policy that a rule is compiled of: how evidence becomes a value, and the value a standing."""

from typing import Any, Self

from pydantic import Field, model_validator

from services.progression.domain.methods import BayesianKnowledgeTracing, Both, Method
from services.progression.domain.policy.members import (
    Decision,
    EvidenceRules,
    Mastered,
    Normalise,
    Override,
    Part,
    Path,
    Scale,
    SignOff,
    Sufficiency,
    Upkeep,
    fault,
)
from services.progression.domain.policy.support import Support

PROBABLE = frozenset(("bkt", "beta_binomial", "irt_eap", "growth_filter"))
"""Methods whose score is a probability."""


class Criteria(Part):
    """
    All of a policy that decides a competency by its evidence; what it is for, and what it says of levels, is no part of it.

    It has either one `method` with its `sufficiency`, or `mastered` with paths; `provisional` goes with both.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    scale: Scale | None = None
    normalise: Normalise | None = None
    evidence: EvidenceRules = EvidenceRules()
    method: Method | None = None
    sufficiency: Sufficiency = Sufficiency()
    provisional: Path | None = None
    mastered: Mastered | None = None
    decision: Decision = Decision()
    sign_off: SignOff | None = None
    upkeep: Upkeep = Upkeep()
    override: Override | None = None
    support: Support | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Criteria":
        if self.mastered is None:
            if self.method is None:
                raise fault("/method", "a policy has a method, or mastered with paths")
            return self
        if self.method is not None:
            raise fault("/method", "method stands in the paths of mastered")
        for name in ("sufficiency", "sign_off"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise fault(f"/{name}", f"{name} stands in the paths of mastered")
        for name in ("at_least", "min_probability"):
            if getattr(self.decision, name) is not None:
                raise fault(f"/decision/{name}", "paths are decided by the cuts of their own methods")
        return self

    @model_validator(mode="after")
    def _references_resolve(self) -> "Criteria":
        if self.provisional is not None and (self.provisional.method is None or self.provisional.sign_off is not None):
            raise fault("/provisional", "the provisional path has a method and needs no sign_off")
        if self.sign_off is not None and self.sign_off.of is not None:
            raise fault("/sign_off/of", "beside a method a sign_off is of that method; leave `of` out")
        for number, path in enumerate(self.mastered.any_of if self.mastered is not None else ()):
            if path.sign_off is not None and path.sign_off.of is not None and self.provisional is None:
                raise fault(f"/mastered/any_of/{number}/sign_off/of", "there is no provisional path to sign off")
        if self.normalise is not None:
            self._check_anchors(self.normalise)
        return self

    def _check_anchors(self, normalise: Normalise) -> None:
        if self.scale is None:
            raise fault("/normalise", "a map to the scale needs a scale")
        values = [value for _, value in normalise.anchors]
        if self.scale.mastery not in values:
            raise fault("/normalise/anchors", f"no anchor lies at the cut {self.scale.mastery:g}")
        if min(values) < self.scale.min or max(values) > self.scale.max:
            raise fault("/normalise/anchors", "an anchor lies off the scale")

    @model_validator(mode="after")
    def _bars_are_reachable(self) -> "Criteria":
        for path in self.paths:
            decision = self.decision.by_own_cuts if path is self.provisional else self.decision
            method = path.method.first if isinstance(path.method, Both) else path.method
            if isinstance(method, BayesianKnowledgeTracing):
                bar = 0.95 if decision.bar is None else decision.bar
                ceiling = max(1 - method.p_f, method.p_t)
                if bar > ceiling:
                    raise fault("", f"with p_f = {method.p_f:g} the probability never reaches {bar:g}")
            if decision.min_probability is not None and getattr(method, "type", "") not in PROBABLE:
                raise fault("/decision/min_probability", "the score of this method is no probability; say at_least")
        return self

    @model_validator(mode="after")
    def _one_meaning_of_time(self) -> "Criteria":
        parts = [path.sufficiency for path in self.paths]
        for name in ("occasion_gap_h", "max_age_days"):
            if len({getattr(part, name) for part in parts}) > 1:
                raise fault("", f"all paths of a policy have the same {name}")
        return self

    def extended(self, pieces: int, days: int) -> Self:
        """Return the criteria for whom more pieces come before the work asks for support, and pieces suffice for more days."""

        def longer(path: Path) -> Path:
            return path.model_copy(update={"sufficiency": path.sufficiency.lasting(days)})

        update: dict[str, Any] = {"sufficiency": self.sufficiency.lasting(days)}
        if self.provisional is not None:
            update["provisional"] = longer(self.provisional)
        if self.mastered is not None:
            update["mastered"] = Mastered(any_of=tuple(map(longer, self.mastered.any_of)))
        if self.support is not None:
            update["support"] = self.support.after_more(pieces)
        return self.model_copy(update=update)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths with a method, the provisional one first."""
        simple = () if self.method is None else (Path(method=self.method, sufficiency=self.sufficiency),)
        routes = self.mastered.any_of if self.mastered is not None else simple
        every = (self.provisional, *routes) if self.provisional is not None else routes
        return tuple(path for path in every if path.method is not None)
