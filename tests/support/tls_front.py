"""TLS before a PostgreSQL server that has none: the handshake is the protocol's, the server behind is the real one."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@contextlib.asynccontextmanager
async def tls_front(url: str, certificate: Path) -> AsyncIterator[str]:
    """Yield the URL of a server by TLS, which shows a certificate (PEM with its key) and refuses who does not ask for TLS."""
    parts = urlsplit(url)
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(8) == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(secured)
                there = await asyncio.open_connection(parts.hostname, parts.port)
                await asyncio.gather(_pass_on(reader, there[1]), _pass_on(there[0], writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while sent := await reader.read(65536):
            writer.write(sent)
            await writer.drain()
    writer.close()
