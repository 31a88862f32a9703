"""Where requests to the world outside may go: to addresses of the open internet, which are checked and kept to."""

import asyncio
import ipaddress
import socket
from concurrent.futures import Executor
from urllib.parse import urlsplit

import httpx

PORTS = {"https": 443, "http": 80}
OPEN = ipaddress.ip_network("2000::/3")
"""What IPv6 has given to the open internet; elsewhere lie sites' own addresses, and such as stand for private IPv4 ones."""


async def address_of(url: str, lookups: Executor | None, *, private: bool) -> str:
    """
    Return an address of a URL's host, looked up in a thread of `lookups`, of the loop's own where it is None.

    Raises:
        OSError: it has none, or any that is private where `private` does not let it.
    """
    parts = urlsplit(url)
    port = parts.port or PORTS[parts.scheme]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.run_in_executor(
            lookups, socket.getaddrinfo, parts.hostname, port, socket.AF_UNSPEC, socket.SOCK_STREAM
        )
    except OSError as error:
        raise OSError("its name does not resolve") from error
    addresses = [str(each[4][0]) for each in found]
    if not private and not all(map(is_public, addresses)):
        raise OSError("it leads to a private address")
    return addresses[0]


def request_to(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    address: str,
    headers: dict[str, str],
    content: bytes | None = None,
) -> httpx.Request:
    """Return a request to the address that was checked, so that the name cannot turn to another in between."""
    to = httpx.URL(url)
    return client.build_request(
        method, to.copy_with(host=address), content=content, headers={"Host": to.netloc.decode()} | headers,
        extensions={"sni_hostname": to.host},
    )  # fmt: skip


def is_public(address: str) -> bool:
    """Tell whether an address is one of the open internet, however it is written."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if embedded is not None:
            return is_public(str(embedded))
        if ip not in OPEN:
            return False
    return ip.is_global and not ip.is_multicast
