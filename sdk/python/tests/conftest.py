"""Starts real services, over SQLite and over Postgres, and reads the mails that they send."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

OPERATOR = "an-operator-of-the-tests-0123456789"


@dataclass
class Service:
    """Is a running service."""

    url: str
    mails: Path

    def code(self, email: str) -> str:
        """Returns the newest code that was mailed to an address."""
        codes = []
        for path in sorted(self.mails.glob("*.eml")):
            text = path.read_text(errors="replace")
            code = re.search(r"^ {4}(\d{6})\s*$", text, re.M)
            if code and re.search(rf"^To: .*{re.escape(email)}", text, re.M | re.I):
                codes.append(code[1])
        return codes[-1]

    def operator(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Makes a call of the operators' API."""
        return httpx.request(method, f"{self.url}/v1/admin{path}", json=body, headers={"X-Admin-Token": OPERATOR})


def free_port() -> int:
    """Returns a port below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(11_000, 32_000)
        with socket.socket() as taken, contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port


STORES = os.environ["WHENCE_TEST_STORES"].split()


@pytest.fixture(scope="session", params=STORES, ids=lambda store: store.split(":")[0])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Runs a service for all tests over one store."""
    home = tmp_path_factory.mktemp("whence")
    store = request.param if "://" in request.param else f"sqlite:{home}/data"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        os.environ["WHENCE_PROGRAM"], "serve", "--listen", f"127.0.0.1:{port}", "--store", store,
        "--mail", f"directory:{home}/mail", "--admin-token", OPERATOR, "--starts-per-client", "0",
    ]
    # The master key of a log in Postgres comes from the environment; it is nobody's.
    environment = {**os.environ, "WHENCE_MASTER_KEY": "0123456789abcdef" * 4}
    with open(home / "log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
        try:
            for _ in range(300):
                try:
                    if httpx.get(f"{url}/readyz").is_success:
                        break
                except httpx.TransportError:
                    pass
                assert process.poll() is None, (home / "log").read_text()
                time.sleep(0.1)
            else:
                pytest.fail((home / "log").read_text())
            yield Service(url, home / "mail")
        finally:
            process.terminate()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
