"""
Signing credentials: `eddsa-rdfc-2022` over contexts that lie on this machine, and keys from files.

What is signed is the RDF that a document expands to. A processor passes over what the contexts do not define, so it would be
told and not signed: such a document is refused.

Source: W3C Data Integrity EdDSA Cryptosuites v1.0, section 3.2.
"""

import functools
import hashlib
import importlib.resources
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.reporting.domain.credentials import BADGE_CONTEXT, CLR_CONTEXT, VC_CONTEXT, Document
from shared.errors import Refused

SUITE = "eddsa-rdfc-2022"
_PACKAGE = "openbadgeslib"
_CONTEXTS = {
    VC_CONTEXT: ("credentials-v2.json", "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734"),
    CLR_CONTEXT: ("clr_context_2.0.1.json", "880f1902d4158f2f33ce06af41b90719977cd1ea337a9de2e41edb3ff5e543d6"),
    BADGE_CONTEXT: ("ob-v3p0-context-3.0.3.json", "3d34f4d4ef1bce691106e63798beb5e7b862ba841423f5ee1e53ab7ddf3bca84"),
}
"""The contexts by URL: the file of the package that ships them, and the SHA-256 of the published document."""
_ED25519_PUBLIC = b"\xed\x01"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)
_BASE = "https://relative.invalid/"
"""What a relative IRI is resolved against, so that it is seen."""


class UndefinedTerm(ValueError):
    """A member, type or id of a document that its contexts do not define: a signature would not cover it."""


class Key(NamedTuple):
    """A key, and its public half in multibase; the private one is never shown."""

    private: Ed25519PrivateKey
    public: str

    def __repr__(self) -> str:
        return f"Key({self.public})"


def keys_of(folder: Path | None, tenant: str) -> list[Key]:
    """
    Return the keys of a tenant: of `<tenant>.pem` in the folder, else of `issuer.pem`. The first signs; the others are of
    earlier times.

    Raises:
        Refused: there is no folder or file, or it holds no Ed25519 keys.
    """
    if folder is None:
        raise Refused("records are not signed here: the setting credential_keys names no folder")
    file = next((file for name in (tenant, "issuer") if (file := folder / f"{name}.pem").is_file()), None)
    if file is None:
        raise Refused("records are not signed here: there is no key of this tenant, nor issuer.pem")
    keys = []
    for block in _PEM.findall(file.read_bytes()):
        try:
            private = load_pem_private_key(block, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # What the library says might quote the file.
            raise Refused(f"{file.name} holds a key that cannot be read") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise Refused(f"{file.name} holds a key that is not Ed25519")
        keys.append(Key(private, "z" + base58(_ED25519_PUBLIC + private.public_key().public_bytes_raw())))
    if not keys:
        raise Refused(f"{file.name} holds no key")
    return keys


def did_key(key: Key) -> str:
    """Return the did:key of a key, which says the key itself."""
    return f"did:key:{key.public}"


def method_of(issuer: str, key: Key) -> str:
    """Return the id of the verification method of a key of an issuer."""
    return f"{issuer}#{key.public}"


def signed(document: Document, key: Key, method: str, created: str) -> Document:
    """
    Return a document with its proof.

    Raises:
        UndefinedTerm: a signature would not cover all of it.
    """
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "created": created,
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }
    hashed = b"".join(_digest(each) for each in ({"@context": document["@context"], **options}, document))
    return document | {"proof": options | {"proofValue": "z" + base58(key.private.sign(hashed))}}


def canonical(document: Document) -> str:
    """
    Return the canonical N-Quads of a document.

    Raises:
        UndefinedTerm: they would not say all that the document does.
    """
    # 10 MB that a service which signs nothing is spared.
    from pyld import jsonld

    options = {"documentLoader": _load, "base": _BASE, "processingMode": "json-ld-1.1"}
    expanded = jsonld.JsonLdProcessor(on_property_dropped=_refuse).expand(document, options)
    for kind, iri in _named(expanded):
        if iri.startswith(_BASE) or ":" not in iri:
            raise UndefinedTerm(f"{kind} {iri.removeprefix(_BASE)[:100]!r} is no absolute IRI")
    quads: str = jsonld.normalize(expanded, options | {"algorithm": "URDNA2015", "format": "application/n-quads"})
    return quads


def base58(data: bytes) -> str:
    """Return bytes in base58btc."""
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def _digest(document: Document) -> bytes:
    return hashlib.sha256(canonical(document).encode()).digest()


def _refuse(term: object) -> NoReturn:
    raise UndefinedTerm(f"the contexts do not define {str(term)[:100]!r}")


def _named(expanded: Any) -> Iterator[tuple[str, str]]:
    """Yield every id and type of an expanded document."""
    if isinstance(expanded, list):
        for each in expanded:
            yield from _named(each)
    elif isinstance(expanded, dict):
        if "@value" in expanded:
            return
        for name, value in expanded.items():
            if name in ("@id", "@type"):
                yield from ((name[1:], str(iri)) for iri in (value if isinstance(value, list) else [value]))
            else:
                yield from _named(value)


def _load(url: str, _: object) -> dict[str, Any]:
    """Return a context that lies on this machine; nothing is fetched."""
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": _context(url)}


@functools.cache
def _context(url: str) -> Any:
    if url not in _CONTEXTS:
        raise UndefinedTerm(f"the context {url[:200]!r} is none of those that lie here")
    name, sha256 = _CONTEXTS[url]
    content = importlib.resources.files(_PACKAGE).joinpath("ob3", "contexts", name).read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RuntimeError(f"{name} of {_PACKAGE} is not the document published as {url}")
    return json.loads(content)
