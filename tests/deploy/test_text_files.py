"""Text files in the encodings in which people have them."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.errors import StackError
from deploy.local.files.text import read_text
from deploy.local.files.yaml_text import read_yaml

TEXT = "code,title\nA,Größe 数\n"


def written(folder: Path, data: bytes) -> Path:
    file = folder / "nodes.csv"
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_every_encoding_of_unicode_is_read_zipped_or_not(tmp_path: Path, encoding: str):
    data = TEXT.encode(encoding)
    problems: list[str] = []

    assert read_text(written(tmp_path, data)) == TEXT
    assert read_text(written(tmp_path, gzip.compress(data)), problems) == TEXT
    assert problems == []


def test_windows_1252_within_utf_8_is_read_and_named(tmp_path: Path):
    data = b"code,title\nA,Gr\xc3\xb6\xdfe\nB,\x93quoted\x94 \x81\n"
    problems: list[str] = []

    assert read_text(written(tmp_path, data), problems) == "code,title\nA,Größe\nB,“quoted” \ufffd\n"
    assert problems == ["nodes.csv: not UTF-8 throughout, first at byte 17; what is not is read as Windows-1252"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"A\xff", "is not UTF-8: invalid start byte at byte 1"), ("é".encode("utf-16") + b"\0", "is not UTF-16"),
        (gzip.compress(b"A" * 99, mtime=0)[:-9], "it ends too early"), (b"\x1f\x8bzipped", "is not whole"),
        (gzip.compress(b"A" * 2000, mtime=0), "is over 0 MiB"), (b"A" * 2000, "is over 0 MiB"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, problem: str):
    monkeypatch.setattr("deploy.local.files.text.BYTES_MAX", 1000)

    with pytest.raises(StackError, match=problem):
        read_text(written(tmp_path, data))


@given(st.lists(st.tuples(st.text("aé“數", max_size=4), st.sampled_from(["utf-8", "cp1252"])), max_size=6))
def test_any_mixture_is_a_text_with_a_problem_exactly_where_it_is_no_utf_8(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[str, str]]
):
    data = b"".join(text.encode(encoding, "ignore") for text, encoding in pieces)
    problems: list[str] = []
    text = read_text(written(tmp_path_factory.getbasetemp(), data), problems)

    assert bool(problems) == (data.decode("utf-8", "replace") != data.decode("utf-8", "ignore"))
    assert bool(problems) or text.encode() == data
    assert "a" * data.count(b"a") == "".join(letter for letter in text if letter == "a")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_text_that_can_be_sent_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    try:
        text = read_text(written(tmp_path_factory.getbasetemp(), data), [])
    except StackError:
        return
    assert text.encode().decode() == text


def test_words_that_older_yaml_takes_for_yes_and_no_are_words(tmp_path: Path):
    file = written(tmp_path, b"on: advanced\nyes: [no, off, true, False, y]\n")

    assert read_yaml(file) == {"on": "advanced", "yes": ["no", "off", True, False, "y"]}


@pytest.mark.parametrize("data", [b"a: [1", b"a: 1\n b: 2", b"[" * 5000, b"a: 2026-02-31"])
def test_what_is_no_yaml_is_refused(tmp_path: Path, data: bytes):
    with pytest.raises(StackError, match="is not YAML or JSON"):
        read_yaml(written(tmp_path, data))
