"""The phrases of policy cards and of explanations in each language; what is said is decided elsewhere, the same in all."""

import functools
import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Literal

Language = Literal["en", "es"]
LANGUAGES: tuple[Language, ...] = ("en", "es")


class Phrases:
    """The phrases of one language: `say("key", ...)` fills the places of one."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self._numbers = texts["numbers"].split()

    def __call__(self, key: str, *parts: str, **values: object) -> str:
        """Return a phrase with its places filled; raises `KeyError` for a key that the catalogue has not."""
        return self.texts[key].format(*parts, **values)

    def number(self, number: int) -> str:
        """Return a number in words up to ten."""
        return self._numbers[number] if number < len(self._numbers) else str(number)

    def count(self, number: int, noun: str) -> str:
        """Return so many of a noun: `noun.one`, or `noun.many` with the number in words."""
        return self(f"{noun}.one") if number == 1 else self(f"{noun}.many", n=self.number(number))

    def role(self, role: str) -> str:
        """Return a role with its article; one that the catalogue has not is said as it is written."""
        known = self.texts.get(f"role.{role}")
        return known if known is not None else self("role", role=role.replace("_", " "))

    def join(self, parts: Iterable[str], word: Literal["and", "or"] = "and") -> str:
        """Return parts as a list in a sentence."""
        every = list(parts)
        return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} {self(word)} {every[-1]}"


@functools.cache
def phrases(language: Language) -> Phrases:
    """Return the phrases of a language."""
    text = (
        files("services.progression.domain.policy")
        .joinpath("catalogues", f"{language}.json")
        .read_text(encoding="utf-8")
    )
    return Phrases(json.loads(text))
