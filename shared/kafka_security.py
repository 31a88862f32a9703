"""How clients reach Kafka: addresses, TLS and SASL from the settings, for aiokafka and for FastStream."""

import functools
import ssl
from typing import Any

from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from shared.settings import Settings

MECHANISMS = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


def client_options(settings: Settings) -> dict[str, Any]:
    """Return the arguments of an aiokafka client that say where Kafka is and how it is secured."""
    return {"bootstrap_servers": settings.kafka, **parse_security(security(settings))}


@functools.lru_cache(maxsize=4)
def security(settings: Settings) -> BaseSecurity | None:
    """
    Return FastStream's description of the connection; None where it is neither encrypted nor authenticated.

    Raises:
        OSError: a certificate or key file cannot be read (`ssl.SSLError` is one).
    """
    if settings.kafka_security == "PLAINTEXT":
        return None
    encrypted = settings.kafka_security.endswith("SSL")
    context = _tls(settings) if encrypted else None
    if not settings.kafka_security.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=encrypted)
    return MECHANISMS[settings.kafka_mechanism](
        username=settings.kafka_username,
        password=settings.kafka_password.get_secret_value(),
        ssl_context=context,
        use_ssl=encrypted,
    )


def _tls(settings: Settings) -> ssl.SSLContext:
    """Return a context that verifies the broker's name, and shows a certificate of our own where one is set."""
    context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.kafka_certificate_file is not None:
        context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file)
    return context
