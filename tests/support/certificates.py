"""Certificates of servers and clients on 127.0.0.1, and the authority that signs them."""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


def write_certificates(folder: Path, names: Sequence[str]) -> None:
    """Make a folder with an authority `ca.pem`, and for each name a certificate with its key; all are for 127.0.0.1."""
    folder.mkdir()
    folder.chmod(0o755)
    key, authority = _certificate("Attain test authority", None)
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for name in names:
        own_key, certificate = _certificate(name, (key, authority))
        secret = own_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{name}.pem").write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))


def certificate_pem(name: str, *, days: int) -> bytes:
    """Return a certificate that signs itself and ends in so many days."""
    return _certificate(name, None, days)[1].public_bytes(serialization.Encoding.PEM)


def _certificate(
    name: str, signer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None, days: int = 30
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    issuer_key, issuer = (key, subject) if signer is None else (signer[0], signer[1].subject)
    signs = signer is None
    built = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + days * _DAY)
        .add_extension(x509.BasicConstraints(ca=signs, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        # Python trusts none without these from 3.13 on.
        .add_extension(x509.KeyUsage(
            digital_signature=True, key_cert_sign=signs, crl_sign=signs, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )  # fmt: skip
    return key, built.sign(issuer_key, hashes.SHA256())
