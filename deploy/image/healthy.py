"""Docker's HEALTHCHECK: whether the server in this container answers, at the address that it was really told.

``serve`` and ``python -m app.rpc`` listen elsewhere than ``gunicorn`` does, so the server's own environment and command
are looked at; ``python healthy.py PID`` asks that one. Ends with an error where nobody answers.
"""

import socket
import sys
from pathlib import Path

from config.settings import Settings

PATIENCE_S = 4

GRPC = b"app.rpc"
HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


def main() -> bool:
    """Whether it answers."""
    server = Path("/proc", sys.argv[1]) if len(sys.argv) > 1 else _oldest_server()
    pairs = (server / "environ").read_bytes().decode(errors="replace").split("\0")
    settings = Settings.from_env(dict(pair.split("=", 1) for pair in pairs if "=" in pair))
    if GRPC in (server / "cmdline").read_bytes().split(b"\0"):
        settings_frame = _said(settings.grpc_host, settings.grpc_port, HTTP2_GREETING)[3:4]
        return settings_frame == b"\x04"
    return _said(settings.host, settings.port, b"GET /health HTTP/1.0\r\n\r\n").split()[1:2] == [b"200"]


def _oldest_server() -> Path:
    """Raises StopIteration: there is none."""
    processes = sorted(Path("/proc").glob("[0-9]*/cmdline"), key=lambda path: int(path.parent.name))
    return next(path.parent for path in processes if _is_server(path.read_bytes()))


def _is_server(command: bytes) -> bool:
    return any(word == GRPC or word.endswith(b"gunicorn") for word in command.split(b"\0"))


def _said(host: str, port: int, greeting: bytes) -> bytes:
    """The first of what is answered to a greeting.

    Raises:
        OSError: nobody is there, or says nothing.
    """
    path = host.removeprefix("unix:")
    family = socket.AF_UNIX if path != host else socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(path if path != host else (host, port))
        connection.sendall(greeting)
        return connection.recv(1024)


if __name__ == "__main__":
    sys.exit(not main())
