"""Facts that are told in any language: a code and its values, said by the phrases of the language."""

import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from services.progression.domain.policy.phrases import Language, Phrases, phrases

Value = str | float | int
LISTS = ("any_of", "together", "listed")
"""Codes of lists: their phrase stands between the parts."""
NAMED = ("kind", "status", "basis", "latch")
"""Values that are names of ours: the phrase `<value's name>.<value>` says them."""
REMEMBERED = 4096


class Fact(msgspec.Struct, frozen=True, cache_hash=True):
    """A fact: its code, its values by name, and the facts that it is put together from."""

    code: str
    values: tuple[tuple[str, Value], ...] = ()
    parts: tuple["Fact", ...] = ()


def fact(code: str, *parts: Fact, **values: Value) -> Fact:
    """Return a fact."""
    return Fact(code, tuple(values.items()), parts)


def as_data(told: Fact) -> dict[str, Any]:
    """Return a fact as plain data: `code`, with `values` and `parts` where there are any."""
    data: dict[str, Any] = {"code": told.code}
    if told.values:
        data["values"] = dict(told.values)
    if told.parts:
        data["parts"] = [as_data(part) for part in told.parts]
    return data


def beside(name: str, told: Fact | None, language: Language) -> dict[str, Any]:
    """Return a fact said as the member `name`, and itself beside as `<name>_fact`; both are None where there is none."""
    if told is None:
        return {name: None, f"{name}_fact": None}
    return {name: said(told, language), f"{name}_fact": as_data(told)}


@functools.lru_cache(maxsize=REMEMBERED)
def said(told: Fact, language: Language = "en") -> str:
    """Say a fact; a code with `.one` and `.many` is said by its value `n`."""
    say, values = phrases(language), dict(told.values)
    parts = [said(part, language) for part in told.parts]
    if told.code in LISTS:
        return say(told.code).join(parts)
    code = told.code
    if f"{code}.one" in say.texts:
        code += ".one" if float(values["n"]) <= 1 else ".many"
    return say(code, *parts, **{name: _word(say, name, value) for name, value in values.items()})


def _word(say: Phrases, name: str, value: Value) -> Value:
    if name == "role":
        return say.role(str(value))
    if name == "score":
        return say.texts.get(f"score.{value}") or say("score", method=value)
    if name in NAMED:
        return say.texts.get(f"{name}_named.{value}") or str(value).replace("_", " ")
    return value


def values_of(model: Mapping[str, Any]) -> dict[str, Value]:
    """Return the members of a model that can be values of a fact."""
    return {name: value for name, value in model.items() if isinstance(value, str | float | int)}
