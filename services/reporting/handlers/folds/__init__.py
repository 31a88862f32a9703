"""The folds of the input logs into their read models, a file each."""

from services.reporting.handlers.folds.advancement import AdvancementFold
from services.reporting.handlers.folds.base import Fold
from services.reporting.handlers.folds.curriculum import CurriculumFold
from services.reporting.handlers.folds.mastery import MasteryFold
from services.reporting.handlers.folds.roster import RosterFold
from services.reporting.handlers.folds.support import SupportFold

__all__ = ["EDITIONS", "FOLDS", "Fold"]

FOLDS: dict[str, type[Fold]] = {
    fold.model: fold for fold in (MasteryFold, CurriculumFold, RosterFold, AdvancementFold, SupportFold)
}
EDITIONS: dict[str, int] = {model: fold.edition for model, fold in FOLDS.items()}
