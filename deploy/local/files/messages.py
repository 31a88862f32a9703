"""The messages of a file of any format, each as it is sent: what a payload holds, split as the service would split it."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from deploy.local.client.sending import Item
from deploy.local.errors import StackError
from deploy.local.files.items import BYTE_ORDER_MARK, CUT_OFF, ItemFile, with_source
from deploy.local.files.text import GZIP_MAGIC, read_text
from deploy.local.files.yaml_text import read_yaml


def messages(file: Path, form: str) -> tuple[Iterator[bytes], ItemFile | None]:
    """
    Return the messages of a file, and the file where they come as it is read.

    A payload that cannot be split is a message itself: the service says what is wrong with it.
    """
    # Imported here: only this needs the service's own rules, and other commands start faster without.
    from services.evidence.handlers.formats import FORMS
    from shared.errors import InvalidEvent

    def split(payloads: Iterable[bytes]) -> Iterator[bytes]:
        for payload in payloads:
            try:
                yield from FORMS[form].split(payload) if form in FORMS else [payload]
            except InvalidEvent:
                yield payload

    if form == "edfi" and (whole := _whole(file)).lstrip()[:1] == b"<":
        return split([whole]), None
    content = ItemFile(file)
    return split(content.items()), content


def mapped(file: Path, mapping_file: Path | None, source: str | None) -> Iterator[bytes | Item]:
    """
    Return the rows of a CSV or NDJSON file as native items; of a row that cannot be mapped, why it is rejected.

    Raises:
        click.UsageError: there is no mapping.
        StackError: it is not of its form, or names a column that the first row does not have.
    """
    from services.evidence.formats.rows import NO_COLUMN, native_item, read_mapping
    from shared.errors import InvalidEvent

    if mapping_file is None:
        raise click.UsageError("--format csv needs --mapping FILE: where each member of the evidence comes from")
    try:
        mapping = read_mapping(read_yaml(mapping_file))
    except InvalidEvent as error:
        raise StackError(f"{mapping_file}: {error.pointer} {error.detail}") from error
    for index, row in enumerate(_rows(file)):
        try:
            item = native_item(row, mapping)
        except InvalidEvent as error:
            reason = str(error.members.get("reason"))
            if index == 0 and reason == NO_COLUMN:
                raise StackError(f"{file}: {error.pointer} {error.detail}; nothing was sent") from error
            yield Item(index, None, "rejected", reason, error.pointer, error.detail)
            continue
        yield item if source is None else with_source(item, source)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.name.lower().removesuffix(".gz").endswith((".ndjson", ".jsonl", ".json")):
        for item in ItemFile(file).items():
            try:
                yield msgspec.json.decode(item, type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise StackError(f"{file} has an item that is no object: {error}") from error
    else:
        yield from csv.DictReader(io.StringIO(read_text(file)))


def _whole(file: Path) -> bytes:
    raw = file.read_bytes()
    if raw.startswith(GZIP_MAGIC):
        try:
            raw = gzip.decompress(raw)
        except CUT_OFF as error:
            raise StackError(f"{file} is not whole: {error}") from error
    return raw.removeprefix(BYTE_ORDER_MARK)
