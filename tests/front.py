"""Our own nginx, rendered by our own script, in front of servers under test."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.client import Answer, exchange, message
from tests.programs import HOST, ROOT, Program, children, wait_until

GENEROUS = ("--rate", "100000", "--burst", "100000", "--connections", "10000")
"""Limits out of the way: all of a test's clients have one address."""


def run_script(*options: str) -> "subprocess.CompletedProcess[str]":
    """``scripts/render_nginx.py`` with these options."""
    command = [sys.executable, "scripts/render_nginx.py", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


class Front(Program):
    """nginx with the configuration that the script writes for ``options``, listening on a port of its own."""

    name = "nginx"

    def __init__(self, folder: Path, upstreams: Sequence[str], *options: str, tls: tuple[Path, Path] | None = None):
        super().__init__(folder)
        self._tls = tls
        secure = ["--certificate", str(tls[0]), "--key", str(tls[1])] if tls else ["--plain-http"]
        servers = [word for upstream in upstreams for word in ("--upstream", upstream)]
        self._options = [*secure, *servers, *options]

    @property
    def url(self) -> str:
        """``https://host:port`` or ``http://host:port``, no slash at the end."""
        return f"http{'s' if self._tls else ''}://{HOST}:{self.port}"

    def command(self) -> Sequence[str]:
        """In the foreground, everything it writes below its own folder."""
        config = self.folder / "nginx.conf"
        where = ["--listen", f"{HOST}:{self.port}", "--whole", "--access-log", "access.log", "--output", str(config)]
        written = run_script(*where, *self._options)
        assert written.returncode == 0, written.stderr
        return ["nginx", "-e", "stderr", "-p", str(self.folder), "-c", str(config), "-g", "daemon off;"]

    def answers(self) -> bool:
        """Nginx starts its workers once it listens, and retries for seconds where the port is taken."""
        return bool(children(self.pid))

    def send(self, raw: bytes, timeout: float = 30) -> Answer:
        """Raw bytes of one request, without TLS, on a connection of its own."""
        return exchange(HOST, self.port, raw, timeout)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None, timeout: float = 30) -> Answer:
        """POST a body: bytes as they are, anything else as JSON."""
        return self.send(message("POST", path, body, headers), timeout)

    def get(self, path: str, headers: Mapping[str, str] | None = None, timeout: float = 30) -> Answer:
        """GET on a connection of its own."""
        return self.send(message("GET", path, headers=headers), timeout)

    def rows(self) -> list[dict[str, Any]]:
        """Its access log."""
        path = self.folder / "access.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def row(self, request_id: str) -> dict[str, Any]:
        """The one line of a request; nginx writes it when the answer has left."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [row for row in self.rows() if row["request_id"] == request_id]
            return bool(found)

        wait_until(there, 5, f"a line of {request_id}")
        assert len(found) == 1, found
        return found[0]
