"""Pages from templates, in the reader's language: all texts come from the message catalogues, all data is escaped."""

import datetime
import functools
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.reporting.domain.observed import WAITS_MAX_DAYS
from services.reporting.domain.owners import owner_names
from services.reporting.domain.review_requests import STATEMENT_MAX, TEXT_MAX
from shared.school_calendar import local_day

WEB = Path(__file__).parent
STATIC = WEB / "static"
LANGUAGES = {"en": "English", "es": "Español"}
DEFAULT_LANGUAGE = "en"
KINDS = {
    "no_evidence": "none", "insufficient_evidence": "none", "not_yet": "open", "provisional": "shown", "mastered": "shown",
    "credited": "shown", "presumed": "open", "reverify_due": "check", "overridden": "open",
}  # fmt: skip
"""The look of a status; words and a mark say it too, so colour is never alone."""
MARKS = {"shown": "●", "check": "◐", "open": "○", "none": "·", "ready": "→"}
COLUMN_CHARS = 60
"""Of a longer title the head of a column shows the beginning; whoever hears the page hears all of it."""
MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"),
}

_PLACES = {
    "n": r"[\d.]+",
    "day": r"\d{4}-\d\d-\d\d",
    "depth": r"\d",
    "kind": r"\w+",
    "competency": r"[\w.-]+:\S+",
    "missing": r".*",
}
"""What may stand in a place of an English message, where that is not just anything."""


@functools.cache
def catalogue(language: str) -> dict[str, str]:
    """Return the messages of a language by key."""
    found: dict[str, str] = json.loads((WEB / "catalogues" / f"{language}.json").read_text(encoding="utf-8"))
    return found


@functools.cache
def _patterns(prefix: str) -> list[tuple[str, re.Pattern[str]]]:
    """Return the English messages whose keys begin so, as patterns with their places; the longest, which say most, first."""
    texts = [(key, text) for key, text in catalogue(DEFAULT_LANGUAGE).items() if key.startswith(prefix)]
    return [(key, _pattern(text)) for key, text in sorted(texts, key=lambda each: -len(each[1]))]


def _pattern(text: str) -> re.Pattern[str]:
    def place(found: re.Match[str]) -> str:
        return f"(?P<{found[1]}>{_PLACES.get(found[1], '.+')})"

    return re.compile(re.sub(r"\\{(\w+)\\}", place, re.escape(text)))


class Words:
    """
    The messages of one language: `words("key", name=...)`; `count(key, n)` takes `key.one`, `key.many` or `key.none`.

    Days are those of a time zone.
    """

    def __init__(self, language: str, time_zone: str = "UTC") -> None:
        self.language = language
        self._time_zone = time_zone
        self._texts = catalogue(language)

    def within(self, time_zone: str) -> "Words":
        """Return the same with the days of a time zone."""
        return Words(self.language, time_zone)

    def __call__(self, key: str, **values: object) -> str:
        """Return a message with its places filled; raises `KeyError` for a key that no catalogue has."""
        return self._texts[key].format(**values)

    def get(self, key: str, otherwise: str) -> str:
        """Return a message without places, or another text where there is none of this key."""
        return self._texts.get(key, otherwise)

    def count(self, key: str, number: int) -> str:
        """Return a message about so many; about none by `key.none` where there is one."""
        if number == 0 and f"{key}.none" in self._texts:
            return self(f"{key}.none")
        return self(f"{key}.{'one' if number == 1 else 'many'}", n=number)

    def day(self, instant: str | None) -> str:
        """Return the local day of an instant, or a day, as people write it; empty without one."""
        if not instant:
            return ""
        day = local_day(instant, self._time_zone) if "T" in instant else datetime.date.fromisoformat(instant)
        return f"{day.day} {MONTHS[self.language][day.month - 1]} {day.year}"

    def wanted(self, sentence: str, rule: str = "wanted.rule") -> str:
        """
        Return what is missing, which states say in English, in this language: what is a rule's own by the message `rule`, in
        general terms.
        """
        if self.language == DEFAULT_LANGUAGE:
            return sentence
        ways = (way.split(" and ") for way in sentence.split(", or "))
        return self("wanted.or").join(
            self("wanted.and").join(self._again("wanted.", part) or self(rule) for part in parts) for parts in ways
        )

    def stands(self, sentence: str, missing: Iterable[str], shown_at: str | None = None) -> str:
        """
        Return why a state is what it is, which it says in English with what is `missing`, in this language; else nothing.

        Where an earlier version told it, the day in it is that of UTC, and becomes the local one of `shown_at`.
        """
        if shown_at:
            sentence = sentence.replace(shown_at[:10], str(local_day(shown_at, self._time_zone)))
        if self.language == DEFAULT_LANGUAGE:
            return sentence
        lacks = "; ".join(self.wanted(each, "stands.rule") for each in missing)
        return self._again("stands.", sentence, missing=lacks) or ""

    def reason(self, text: str) -> str:
        """Return the reason of an event in this language where it is one of ours; what a person gave stays as it is."""
        return self._again("reason.", text) or text

    def _again(self, prefix: str, english: str, **values: str) -> str | None:
        """Return in this language what is the English of a message whose key begins so; None where it is of none."""
        for key, pattern in _patterns(prefix):
            if found := pattern.fullmatch(english):
                return self(key, **{name: self._value(name, text) for name, text in found.groupdict().items()} | values)
        return None

    def _value(self, name: str, text: str) -> str:
        if name in ("kind", "role"):
            return self.get(f"{name}.{text.replace(' ', '_')}", text)
        return self.day(text) if name == "day" else text

    def level(self, level: str | None) -> str:
        """Return the name of a level."""
        if level is None:
            return self("level.none")
        return self("level.numbered", level=level) if level[:1].isdigit() else level


def choose_language(asked: str | None, kept: str | None, accepted: str | None) -> str:
    """Return the language of a page: what was asked for, what was kept, what the browser accepts, else English."""
    for name in (asked, kept, *((part.split(";")[0].strip()[:2].lower()) for part in (accepted or "").split(","))):
        if name in LANGUAGES:
            return name
    return DEFAULT_LANGUAGE


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(WEB / "templates"), autoescape=select_autoescape(default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {
        "KINDS": KINDS, "MARKS": MARKS, "LANGUAGES": LANGUAGES, "TEXT_MAX": TEXT_MAX, "STATEMENT_MAX": STATEMENT_MAX,
        "WAITS_MAX_DAYS": WAITS_MAX_DAYS, "COLUMN_CHARS": COLUMN_CHARS,
        "fresh": lambda: str(uuid.uuid4()),
    }  # fmt: skip
    environment.filters |= {
        "line": line_points,
        "tidy": titled,
        "score": score_text,
        "level_name": level_name,
        "scope_name": scope_name,
        "wanted": lambda sentence, words: words.wanted(sentence),
        "called": lambda person, names: names.get(person, person),
        "owner_names": owner_names,
    }
    return environment


def render(template: str, words: Words, **context: Any) -> str:
    """Return a page as HTML."""
    return _environment().get_template(template).render(words=words, **context)


def titled(competency: str, titles: Mapping[str, str]) -> str:
    """Return the title of a competency, or its id where it has none."""
    return titles.get(competency, competency)


def score_text(score: Mapping[str, Any]) -> str:
    """Return a score of native evidence as people write it."""
    if score.get("level") is not None:
        return str(score["level"])
    if score.get("scaled") is not None:
        return f"{score['scaled']:g}"
    return f"{score.get('raw') or 0:g}/{score.get('max') or 0:g}"


def level_name(level: str, words: Words) -> str:
    """Return `<framework>#<subject>/<level>` as people say it."""
    subject, _, name = level.partition("#")[2].rpartition("/")
    return f"{subject}: {words.level(name)}" if subject else words.level(name)


def scope_name(each: Any, words: Words) -> str:
    """Return the title of an entry's scope: of a level in the reader's language, of a competency as the framework has it."""
    return level_name(each.scope, words) if "#" in each.scope else each.title or each.scope


def line_points(points: list[tuple[str, int]], width: int = 300, height: int = 80) -> str:
    """Return the points of a polyline for (day, number) in a box, for a drawing of growth."""
    if not points:
        return ""
    days = [datetime.date.fromisoformat(day).toordinal() for day, _ in points]
    first, span, top = days[0], max(days[-1] - days[0], 1), max(number for _, number in points)
    return " ".join(
        f"{(at - first) / span * width:.1f},{height - number / top * height:.1f}"
        for at, (_, number) in zip(days, points, strict=True)
    )
