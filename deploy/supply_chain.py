"""
What an installation consists of: a bill of materials of the locked packages, and their known vulnerabilities.

`python -m deploy.supply_chain sbom FILE` writes CycloneDX 1.6; `... audit` asks the OSV database and fails where a package has
an advisory, and as loudly where it gets no answer for any of them.
"""

import argparse
import importlib.metadata
import json
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx

LOCK = Path(__file__).parent / "requirements.lock"
OSV_URL = "https://api.osv.dev"
QUERIES_MAX = 1000
"""What OSV takes in one request."""
TIMEOUT_S = 30
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Package(NamedTuple):
    """A locked package, and the digests of the files that may be installed as it."""

    name: str
    version: str
    sha256: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its package URL (github.com/package-url/purl-spec, type pypi)."""
        return f"pkg:pypi/{self.name.lower().replace('_', '-')}@{self.version}"


class NoAdvisories(Exception):
    """The database of advisories did not answer: nothing is known, which is no good news."""


def locked(text: str) -> list[Package]:
    """Return the packages of a hashed requirements file, in its order."""
    found: list[tuple[str, str, list[str]]] = []
    for line in text.splitlines():
        pinned = _PINNED.match(line)
        if pinned is not None:
            found.append((pinned[1], pinned[2], []))
        if found:
            found[-1][2].extend(_HASH.findall(line))
    return [Package(name, version, tuple(hashes)) for name, version, hashes in found]


def bill_of_materials(packages: Sequence[Package], version: str) -> dict[str, Any]:
    """Return a CycloneDX 1.6 document; the same packages give the same document (ECMA-424)."""
    components = [_component(package) for package in sorted(packages)]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([version, components]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "attain", "version": version, "bom-ref": "attain"}},
        "components": components,
        "dependencies": [{"ref": "attain", "dependsOn": [package.purl for package in sorted(packages)]}],
    }


def advisories(packages: Sequence[Package], url: str = OSV_URL) -> dict[Package, list[str]]:
    """
    Return the ids of the advisories of each package that has any.

    Raises:
        NoAdvisories: the database does not answer for every one of them.
    """
    found: dict[Package, list[str]] = {}
    for start in range(0, len(packages), QUERIES_MAX):
        page = packages[start : start + QUERIES_MAX]
        for package, result in zip(page, _asked(page, url), strict=True):
            ids = [str(one["id"]) for one in result.get("vulns") or ()]
            if ids:
                found[package] = ids
    return found


def _asked(packages: Sequence[Package], url: str) -> list[Mapping[str, Any]]:
    queries = [{"package": {"purl": package.purl}} for package in packages]
    try:
        answer = httpx.post(f"{url}/v1/querybatch", json={"queries": queries}, timeout=TIMEOUT_S)
        answer.raise_for_status()
        results: list[Mapping[str, Any]] = answer.json()["results"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise NoAdvisories(f"{url} gave no advisories ({type(error).__name__}): nothing was checked") from error
    if len(results) != len(packages) or any("next_page_token" in result for result in results):
        raise NoAdvisories(f"{url} answered for {len(results)} of {len(packages)} packages, or for some in part")
    return results


def _component(package: Package) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library", "bom-ref": package.purl, "name": package.name, "version": package.version,
        "purl": package.purl,
    }  # fmt: skip
    license_ = _license(package.name)
    if license_:
        component["licenses"] = [{"license": {"name": license_}}]
    if package.sha256:
        component["externalReferences"] = [{
            "type": "distribution", "url": package.purl,
            "hashes": [{"alg": "SHA-256", "content": digest} for digest in package.sha256],
        }]  # fmt: skip
    return component


def _license(name: str) -> str:
    """Return what the installed package says of its license; empty where it is not installed or says nothing short."""
    try:
        said = importlib.metadata.metadata(name).json
    except importlib.metadata.PackageNotFoundError:
        return ""
    text = str(said.get("license_expression") or said.get("license") or "")
    return text if 0 < len(text) <= 100 and "\n" not in text else ""


def main() -> int:
    """Run the command that the arguments name; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("sbom", help="write the bill of materials").add_argument("file", type=Path)
    commands.add_parser("audit", help="ask for known vulnerabilities").add_argument("--url", default=OSV_URL)
    arguments = parser.parse_args()
    packages = locked(LOCK.read_text())
    if arguments.command == "sbom":
        arguments.file.parent.mkdir(parents=True, exist_ok=True)
        document = bill_of_materials(packages, importlib.metadata.version("attain"))
        arguments.file.write_text(json.dumps(document, indent=1) + "\n")
        sys.stdout.write(f"{arguments.file}: {len(packages)} packages\n")
        return 0
    try:
        found = advisories(packages, arguments.url)
    except NoAdvisories as error:
        sys.stderr.write(f"audit: {error}\n")
        return 2
    for package, ids in found.items():
        sys.stdout.write(f"{package.name} {package.version}: {', '.join(ids)}\n")
    sys.stdout.write(f"{len(packages)} packages asked for, {len(found)} with advisories\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
