"""Commands that ask a server show their key to that one, whatever it answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from app.commands.remote import Remote, RemoteFailed
from tests.programs import HOST

Asked = list[tuple[str, str | None]]


@contextmanager
def web(points_to: str = "", status: int = 302) -> Iterator[tuple[int, Asked]]:
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
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


def test_what_is_no_sluice_server_is_named_as_that() -> None:
    with web() as (port, _), pytest.raises(RemoteFailed, match="what answers is no Sluice server"):
        Remote(f"http://{HOST}:{port}", None).get("/v1/models")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_commands_show_their_key_to_the_server_that_was_named_alone(status: int) -> None:
    with web() as (elsewhere, told), web(f"http://localhost:{elsewhere}", status) as (port, asked):
        remote = Remote(f"http://{HOST}:{port}", "the-key")
        for ask in (lambda: remote.get("/get"), lambda: remote.post("/post"), lambda: remote.put("/put", {})):
            with pytest.raises(RemoteFailed, match=f"points to 'http://localhost:{elsewhere}/"):
                ask()
    assert asked == [("/get", "the-key"), ("/post", "the-key"), ("/put", "the-key")]
    assert told == []
