"""
Attachments of xAPI requests: the parts of a multipart/mixed body held against what the statements say of them.

The contents are checked and not kept. A signature (JWS, RS256/384/512) must sign the very statement that it is attached
to; where it carries its certificate the signature itself is verified. Source: xAPI 1.0.3 Part Two 2.6, Part Three 1.5.2.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from email.message import Message
from typing import Any, NamedTuple

import jwt
from cryptography.x509 import load_der_x509_certificate
from msgspec import UNSET

from services.evidence.formats import batches
from services.evidence.formats.xapi import fingerprint
from services.evidence.formats.xapi_statement import SIGNATURE, Version, read_statement
from services.evidence.formats.xapi_types import Attachment, Statement
from shared.errors import InvalidEvent

PARTS_MAX = 1000
HEADER_BYTES_MAX = 8192
_ALGORITHMS = ["RS256", "RS384", "RS512"]
_DIGESTS = {56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


class Part(NamedTuple):
    """One part of a multipart body: its headers by lower-case name, and its content."""

    headers: Mapping[str, str]
    content: bytes


def split_parts(body: bytes, content_type: str) -> list[Part]:
    """
    Return the parts of a multipart/mixed body.

    Raises:
        InvalidEvent: no boundary, a part without headers or end, or too many parts.
    """
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or _BOUNDARY.fullmatch(boundary) is None:
        raise _fault("multipart_boundary", "multipart/mixed needs a boundary")
    line = b"--" + boundary.encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + line)
    if len(pieces) - 2 > PARTS_MAX:
        raise _fault("too_large", f"over {PARTS_MAX} parts")
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise _fault("multipart_end", "the multipart body does not end with its boundary")
    return [_part(piece, place) for place, piece in enumerate(pieces[1:-1])]


def _part(piece: bytes, place: int) -> Part:
    _, begin, rest = piece.partition(b"\r\n")
    head, end, content = rest.partition(b"\r\n\r\n")
    if rest.startswith(b"\r\n"):
        head, end, content = b"", b"\r\n\r\n", rest[2:]
    if not begin or not end or len(head) > HEADER_BYTES_MAX:
        raise _fault("multipart_header", f"part {place} has no end of its headers")
    headers = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Part(headers, content)


def check_parts(statements: Sequence[Statement], parts: Sequence[Part], version: Version) -> None:
    """
    Hold the contents against the attachments of the statements; without parts, each attachment needs a `fileUrl`.

    Raises:
        InvalidEvent: a part is not named, its hash or length is another, one is missing, or a signature is not of it.
    """
    contents: dict[str, bytes] = {}
    for place, part in enumerate(parts):
        if part.headers.get("content-transfer-encoding") != "binary":
            raise _fault("attachment_encoding", f"part {place + 1} needs Content-Transfer-Encoding: binary")
        sha2 = part.headers.get("x-experience-api-hash", "").lower()
        algorithm = _DIGESTS.get(len(sha2))
        if algorithm is None:
            raise _fault("attachment_hash", f"part {place + 1} needs X-Experience-API-Hash, a SHA-2 in hex")
        if hashlib.new(algorithm, part.content).hexdigest() != sha2:
            raise _fault("attachment_hash", f"part {place + 1} does not have the hash that it names")
        contents[sha2] = part.content
    named: set[str] = set()
    for index, statement in enumerate(statements):
        for at, attachment, owner in _attachments(statement, f"/{index}"):
            sha2 = attachment.sha2.lower()
            named.add(sha2)
            content = contents.get(sha2)
            if content is None:
                if attachment.fileUrl is UNSET:
                    raise _fault("attachment_missing", "neither its content nor a fileUrl is there", at)
            elif len(content) != attachment.length:
                raise _fault("attachment_length", f"the content has {len(content)} bytes", f"{at}/length")
            elif attachment.usageType == SIGNATURE:
                _check_signature(content, attachment, owner, version, at)
    surplus = contents.keys() - named
    if surplus:
        raise _fault("attachment_unnamed", f"no statement names the content with hash {min(surplus)}")


def _attachments(statement: Statement, at: str) -> list[tuple[str, Attachment, Statement]]:
    found = [(f"{at}/attachments/{n}", one, statement) for n, one in enumerate(statement.attachments or ())]
    inner = statement.object.attachments or ()
    return found + [(f"{at}/object/attachments/{n}", one, statement) for n, one in enumerate(inner)]


def _check_signature(content: bytes, attachment: Attachment, owner: Statement, version: Version, at: str) -> None:
    if attachment.contentType != "application/octet-stream":
        raise _fault("signature", "a signature is application/octet-stream", f"{at}/contentType")
    try:
        header = jwt.get_unverified_header(content)
        if header.get("alg") not in _ALGORITHMS:
            raise _fault("signature", f"signed with {str(header.get('alg'))[:20]}, not RS256, RS384 or RS512", at)
        payload: bytes = _verified(content, header)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise _fault("signature", f"is not a valid JWS: {error}"[:300], at) from error
    try:
        signed = read_statement(payload, version)
    except InvalidEvent as error:
        raise _fault("signature", f"does not sign a statement: {error.detail}", at) from error
    if fingerprint(signed) != fingerprint(owner):
        raise _fault("signature", "signs another statement than it is attached to", at)


def _verified(content: bytes, header: Mapping[str, Any]) -> bytes:
    """Return the payload of a JWS, verified by the first certificate that it carries, if any."""
    chain = header.get("x5c")
    key: Any = ""
    if chain:
        key = load_der_x509_certificate(base64.b64decode(chain[0], validate=True)).public_key()
    options = {"verify_signature": bool(chain)}
    return jwt.PyJWS(algorithms=_ALGORITHMS).decode(content, key, algorithms=_ALGORITHMS, options=options)  # type: ignore[no-any-return, arg-type]


def _fault(reason: str, detail: str, pointer: str = "") -> InvalidEvent:
    return InvalidEvent(detail, reason=reason, pointer=pointer)


def split_statements(body: bytes, items_max: int) -> tuple[list[bytes], bool]:
    """
    Return the statements of a JSON body, undecoded, and whether it is an array.

    Raises:
        TooLarge: there are more than `items_max`.
        InvalidEvent: the body is not JSON.
    """
    if body.lstrip()[:1] != b"[":
        return [body], False
    return batches.elements(body, items_max), True
