"""
Broken payloads of every format: each is read, or refused with a reason and a pointer; nothing else ever happens.

`ATTAIN_TEST_FUZZ` is the number of payloads in all (3,000 by default; `make fuzz` takes 100,000).
"""

import contextlib
import datetime
import gc
import os
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.evidence.domain.alignment import Entry
from services.evidence.domain.evidence import Evidence, restored
from services.evidence.domain.revisions import revise
from services.evidence.formats import native, xapi
from services.evidence.formats.reading import Origin, Reading
from services.evidence.handlers.formats import FORMS
from shared.errors import InvalidEvent
from tests.evidence.fuzzing import GOOD, broken, broken_at_random, broken_bytes, broken_members

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
ORIGIN = Origin("demo", "urn:x", NOW, NOW, ZoneInfo("America/Chicago"))
PAYLOADS = int(os.environ.get("ATTAIN_TEST_FUZZ", "3000"))
FRESH = "00000000-0000-4000-8000-000000000000"


def read(form: str, payload: bytes) -> list[Reading]:
    if form == "native":
        return [Reading(None, (native.read(payload, "demo", NOW),))]
    if form == "xapi":
        return [xapi.read(payload, ORIGIN, version, lambda: FRESH) for version in ("1.0.3", "2.0.0")]
    return [FORMS[form].read(message, ORIGIN) for message in FORMS[form].split(payload)]


def check(reading: Reading) -> None:
    """What is read is whole: it says why it is no evidence, or what is there can be stored and told."""
    commands = list(reading.commands)
    if reading.revision is not None:
        revised = revise(None, reading.revision, "demo", "urn:x")
        commands += revised.commands
        assert revised.group is not None
    for entry in reading.entries:
        msgspec.convert(msgspec.to_builtins(entry), Entry)
    assert commands or reading.acknowledged or reading.revision is not None
    for command in commands:
        content: Evidence = command.content
        assert "\x00" not in "".join(filter(None, (content.id, content.learner, content.activity, content.standard)))
        if content.retracts is None:
            assert content.learner
            assert content.score is not None
            assert content.competencies or content.align_by
        if command.form == "content":
            assert restored(command.original, "demo", NOW).digest == command.digest


@pytest.mark.parametrize("form", GOOD)
def test_good_payloads_are_read(form: str) -> None:
    for payload in GOOD[form]:
        for reading in read(form, payload):
            check(reading)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("form", GOOD)
def test_broken_payloads_are_read_or_refused_with_a_pointer(form: str) -> None:
    @settings(
        max_examples=PAYLOADS // len(GOOD) + 1, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.sampled_from(GOOD[form]), broken_bytes, broken_members)
    def run(good: bytes, bytes_: list[tuple[str, float, int]], members: list[tuple[float, Any, str]]) -> None:
        try:
            readings = read(form, broken(good, bytes_, members))
        except InvalidEvent as error:
            if not error.members.get("reason") or error.pointer is None:
                pytest.fail(f"no reason or pointer: {error!r}")
        else:
            for reading in readings:
                check(reading)

    run()


def test_reading_broken_payloads_leaves_nothing_in_memory() -> None:
    """What is cached of them is bounded: after the first hundreds nothing comes to it."""
    endless = [(form, broken_at_random(form)) for form in GOOD]

    def read_some(number: int) -> None:
        for _ in range(number):
            for form, payloads in endless:
                with contextlib.suppress(InvalidEvent):
                    read(form, next(payloads))

    process = psutil.Process()
    read_some(500)
    gc.collect()
    before = process.memory_info().rss
    read_some(1000)
    gc.collect()

    assert (process.memory_info().rss - before) >> 20 < 4
