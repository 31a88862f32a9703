"""Under which terms levels are decided: those of the policies in force after an activation."""

from services.progression.domain.curriculum import Framework
from services.progression.domain.levels import LevelTerms
from services.progression.domain.policy.requirements import Require
from services.progression.domain.rules import Activation, Rules


def level_terms(rules: Rules, competency: str, no: int) -> LevelTerms:
    """Return the terms of the level of a competency, under the policy that was in force for it after activation `no`."""
    policy = rules.policy_at(competency, no)
    if policy is None:
        return LevelTerms(breaks=rules.breaks[no], time_zone=rules.zones[no], no=no)
    advancement = policy.advancement
    if advancement is None:
        return LevelTerms(None, "", policy.settle, rules.breaks[no], rules.zones[no], policy.support, policy, no)
    role = advancement.sign_off.by if advancement.sign_off is not None else ""
    return LevelTerms(
        advancement.require, role, policy.settle, rules.breaks[no], rules.zones[no], policy.support, policy, no
    )


def asked_anew(rules: Rules, activation: Activation) -> list[Framework]:
    """Return the frameworks of which an activation's policy asks something else of a level, also of learners who have begun."""
    if activation.policy is None or activation.mode == "forward_only":
        return []

    def asked(competency: str, no: int) -> tuple[Require | None, str, int]:
        return level_terms(rules, competency, no)[:3]

    no = activation.no
    return [
        framework
        for framework in rules.frameworks[no].values()
        if any(asked(members[0], no) != asked(members[0], no - 1) for members in framework.levels.values())
    ]
