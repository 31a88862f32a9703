"""A PDF with tags, by which who hears it is told headings, paragraphs and tables; fpdf2 itself tags figures alone."""

import contextlib
from collections.abc import Iterator
from typing import Any

from fpdf import FPDF, ViewerPreferences
from fpdf.structure_tree import StructElem
from fpdf.syntax import PDFArray

COLUMN_HEAD = "<</O /Table /Scope /Column>>"
Tag = str
"""A standard structure type of PDF 1.7 (ISO 32000-1, 14.8.4): `H1`, `P`, `Table`, `TR`, `TH`, `TD`."""


class _Element(StructElem):
    """A part of the document; `a` are its attributes."""

    __slots__ = ("a",)

    def __init__(self, tag: Tag, within: StructElem, page: int) -> None:
        super().__init__(struct_type=f"/{tag}", parent=within, kids=[], page_number=page)
        self.a = COLUMN_HEAD if tag == "TH" else None


class _Elements(PDFArray):
    """All elements of a document, since fpdf2 numbers those of its list alone; written are those that are within no other."""

    def serialize(self, *args: Any, **settings: Any) -> str:
        """Return the elements of the document itself."""
        return PDFArray(each for each in self if each.p.s == "/Document").serialize(*args, **settings)


class TaggedPDF(FPDF):
    """
    A document whose parts are tagged while they are written.

    What is written in no part is decoration, and has to be said to be so. Text that goes on on the next page is another part
    of its kind there.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._document = self.struct_builder.doc_struct_elem
        self._document.k = _Elements()
        self._within = [self._document]
        self._text: Tag | None = None
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)

    @contextlib.contextmanager
    def around(self, tag: Tag) -> Iterator[None]:
        """Tag what parts are written meanwhile as one."""
        self._within.append(self._add(tag))
        yield
        self._within.pop()

    @contextlib.contextmanager
    def part(self, tag: Tag) -> Iterator[None]:
        """Tag the text that is written meanwhile."""
        self._text = tag
        self._begin()
        yield
        self._text = None
        self._out("EMC")

    @contextlib.contextmanager
    def decoration(self) -> Iterator[None]:
        """Let what is written meanwhile, on one page, be told to nobody who hears the document."""
        self._out("/Artifact BMC")
        yield
        self._out("EMC")

    def add_page(self, *args: Any, **settings: Any) -> None:
        """Begin a page; text that is being written goes on there."""
        if self._text is not None:
            self._out("EMC")
        super().add_page(*args, **settings)
        if self._text is not None:
            self._begin()

    def _begin(self) -> None:
        """Begin an element of text on this page, by the next of the page's numbers."""
        assert self._text is not None
        element = self._add(self._text)
        builder = self.struct_builder
        of_page = builder.spid_per_page_number.setdefault(self.page, len(builder.spid_per_page_number))
        numbered = builder.struct_tree_root.parent_tree.nums[of_page]
        element.k.append(len(numbered))
        self._out(f"/{self._text} <</MCID {len(numbered)}>> BDC")
        numbered.append(element)
        self.pages[self.page].struct_parents = of_page

    def _add(self, tag: Tag) -> _Element:
        element = _Element(tag, self._within[-1], self.page)
        self._document.k.append(element)
        if self._within[-1] is not self._document:
            self._within[-1].k.append(element)
        return element
