"""The registry: every method of the policy language, one line each. A new one is a file beside this and a line here."""

from typing import Annotated

from pydantic import Field

from services.progression.methods.beta_binomial import BetaBinomial
from services.progression.methods.counting import NMastery, NOfLast
from services.progression.methods.cusum import Cusum
from services.progression.methods.decaying import DecayingAverage, LatestAgainstMean
from services.progression.methods.growth_filter import GrowthFilter
from services.progression.methods.item_response import ItemResponse
from services.progression.methods.means import FirstAttempt, Mean, MeanOfLast
from services.progression.methods.power_law import PowerLaw
from services.progression.methods.recent import Median, Mode
from services.progression.methods.single import Highest, Latest, LatestAtOrAbove, Teacher
from services.progression.methods.streak import Streak
from services.progression.methods.tracing import BayesianKnowledgeTracing

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
