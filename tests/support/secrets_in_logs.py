"""Whether anything that a stack has written to its logs holds a secret that it runs with, or one that somebody sent it."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.home import Home
from deploy.local.stack import Stack
from shared.auth import KEY_PREFIX

SHAPES = {
    "a token": re.compile(rb"eyJ[\w-]{10,}\.[\w-]{10,}"),
    "a key of a learning system": re.compile(KEY_PREFIX.encode() + rb"[0-9a-f]{16}_[0-9a-f]{16}"),
    "a private key": re.compile(rb"PRIVATE KEY-----"),
    "a URL with a password": re.compile(rb"://[^\s/@:'\"]+:[^\s/@'\"]+@"),
}
"""What is a secret by how it looks, whoever made it."""


def secrets_of(stack: Stack) -> dict[str, str]:
    """Return what the stack signs and logs in with, by name: its keys, and the passwords of its servers."""
    home = Home(stack.home)
    state = home.state()
    found = {f"password of {name}": password for name, password in (state.passwords if state else {}).items()}
    for service, url in stack.databases.items():
        found[f"database of {service}"] = urlsplit(url).password or ""
    lines = home.token_key_file.read_text().split()
    for file in home.credential_keys.glob("*.pem"):
        lines += [line for line in file.read_text().splitlines() if not line.startswith("-----")]
    found |= {f"line {number} of the keys": line for number, line in enumerate(lines)}
    return {name: secret for name, secret in found.items() if secret}


def shown_in(logs: Path, secrets: Mapping[str, str]) -> list[str]:
    """Return which secrets the files of a folder show, and where; never the secret itself."""
    known = {name: re.compile(re.escape(secret.encode())) for name, secret in secrets.items()}
    found = []
    for file in sorted(file for file in logs.rglob("*") if file.is_file()):
        for number, line in enumerate(file.read_bytes().split(b"\n"), start=1):
            found += [
                f"{name} in {file.name}:{number}" for name, secret in (known | SHAPES).items() if secret.search(line)
            ]
    return found


def shown_by(stack: Stack, more: Mapping[str, str] | None = None) -> list[str]:
    """Return which secrets of a stack, and which others, are in its logs."""
    return shown_in(Home(stack.home).logs, secrets_of(stack) | dict(more or {}))
