"""Whether a public event keeps the contract: every member that it has is in the schema of its type."""

from typing import Any

import msgspec

from shared.contracts.public_events import ADVANCEMENT_EVENTS
from shared.contracts.support_events import SUPPORT_EVENTS

EVENTS = ADVANCEMENT_EVENTS | SUPPORT_EVENTS


def check_contract(type: str, data: dict[str, Any]) -> None:
    """Fail where the data lacks a member, has one of another kind, or one that the contract does not know."""
    read = msgspec.convert(msgspec.json.decode(msgspec.json.encode(data)), EVENTS[type], strict=True)
    unknown = sorted(members(data) - members(msgspec.to_builtins(read)))
    assert not unknown, f"{type} tells {unknown}, which its contract does not have"


def members(value: Any, path: str = "") -> set[str]:
    """Return the paths of all members of a value as JSON has it; those of a list's items are one."""
    if isinstance(value, dict):
        return {path} | {member for name, inner in value.items() for member in members(inner, f"{path}/{name}")}
    if isinstance(value, list | tuple):
        return {member for inner in value for member in members(inner, f"{path}[]")}
    return {path}
