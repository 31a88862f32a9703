"""The policy language: read a policy, look at what it says, and compile it for the fold."""

from services.progression.domain.policy.language import Policy
from services.progression.domain.policy.reading import POLICY_BYTES_MAX, policy_from, read_policy
from services.progression.domain.policy.rule import Rule

__all__ = ["POLICY_BYTES_MAX", "Policy", "Rule", "policy_from", "read_policy"]
