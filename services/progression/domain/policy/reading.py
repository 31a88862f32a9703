"""Reads a policy from JSON or YAML; what is wrong is refused with a pointer to it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import yaml
from pydantic import ValidationError

from services.progression.domain.policy.language import Policy
from shared.errors import InvalidEvent
from shared.plain_words import in_words
from shared.texts import can_be_kept

POLICY_BYTES_MAX = 64 * 1024
DEPTH_MAX = 32
"""Lists and objects within each other, far more than the language has."""

UNDECIDED = {
    "version": "a policy's version is the hash of its content",
    "compat": "evidence.collapse: canvas_compat is the one that there is",
    "stuck": "nobody is called stuck; say support",
    "effective_from": "a policy is in force from when it is set",
    "target_policy": "each policy is a file of its own",
    "evidence.window.enrolment": "evidence does not tell the enrolment it belongs to",
    "upkeep.half_life_days": "a half-life would need a model of forgetting per competency; say reverify_after_days",
    "sign_off.second": "one person signs off",
    "sign_off.sample": "which work is moderated is not decided here",
    "sign_off.sees": "what a person sees is not decided here",
    "method.params": "give the parameters themselves",
    "advancement.min_joint_probability": "a joint probability never gates",
}
"""Members of the language that this version cannot decide, with what to say instead."""

UNDECIDED_VALUES = {
    "gating": ("soft", "hard"),
    "advancement.on_regression": ("demote", "teacher_decides"),
}

NEVER = frozenset(
    (
        "age", "birth", "demographic", "demographics", "disability", "disadvantaged", "duration", "ell", "ethnicity", "fast",
        "frl", "gender", "group", "groups", "hispanic", "iep", "income", "language", "lep", "lunch", "minutes", "pace",
        "poverty", "race", "school", "schools", "seconds", "sex", "slow", "speed", "ses", "velocity", "zip",
    )
)  # fmt: skip
"""Words in names of members that would let who a learner is, or how fast, decide."""
NEVER_PHRASES = ("section_504", "time_limit", "time_on_task", "time_spent", "time_to")


class _PlainLoader(yaml.SafeLoader):
    """YAML that is not too deep, without aliases: a few of them can stand for more than any memory holds."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        # Before it is composed: with each token the scanner looks at every bracket that is open, for seconds where many are.
        if self.flow_level >= DEPTH_MAX:
            raise yaml.YAMLError(f"it is nested more than {DEPTH_MAX} deep")
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not part of a policy")
        return super().compose_node(parent, index)


def read_policy(text: bytes) -> Policy:
    """
    Read a policy from JSON or YAML.

    Raises:
        InvalidEvent: not readable, not of the language, or of a part of it that cannot be decided; with a pointer.
    """
    if len(text) > POLICY_BYTES_MAX:
        raise InvalidEvent(f"a policy is at most {POLICY_BYTES_MAX} bytes")
    try:
        content = yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        said = " ".join(str(error).replace('in "<byte string>", ', "at ").split())
        raise InvalidEvent(f"the policy is neither JSON nor YAML: {said}") from error
    policy = policy_from(content)
    if not can_be_kept(content):
        raise InvalidEvent("a text of the policy has a NUL, which no table can hold")
    return policy


def policy_from(content: Any) -> Policy:
    """Make a policy of decoded content; raises `InvalidEvent` as `read_policy` does."""
    if not isinstance(content, dict):
        raise InvalidEvent("a policy is an object with at least id and method", pointer="")
    try:
        plain = msgspec.json.decode(msgspec.json.encode(_without_none(content)))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidEvent(f"the policy has a value that JSON does not have: {error}") from error
    _refuse_undecided(plain)
    try:
        return Policy.model_validate_json(msgspec.json.encode(plain))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        pointer = _pointer(plain, first["loc"], first["type"] == "missing") + first.get("ctx", {}).get("pointer", "")
        raise InvalidEvent(_said(first, pointer), pointer=pointer) from error


def _without_none(content: dict[Any, Any]) -> dict[Any, Any]:
    """Return the content with `sign_off: none`, another way to leave it out, left out."""
    return {name: part for name, part in content.items() if not (name == "sign_off" and part in ("none", None))}


def _refuse_undecided(content: dict[str, Any]) -> None:
    """Refuse members and values that the language has and this version does not decide, by name, at any depth."""
    waiting: list[tuple[str, str, Any]] = [("", "", content)]
    while waiting:
        path, pointer, part = waiting.pop()
        short = ".".join(path.split(".")[-2:])
        for known in (path, short):
            if known in UNDECIDED:
                raise InvalidEvent(f"{known} is not decided by this version: {UNDECIDED[known]}", pointer=pointer)
        if isinstance(part, str) and part in UNDECIDED_VALUES.get(path, ()):
            raise InvalidEvent(f"{path}: {part} is not decided by this version", pointer=pointer)
        if isinstance(part, dict):
            waiting += [(f"{path}.{key}".lstrip("."), f"{pointer}/{key}", value) for key, value in part.items()]
        elif isinstance(part, list):
            waiting += [(path, f"{pointer}/{number}", value) for number, value in enumerate(part)]


def _pointer(content: Any, place: Sequence[str | int], missing: bool) -> str:
    """Return the pointer to a place, without the names of alternatives that a validator puts into it."""
    found, node = "", content
    for number, part in enumerate(place):
        inside = part in node if isinstance(node, dict) else isinstance(node, list) and part in range(len(node))
        if inside:
            node = node[part]
        if inside or (missing and number == len(place) - 1):
            found += f"/{part}"
    return found


def _said(error: Mapping[str, Any], pointer: str) -> str:
    name = pointer.rpartition("/")[2]
    if error["type"] == "extra_forbidden":
        if _tells_who(name):
            return f"{name}: who a learner is, or how fast, never decides"
        return f"the language has no member {name!r} here"
    return in_words(error, name or "the policy")


def _tells_who(name: str) -> bool:
    """Tell whether a member's name, however it is written, speaks of who a learner is or how fast."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).lower()
    return not NEVER.isdisjoint(plain.split("_")) or any(phrase in plain for phrase in NEVER_PHRASES)
