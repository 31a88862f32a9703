"""
The mastery methods: how a running score follows from a sequence of values.

Each is a frozen model of its parameters (the policy language's member `method`) and a fold over a small immutable state:
`start`, `step`, `score`, and `passed`, the method's own bar for policies without `decision.at_least`. A method is a small
file here and a line in `registry`. `weight` counts where a method says so (`weighs`); for the others a piece is a piece.
"""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

import msgspec
from pydantic import Discriminator, Tag, TypeAdapter

from services.progression.domain.methods.base import State, Value
from services.progression.domain.methods.both import Both
from services.progression.domain.methods.registry import Single
from services.progression.domain.methods.tracing import BayesianKnowledgeTracing

__all__ = (
    "METHOD_TAGS", "NAMES", "BayesianKnowledgeTracing", "Both", "Method", "State", "Value", "method_from",
)  # fmt: skip


def _tag(content: Any) -> str:
    joined = content.get("and") is not None if isinstance(content, dict) else isinstance(content, Both)
    return "joined" if joined else "single"


Method = Annotated[Annotated[Single, Tag("single")] | Annotated[Both, Tag("joined")], Discriminator(_tag)]

NAMES = tuple(method.model_fields["type"].annotation.__args__[0] for method in get_args(get_args(Single)[0]))
"""The methods by the names that the language has for them."""
METHOD_TAGS = frozenset(("single", "joined", "first", "int", "literal['all']", *NAMES))
"""What a validation error's location has between the members of a file, and no file has."""

_adapter: TypeAdapter[Method] = TypeAdapter(Method)


def method_from(content: Mapping[str, Any]) -> Method:
    """Make a method of decoded content; raises pydantic's `ValidationError` where it is none."""
    return _adapter.validate_json(msgspec.json.encode(content))
