"""What a PDF of ours says: its texts in the order in which they are read, each with the tag that it has."""

import re
import zlib

Tagged = tuple[str, str]
"""A tag, such as H2 or TD, and the text in it on one line."""
_OBJECT = re.compile(rb"\n(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_STREAM = re.compile(rb"stream\n(.*)\nendstream", re.DOTALL)
_MARK = re.compile(rb"/(\w+) <</MCID \d+>> BDC|(/Artifact BMC)|/(F\d+) [\d.]+ Tf|Td (.*?) T[jJ] ET|(EMC)", re.DOTALL)
_SHOWN = re.compile(rb"\(((?:\\.|[^\\)])*)\)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def texts(content: bytes) -> list[Tagged]:
    """Return what is read aloud of a PDF, without its decoration."""
    objects = {int(id): body for id, body in _OBJECT.findall(content)}
    found: list[Tagged] = []
    for page in (body for body in objects.values() if b"/Type /Page\n" in body):
        [resources] = re.findall(rb"/Resources (\d+) 0 R", page)
        fonts = {
            name: _letters(objects, int(id)) for name, id in re.findall(rb"/(F\d+) (\d+) 0 R", objects[int(resources)])
        }
        [contents] = re.findall(rb"/Contents (\d+) 0 R", page)
        found += _said(_stream(objects[int(contents)]), fonts)
    return found


def _said(drawn: bytes, fonts: dict[bytes, dict[int, str]]) -> list[Tagged]:
    found: list[Tagged] = []
    tag, lines, letters = b"", list[str](), dict[int, str]()
    for begun, decoration, font, shown, ended in _MARK.findall(drawn):
        if begun or decoration:
            tag, lines = begun, []
        elif font:
            letters = fonts[font]
        elif ended:
            found += [(tag.decode(), " ".join(lines))] if tag else []
        else:
            lines.append("".join(_text(part, letters) for part in _SHOWN.findall(shown)))
    return found


def _text(shown: bytes, letters: dict[int, str]) -> str:
    plain = re.sub(rb"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), shown, flags=re.DOTALL)
    if not letters:
        return plain.decode("latin-1")
    return "".join(letters[int.from_bytes(plain[at : at + 2])] for at in range(0, len(plain), 2))


def _letters(objects: dict[int, bytes], font: int) -> dict[int, str]:
    """Return the letters of a font by their numbers, none where they are Latin ones."""
    named = re.findall(rb"/ToUnicode (\d+) 0 R", objects[font])
    pairs = (
        re.findall(rb"<(\w{4})> <(\w+)>", _stream(objects[int(named[0])]).partition(b"beginbfchar")[2]) if named else []
    )
    return {int(number, 16): bytes.fromhex(letter.decode()).decode("utf-16-be") for number, letter in pairs}


def _stream(body: bytes) -> bytes:
    [found] = _STREAM.findall(body)
    return zlib.decompress(found) if b"/FlateDecode" in body else bytes(found)
