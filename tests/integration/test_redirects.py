"""Programs that ask a server go where they were told: no answer sends a key, or a download, to a less safe address."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from app.commands.remote import Remote, RemoteFailed
from tests.certificates import self_signed
from tests.programs import HOST, ROOT

Asked = list[tuple[str, str | None]]


@contextmanager
def web(points_to: str = "", status: int = 302, tls: tuple[Path, Path] | None = None) -> Iterator[tuple[int, Asked]]:
    """A port that answers ``["v1"]``, or a redirect; and what it was asked, with the key that was shown."""
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("X-API-Key")))
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(status if points_to else 200)
            if points_to:
                self.send_header("Location", points_to + self.path)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b'["v1"]')

        do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_commands_show_their_key_to_the_server_that_was_named_alone(status: int) -> None:
    with web() as (elsewhere, told), web(f"http://localhost:{elsewhere}", status) as (port, asked):
        remote = Remote(f"http://{HOST}:{port}", "the-key")
        for ask in (lambda: remote.get("/get"), lambda: remote.post("/post"), lambda: remote.put("/put", {})):
            with pytest.raises(RemoteFailed, match=f"points to 'http://localhost:{elsewhere}/"):
                ask()
    assert asked == [("/get", "the-key"), ("/post", "the-key"), ("/put", "the-key")]
    assert told == []


def test_models_do_not_leave_tls_on_the_way(tmp_path: Path) -> None:
    tls = self_signed(tmp_path)
    with web() as (plain, told), web(f"http://{HOST}:{plain}", tls=tls) as (port, asked):
        reason = _download(f"https://{HOST}:{port}", tls[0])
    assert asked == [("/shop/versions.json", None)]
    assert told == []
    assert f"points to 'http://{HOST}:{plain}/shop/versions.json', which is not followed" in reason


def test_models_may_move_as_long_as_it_is_as_safe(tmp_path: Path) -> None:
    with web() as (elsewhere, told), web(f"http://{HOST}:{elsewhere}") as (port, _):
        assert "it has v1" in _download(f"http://{HOST}:{port}", self_signed(tmp_path)[0])
    assert told == [("/shop/versions.json", None)]
    with web("ftp://127.0.0.1:1") as (port, _):
        assert "which is not followed" in _download(f"http://{HOST}:{port}", self_signed(tmp_path)[0])


def _download(registry: str, certificate: Path) -> str:
    """What the script complains of."""
    words = ["--model-name", "shop", "--version", "v2", "--registry", registry]
    done = subprocess.run(
        [sys.executable, "scripts/download_model.py", *words],
        cwd=ROOT,
        env=os.environ | {"SSL_CERT_FILE": str(certificate)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr
