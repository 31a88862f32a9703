"""The signed record without a service: what is in it, what a signature covers, what is revoked."""

import base64
import copy
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.reporting.domain.achieved import Achieved, Basis, Event, achieved, standing
from services.reporting.domain.credentials import (
    Holder,
    Issuer,
    Place,
    Target,
    badge,
    learner_record,
    status_credential,
)
from services.reporting.domain.record import Statement
from services.reporting.domain.status_list import ENTRIES, encoded
from services.reporting.handlers.credentials import Transcript
from services.reporting.handlers.signing import Key, UndefinedTerm, base58, canonical, did_key, method_of, signed
from services.reporting.web import transcript as web
from services.reporting.web.rendering import Words
from tests.support.shared_data import shared_file

AT = "2026-03-05T00:00:00Z"
SCHEMAS = "data/formats/credentials/"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = Key(PRIVATE, "z" + base58(b"\xed\x01" + PRIVATE.public_key().public_bytes_raw()))
ISSUER = Issuer(did_key(KEY), "River Valley")
HOLDER = Holder("0b9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c", "Ada L.")
SHOWN = Achieved(
    "9e0c1b52-1f0b-5d7e-8a55-0c8f3b6d2a11", "competency.mastered", "maths:3.NF.1", "maths", "3.NF.1",
    "Understand unit fractions", "Mathematics", "2026-03-04T10:15:00.000000Z", "2026-03-04T10:15:00.000000Z",
    Basis(pieces=3, occasions=2, first_at="2026-01-10T10:00:00Z", last_at="2026-03-05T02:00:00Z", digest="d1",
          evidence_ids=("51c3a6de-3fd4-5d6e-8c32-6f6f6c1f8a01",)),
    ("classroom", "5f1c09ab77d2"), "The rule of the policy is met.", "",
)  # fmt: skip
LEVEL = SHOWN._replace(
    id="3f6f3f5c-41d2-5d3c-9f3e-3a2c9f5d0b12",
    kind="level.advanced",
    scope="maths#Mathematics/3",
    code="3",
    basis=Basis(),
    policy=None,
)
PLACE = Place("https://records.example.org/v1/credentials/status/demo/ab/0", 5)
TARGET = Target("Mathematics", "6b9f2a3e-0d6c-11e8-ba89-0ed5f89f718b")


def a_badge(one: Achieved = SHOWN, target: Target = TARGET) -> dict[str, Any]:
    return badge(ISSUER, HOLDER, one, target, PLACE, AT, "2031-03-05T00:00:00Z", "UTC")


def a_record() -> dict[str, Any]:
    badges = [signed(a_badge(one), KEY, method_of(ISSUER.id, KEY), AT) for one in (SHOWN, LEVEL)]
    place = Place(PLACE.url, 6)
    return learner_record(ISSUER, HOLDER, "7a0c1b52-1f0b-5d7e-8a55-0c8f3b6d2a11", badges, place, AT, None, whole=True)


def places_in(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key or index) below a document, but not inside its contexts and proofs."""
    for name, value in document.items() if isinstance(document, dict) else enumerate(document):
        if name not in ("@context", "proof"):
            yield document, name
            if isinstance(value, dict | list):
                yield from places_in(value)


def changed(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case str() if value.startswith("20"):
            return "2001-01-01T00:00:00Z"
        case str():
            return f"{value}0"
        case _:
            return 77


@pytest.mark.parametrize(
    "make", [a_badge, a_record, lambda: status_credential(ISSUER, PLACE.url, encoded([5]), AT, 300)]
)
def test_every_member_is_under_the_signature(make: Any) -> None:
    """Whatever is altered or renamed is seen, or would not have been signed at all."""
    document = make()
    as_signed, tried = canonical(document), 0
    for number in range(len(list(places_in(document)))):
        for act in ("alter", "rename"):
            other = copy.deepcopy(document)
            container, name = list(places_in(other))[number]
            value = container[name]
            if act == "alter":
                if isinstance(value, dict | list):
                    continue
                container[name] = changed(value)
            elif isinstance(name, str):
                container[f"{name}Forged"] = container.pop(name)
            else:
                continue
            tried += 1
            try:
                assert canonical(other) != as_signed, (act, name, value)
            except UndefinedTerm:
                continue
    assert tried > 15


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ({"masteryPolicyHash": "5f1c"}, "masteryPolicyHash"),
        ({"type": ["VerifiableCredential", "OpenBadgeCredential", "Forged"]}, "Forged"),
        ({"id": "no-iri"}, "no-iri"),
        ({"@context": ["https://www.w3.org/ns/credentials/v2", "https://elsewhere.example/context"]}, "elsewhere"),
        ({"credentialSubject": a_badge()["credentialSubject"] | {"grade": "A"}}, "grade"),
    ],
)
def test_what_no_context_defines_is_not_signed(member: dict[str, Any], said: str) -> None:
    with pytest.raises((UndefinedTerm, Exception), match=said):
        signed(a_badge() | member, KEY, method_of(ISSUER.id, KEY), AT)


def test_a_record_says_what_was_shown_and_on_what() -> None:
    document = a_badge()
    achievement = document["credentialSubject"]["achievement"]

    assert achievement["alignment"][0]["targetUrl"] == f"urn:uuid:{TARGET.identifier}"
    assert achievement["alignment"][0]["targetType"] == "CFItem"
    assert "5f1c09ab77d2" in achievement["criteria"]["narrative"]
    assert document["evidence"][0]["id"] == f"urn:uuid:{SHOWN.basis.evidence_ids[0]}"
    assert document["awardedDate"] == "2026-03-04T10:15:00Z"
    without = a_badge(target=Target("Mathematics", None))["credentialSubject"]["achievement"]["alignment"][0]
    assert "targetType" not in without
    assert without["targetUrl"] == "urn:attain:scope:maths:3.NF.1"


def test_records_and_badges_are_valid_by_the_published_schemas() -> None:
    for document, name in (
        (a_badge(), "openbadges_schemas/ob_v3p0_achievementcredential_schema.json"),
        (a_badge(LEVEL), "openbadges_schemas/ob_v3p0_achievementcredential_schema.json"),
        (a_record(), "clr_schemas/clr_v2p0_clrcredential_schema.json"),
    ):
        schema = json.loads(shared_file(SCHEMAS + name).read_text())
        whole = signed(document, KEY, method_of(ISSUER.id, KEY), AT)
        jsonschema_rs.Draft201909Validator(schema).validate(whole)
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.Draft201909Validator(schema).validate(
                {k: v for k, v in whole.items() if k != "credentialSubject"}
            )


def test_the_contexts_are_the_published_ones() -> None:
    from services.reporting.handlers.signing import _CONTEXTS, _context

    files = {
        "v2": "credentials-v2.jsonld",
        "context-2.0.1.json": "clr-v2p0-2.0.1.json",
        "context-3.0.3.json": "ob-v3p0-3.0.3.json",
    }
    for url in _CONTEXTS:
        published = shared_file(f"{SCHEMAS}contexts/{files[url.rpartition('/')[2]]}")
        assert _context(url) == json.loads(published.read_text())


def test_a_list_has_its_bits_from_the_left() -> None:
    text = encoded([0, 9, ENTRIES - 1])
    bits = gzip.decompress(base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4)))

    assert text[0] == "u"
    assert len(bits) == ENTRIES / 8
    assert (bits[0], bits[1], bits[-1], sum(bits)) == (0x80, 0x40, 0x01, 0x80 + 0x40 + 0x01)
    assert encoded([]) == encoded([])


def test_base58_is_that_of_bitcoin() -> None:
    """Source: test vectors of draft-msporny-base58."""
    assert base58(b"Hello World!") == "2NEpo7TZRRrLZSi2U"
    assert base58(bytes.fromhex("0000287fb4cd")) == "11233QC4"


@pytest.mark.parametrize(("language", "title"), [("en", "Learner transcript"), ("es", "Expediente de aprendizaje")])
def test_a_transcript_is_printed_in_the_readers_language(
    monkeypatch: pytest.MonkeyPatch, language: str, title: str
) -> None:
    """With Latin letters alone its text can be read in the file; the other letters of a name lose their marks."""
    monkeypatch.setattr(web, "FONTS", ())
    holder = HOLDER._replace(name="Zoë Ňovák 李")
    many = [SHOWN._replace(scope=f"maths:{n}", code=f"code-{n}") for n in range(80)]
    content = web.pdf(Transcript("River Valley", holder, [*many, LEVEL], AT), Words(language), None)
    text = b"".join(map(zlib.decompress, re.findall(rb"stream\n(.*?)\nendstream", content, re.DOTALL))).decode(
        "latin-1"
    )

    assert content.startswith(b"%PDF-")
    for part in (title, "Zoë Novák ?", "River Valley", "code-0 ", "code-79 ", Words(language).level("3")):
        assert part in text, part
    assert content.count(b"/Type /Page\n") > 2


def test_who_hears_a_transcript_is_told_its_headings_and_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is a part of the tree or decoration, in the order in which it is read, over the ends of pages."""
    monkeypatch.setattr(web, "FONTS", ())
    many = [SHOWN._replace(scope=f"maths:{n}", code=f"code-{n}") for n in range(80)]
    stated = [Statement("r", "m:a", "A title", AT, "guardian", "She did it alone. " * 500)]
    content = web.pdf(Transcript("River Valley", HOLDER, [*many, LEVEL], AT, stated), Words("es"), None)
    objects = {
        int(id): body.decode("latin-1")
        for id, body in re.findall(rb"\n(\d+) 0 obj\n<<(.*?)>>\nendobj", content, re.DOTALL)
    }
    elements = {id: body for id, body in objects.items() if "/Type /StructElem" in body}
    kind = {id: re.findall(r"/S /(\w+)", body)[0] for id, body in elements.items()}

    def children(id: int) -> list[int]:
        [within] = re.findall(r"/K \[(.*?)\]", elements[id], re.DOTALL)
        return [int(child) for child in re.findall(r"(\d+) 0 R", within)]

    [document] = [id for id, name in kind.items() if name == "Document"]
    parts = children(document)
    [levels, mathematics] = [id for id in parts if kind[id] == "Table"]
    marked = sorted(number for body in elements.values() for number in re.findall(r"/K \[(\d+)\]", body))
    pages = [zlib.decompress(body) for body in re.findall(rb"stream\n(.*?)\nendstream", content, re.DOTALL)]
    numbers = [[int(n) for n in re.findall(rb"/MCID (\d+)", page)] for page in pages]

    assert "/Lang (es)" in content.decode("latin-1")
    assert [kind[id] for id in parts][:8] == ["H1", "P", "P", "P", "P", "P", "H2", "Table"]
    assert [kind[id] for id in parts].count("H2") == 3
    assert (len(children(levels)), len(children(mathematics))) == (2, 81)
    assert [[kind[cell] for cell in children(row)] for row in children(mathematics)] == [["TH"] * 3, *[["TD"] * 3] * 80]
    assert all(page.count(b" BDC") + page.count(b" BMC") == page.count(b"EMC") for page in pages)
    assert numbers == [list(range(len(each))) for each in numbers]
    assert sorted(str(n) for each in numbers for n in each) == marked


@pytest.mark.parametrize("title", ["W" * 2000, "line\n" * 400])
def test_a_transcript_is_printed_whatever_a_standard_says(title: str) -> None:
    """A framework may say 2,000 characters, among them ends of lines: a row of them is higher than a page."""
    found = [SHOWN._replace(title=title, subject="W" * 200, code="W" * 200), LEVEL._replace(subject=title)]

    assert web.pdf(Transcript("School", HOLDER, found, AT), Words("en"), None).startswith(b"%PDF-")


def events(*kinds: str, scope: str = "m:a") -> list[Event]:
    data = json.dumps({"scope": {"framework": "m", "code": "a", "title": "A"}}).encode()
    return [Event("ada", scope, f"{number}", kind, f"2026-03-0{number}", data) for number, kind in enumerate(kinds, 1)]


@pytest.mark.parametrize(
    ("kinds", "stands"),
    [
        (["mastered"], ["1"]),
        (["credited", "mastered"], ["1", "2"]),
        (["mastered", "withdrawn"], []),
        (["mastered", "withdrawn", "reinstated"], ["1"]),
        (["mastered", "withdrawn", "mastered"], ["3"]),
        (["mastered", "withdrawn", "mastered", "withdrawn", "reinstated"], ["3"]),
        (["mastered", "withdrawn", "reinstated", "withdrawn"], []),
        (["reinstated"], []),
    ],
)
def test_what_stands_after_withdrawals(kinds: list[str], stands: list[str]) -> None:
    told = events(*(f"competency.{kind}" for kind in kinds))
    held = standing(told).get(("ada", "m:a"), [])

    assert [event.id for event in held] == stands
    assert [one.id for one in achieved(told, {})] == stands[-1:]


@pytest.mark.parametrize(
    ("kinds", "stands"),
    [
        (["mastered", "withdrawn", "credited", "reinstated of 1"], ["3", "1"]),
        (["mastered", "withdrawn", "credited", "withdrawn", "reinstated of 1"], ["1"]),
        (["mastered", "withdrawn", "credited", "withdrawn", "reinstated of 3", "reinstated of 1"], ["3", "1"]),
        (["credited", "mastered", "withdrawn", "reinstated of 1"], ["1"]),
        (["mastered", "withdrawn", "reinstated of 1", "withdrawn", "reinstated of 3"], ["1"]),
    ],
)
def test_a_reinstatement_gives_back_what_it_names(kinds: list[str], stands: list[str]) -> None:
    """What was credited in the meantime hides nothing that was shown."""
    told = [
        event._replace(kind=event.kind.partition(" ")[0], data=_naming(event.data, event.kind.rpartition(" ")[2]))
        for event in events(*(f"competency.{kind}" for kind in kinds))
    ]
    held = standing(told).get(("ada", "m:a"), [])

    assert [event.id for event in held] == stands
    assert [one.id for one in achieved(told, {})] == stands[-1:]


def test_an_achievement_has_the_date_that_the_record_has_by_now_and_says_when_it_was_decided() -> None:
    """Late evidence dates it anew, of which no event tells; its words are of what the event tells, in local days."""
    told = [*events("competency.mastered"), *events("competency.credited", scope="m:b")]
    found = achieved(told, {"m:a": "2025-11-03T09:00:00.000000Z", "m:b": None})
    by_hand = found[0]._replace(basis=Basis("sign_off"), told_for="2026-03-05T02:00:00.000000Z")
    badges = [badge(ISSUER, HOLDER, one, TARGET, PLACE, AT, None, "America/Los_Angeles") for one in (by_hand, SHOWN)]

    assert [(one.scope, one.shown_at, one.told_for) for one in found] == [
        ("m:a", "2025-11-03T09:00:00.000000Z", "2026-03-01"), ("m:b", "2026-03-01", "2026-03-01"),
    ]  # fmt: skip
    assert [each["awardedDate"] for each in badges] == ["2025-11-03T09:00:00Z", "2026-03-04T10:15:00Z"]
    assert [each["evidence"][0]["narrative"] for each in badges] == [
        "Decided on 2026-03-04: sign off.", "One of 3 pieces on 2 occasions from 2026-01-10 to 2026-03-04; digest d1.",
    ]  # fmt: skip


def _naming(data: bytes, original: str) -> bytes:
    return json.dumps(json.loads(data) | ({"original": original} if original.isdigit() else {})).encode()
