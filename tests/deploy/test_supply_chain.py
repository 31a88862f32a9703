"""The bill of materials names what the image is made of; an audit without data is a failure, never good news."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.supply_chain import LOCK, Package, bill_of_materials, locked
from tests.support.producer import free_port

A, B = Package("a", "1.0", ("0" * 64,)), Package("B_c", "2", ())


def test_the_lock_is_read_whole() -> None:
    text = LOCK.read_text()
    packages = locked(text)

    assert len(packages) == sum("==" in line and not line.startswith((" ", "#")) for line in text.splitlines())
    assert all(package.sha256 for package in packages)
    assert {"asyncpg", "aiokafka", "fastapi"} <= {package.name for package in packages}


def test_a_bill_names_each_package_once_and_is_the_same_again() -> None:
    bill = bill_of_materials([B, A], "1")

    assert bill == bill_of_materials([A, B], "1")
    assert bill["serialNumber"] != bill_of_materials([A], "1")["serialNumber"]
    assert {one["purl"] for one in bill["components"]} == {"pkg:pypi/a@1.0", "pkg:pypi/b-c@2"}
    assert bill["components"][1]["externalReferences"][0]["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]


def test_the_bill_is_written(tmp_path: Path) -> None:
    file = tmp_path / "build" / "sbom.json"
    done = _run("sbom", str(file))
    bill = json.loads(file.read_text())

    assert done.returncode == 0, done.stderr
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert len(bill["components"]) == len(locked(LOCK.read_text()))


@contextlib.contextmanager
def _answering(results: list[dict[str, Any]] | None, status: int = 200) -> Iterator[str]:
    """Stand in for the database of advisories; with None each query gets an answer without any."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is the library's
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            body = json.dumps({"results": [{} for _ in asked] if results is None else results}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_audit_that_finds_nothing_passes() -> None:
    with _answering(None) as url:
        done = _run("audit", "--url", url)

    assert done.returncode == 0
    assert "0 with advisories" in done.stdout


def test_an_audit_names_what_it_finds_and_fails() -> None:
    packages = locked(LOCK.read_text())
    with _answering([{"vulns": [{"id": "GHSA-1"}]}, *({} for _ in packages[1:])]) as url:
        done = _run("audit", "--url", url)

    assert done.returncode == 1
    assert f"{packages[0].name} {packages[0].version}: GHSA-1" in done.stdout


@pytest.mark.parametrize(("results", "status"), [([], 200), (None, 503), ([{"vulns": []}], 200)])
def test_an_audit_without_data_fails(results: list[dict[str, Any]] | None, status: int) -> None:
    with _answering(results, status) as url:
        done = _run("audit", "--url", url)

    assert done.returncode == 2
    assert "audit:" in done.stderr


def test_an_audit_that_reaches_nobody_fails() -> None:
    done = _run("audit", "--url", f"http://127.0.0.1:{free_port()}")

    assert done.returncode == 2
    assert "nothing was checked" in done.stderr


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.supply_chain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
