"""The transcript as a PDF of one or more pages to print or to hear: what was shown, by subject, with the days."""

import contextlib
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import cast

from fpdf.enums import MethodReturnValue, XPos, YPos

from services.reporting.domain.achieved import Achieved
from services.reporting.domain.record import Statement
from services.reporting.handlers.credentials import Transcript
from services.reporting.web.rendering import Words
from services.reporting.web.tagged import Tag, TaggedPDF

FONTS = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/dejavu", "/Library/Fonts", "/System/Library/Fonts")
COLUMNS = (117, 30, 32)
"""Millimetres of what, when and how on a page of A4 or letter."""
LINE = 6
CELL_CHARS_MAX = 1000
"""A row has to fit a page; of the widest letters so many do. Statements of standards have a tenth."""


def pdf(transcript: Transcript, words: Words, font: Path | None) -> bytes:
    """Return a transcript in the language of `words`."""
    page = _Page(words, font)
    page.add_page()
    page.head(transcript)
    levels = [one for one in transcript.found if one.kind == "level.advanced"]
    if levels:
        page.section(words("transcript.level"), levels)
    shown = [one for one in transcript.found if one.kind != "level.advanced"]
    other = words("transcript.other")
    for subject, members in groupby(
        sorted(shown, key=lambda one: one.subject or "~"), lambda one: one.subject or other
    ):
        page.section(subject, members)
    if transcript.statements:
        page.statements(transcript.statements)
    return bytes(page.output())


class _Page(TaggedPDF):
    """The pages of one transcript."""

    def __init__(self, words: Words, font: Path | None) -> None:
        super().__init__(format="letter")
        self._words = words
        self._unicode = self._take_font(font)
        self.set_title(words("transcript"))
        self.set_lang(words.language)
        self.set_margin(18)
        self.set_auto_page_break(auto=True, margin=20)

    def _take_font(self, font: Path | None) -> bool:
        """Take the font that was given, or one that is installed; without any, tell that Latin letters are all there is."""
        found = font or next((file for folder in FONTS if (file := Path(folder, "DejaVuSans.ttf")).is_file()), None)
        if found is None:
            return False
        bold = found.with_name(f"{found.stem}-Bold{found.suffix}")
        self.add_font("text", "", found)
        self.add_font("text", "B", bold if bold.is_file() else found)
        return True

    def head(self, transcript: Transcript) -> None:
        """Write whose it is, from whom and of when, and what it does not say."""
        words, holder = self._words, transcript.holder
        self._say(words("transcript"), size=18, bold=True, tag="H1")
        self._say(f"{words('transcript.of')}: {holder.name or holder.learner}", size=12, bold=True)
        if holder.name:
            self._say(holder.learner, size=8)
        self._say(f"{words('transcript.from')}: {transcript.school}", size=11)
        made = words.day(transcript.made_at)
        self._say(words("transcript.made", day=made), size=11)
        self.ln(2)
        self._say(words("transcript.about", day=made), size=9)

    def section(self, title: str, members: Iterable[Achieved]) -> None:
        """Write a table of achievements in the order in which they come."""
        words = self._words
        self._heading(title)
        head = [words(f"transcript.{column}") for column in ("what", "when", "how")]
        with self.around("Table"):
            self._row(head, head, tag="TH")
            for one in members:
                what = f"{one.code}  {one.title}"
                if one.kind == "level.advanced":
                    what = f"{one.subject or one.framework}, {words.level(one.code)}"
                self._row([what, words.day(one.shown_at), words(f"transcript.{one.kind}")], head)

    def statements(self, statements: Iterable[Statement]) -> None:
        """Write what learner or family state about what the school refused to change."""
        words = self._words
        self._heading(words("statements"))
        self._say(f"{words('statements.about')} {words('transcript.unsigned')}", size=9)
        for one in statements:
            self.ln(2)
            self._say(one.title or one.competency, size=10, bold=True)
            self._say(words("statements.by", day=words.day(one.stated_at), role=words(f"role.{one.stated_as}")), size=9)
            self._say(one.text, size=10)

    def footer(self) -> None:
        """Number the pages."""
        self.set_y(-14)
        self._font(8)
        with self.decoration():
            self.cell(0, LINE, self._in_letters(self._words("transcript.page", n=self.page_no(), of="{nb}")), align="R")

    def _heading(self, title: str) -> None:
        """Write the title of a section, not as the last of a page."""
        if self.will_page_break(5 * LINE):
            self.add_page()
        self.ln(3)
        self._say(title, size=13, bold=True, tag="H2")

    def _row(self, cells: Sequence[str], head: Sequence[str], tag: Tag = "TD") -> None:
        """Write a row on one page; the first of a page other than the table's first is behind the table's head once more."""
        self._font(9, bold=tag == "TH")
        texts = [self._in_letters(_in_a_cell(cell)) for cell in cells]
        height = max(map(self._height, COLUMNS, texts))
        if self.will_page_break(height):
            self.add_page()
            with self.decoration():
                self._font(9, bold=True)
                self._cells([self._in_letters(each) for each in head], LINE)
            self._font(9, bold=tag == "TH")
        with self.around("TR"):
            self._cells(texts, height, tag)

    def _height(self, width: float, text: str) -> float:
        height = self.multi_cell(width, LINE, text, align="L", dry_run=True, output=MethodReturnValue.HEIGHT)
        return cast("float", height)

    def _cells(self, texts: Sequence[str], height: float, tag: Tag | None = None) -> None:
        """Write texts beside each other with a line below."""
        top, left = self.y, self.l_margin
        for width, text in zip(COLUMNS, texts, strict=True):
            self.set_xy(left, top)
            with self.part(tag) if tag else contextlib.nullcontext():
                self.multi_cell(width, LINE, text, align="L")
            left += width
        with self.decoration() if tag else contextlib.nullcontext():
            self.line(self.l_margin, top + height, left, top + height)
        self.set_xy(self.l_margin, top + height)

    def _say(self, text: str, *, size: int, bold: bool = False, tag: Tag = "P") -> None:
        self._font(size, bold=bold)
        with self.part(tag):
            self.multi_cell(0, size * 0.5, self._in_letters(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _font(self, size: int, *, bold: bool = False) -> None:
        self.set_font("text" if self._unicode else "helvetica", "B" if bold else "", size)

    def _in_letters(self, text: str) -> str:
        """Return a text in letters that the font has: with Latin ones alone, others lose their marks or become `?`."""
        if self._unicode:
            return text
        spelled = "".join(char if ord(char) < 256 else unicodedata.normalize("NFKD", char) for char in text)
        kept = "".join(char for char in spelled if not unicodedata.combining(char))
        return kept.encode("latin-1", "replace").decode("latin-1")


def _in_a_cell(text: str) -> str:
    """Return a text on one line, cut where it would be higher than a page."""
    line = " ".join(text.split())
    return line if len(line) <= CELL_CHARS_MAX else f"{line[:CELL_CHARS_MAX]}…"
