"""What tests of the gate need: keys made with the real command, a real OpenID Connect issuer, many callers at once."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.client import read_answer
from tests.programs import HOST, ROOT
from tests.servers import Server

PEPPER = "pepper-of-the-tests-1234"
ROLES = ("viewer", "predictor", "operator", "admin")


@dataclass(frozen=True)
class Key:
    """A key as ``keys create --json`` shows it."""

    id: str
    key: str

    @property
    def header(self) -> dict[str, str]:
        """The header that shows it."""
        return {"X-API-Key": self.key}


def guarded(data: Path, **more: str) -> dict[str, str]:
    """The environment of a server with its gate on."""
    return {"SLUICE_AUTH": "on", "SLUICE_DATA_DIR": str(data), "SLUICE_KEY_PEPPER": PEPPER} | more


def keys(data: Path, *words: str, env: Mapping[str, str] | None = None) -> Any:
    """Run ``flask --app wsgi keys ... --json`` against the store of a server; its answer."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "keys", *words, "--json"],
        cwd=ROOT,
        env=os.environ | guarded(data) | dict(env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def make_key(data: Path, role: str, *options: str, env: Mapping[str, str] | None = None) -> Key:
    """A new key of a role."""
    made = keys(data, "create", "--name", f"test-{role}", "--role", role, *options, env=env)
    return Key(made["id"], made["key"])


def statuses(ask: Callable[[int], int], calls: int, threads: int) -> Counter[int]:
    """``ask(number)`` for every number below ``calls``, from several threads at once; how often each status came."""
    found: Counter[int] = Counter()
    guard = threading.Lock()
    numbers = iter(range(calls))

    def work() -> None:
        while True:
            with guard:
                number = next(numbers, None)
            if number is None:
                return
            status = ask(number)
            with guard:
                found[status] += 1

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert sum(found.values()) == calls
    return found


def at_once(ports: Sequence[int], raw: bytes, calls: int) -> Counter[int]:
    """The same request on so many connections, all of them open and sent before the first answer is read."""
    found: Counter[int] = Counter()
    with ExitStack() as stack:
        places = [(HOST, ports[number % len(ports)]) for number in range(calls)]
        open_ones = [stack.enter_context(socket.create_connection(place, timeout=60)) for place in places]
        for connection in open_ones:
            connection.sendall(raw)
        for connection in open_ones:
            found[read_answer(connection).status] += 1
    return found


class SteadyCalls:
    """Calls a server again and again from some threads until told to stop; remembers when which status came."""

    def __init__(self, server: Server, headers: Callable[[], Mapping[str, str]], threads: int = 12) -> None:
        self._server = server
        self._headers = headers
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]
        self.seen: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def rate(self) -> float:
        """Calls per second."""
        moments = [began for began, _ in self.seen]
        return len(moments) / (max(moments) - min(moments))

    def after(self, moment: float) -> Counter[int]:
        """Statuses of calls that began after a moment of ``time.monotonic``."""
        return Counter(status for began, status in self.seen if began >= moment)

    def _work(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            with suppress(OSError):
                self.seen.append((began, self._server.get("/v1/models", self._headers()).status))
            self._stop.wait(0.02)


@dataclass
class Issuer:
    """A real issuer over HTTP: metadata, keys that can rotate, and a switch to be away."""

    keys: list[RSAKey] = field(default_factory=lambda: [RSAKey.generate_key(2048, parameters={"kid": "first"})])
    away: bool = False
    beside: list[Any] = field(default_factory=list)
    """What else stands among its keys."""
    raw: bytes = b""
    """What it answers instead of HTTP."""
    fetches: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetches[self.path] += 1
                if issuer.raw:
                    self.wfile.write(issuer.raw)
                    return
                if issuer.away:
                    self.send_error(503)
                    return
                body = json.dumps(issuer.document(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The issuer's name, which is where its metadata lies."""
        return f"http://{HOST}:{self._server.server_port}"

    def document(self, path: str) -> Any:
        """The metadata, or the keys."""
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return {"keys": [*self.beside, *KeySet(self.keys).as_dict(private=False)["keys"]]}

    def token(
        self, header: Mapping[str, Any] | None = None, key: Any = None, drop: Sequence[str] = (), **claims: Any
    ) -> str:
        """A token that is good unless told otherwise."""
        key = key or self.keys[-1]
        now = int(time.time())
        good = {
            "iss": self.url,
            "aud": "sluice",
            "sub": "alice",
            "exp": now + 300,
            "iat": now,
            "roles": ["sluice-predictor"],
        }
        body = {name: value for name, value in (good | claims).items() if name not in drop}
        head = {"alg": "RS256", "kid": key.kid} | dict(header or {})
        return jwt.encode(head, body, key, algorithms=[head["alg"]])
