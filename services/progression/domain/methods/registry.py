"""The registry: every method of the policy language, one line each. A new one is a file beside this and a line here."""

from typing import Annotated

from pydantic import Field

from services.progression.domain.methods.beta_binomial import BetaBinomial
from services.progression.domain.methods.counting import NMastery, NOfLast
from services.progression.domain.methods.cusum import Cusum
from services.progression.domain.methods.decaying import DecayingAverage, LatestAgainstMean
from services.progression.domain.methods.growth_filter import GrowthFilter
from services.progression.domain.methods.item_response import ItemResponse
from services.progression.domain.methods.means import FirstAttempt, Mean, MeanOfLast
from services.progression.domain.methods.power_law import PowerLaw
from services.progression.domain.methods.recent import Median, Mode
from services.progression.domain.methods.single import Highest, Latest, LatestAtOrAbove, Teacher
from services.progression.domain.methods.streak import Streak
from services.progression.domain.methods.tracing import BayesianKnowledgeTracing

Single = Annotated[
    Streak
    | DecayingAverage
    | LatestAgainstMean
    | NOfLast
    | NMastery
    | MeanOfLast
    | LatestAtOrAbove
    | Highest
    | Latest
    | Mean
    | Median
    | Mode
    | PowerLaw
    | BayesianKnowledgeTracing
    | Cusum
    | BetaBinomial
    | ItemResponse
    | GrowthFilter
    | FirstAttempt
    | Teacher,
    Field(discriminator="type"),
]
"""One method by itself; `Method` adds two joined by `and`."""
