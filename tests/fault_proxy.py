"""A TCP proxy that misbehaves on request: slow, silent, cut, and well again."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Self

from tests.programs import HOST

_CHUNK = 65_536
_TICK = 0.05


class FaultProxy:
    """Listens on a port of its own and passes bytes on to ``target``, both ways, as the current fault has it.

    ``delay`` holds each piece back, ``drop`` swallows it (connections stay open, nothing arrives), ``cut`` resets every
    connection and each new one. ``heal`` ends any of them, and resets the connections that have lost bytes.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._delay = 0.0
        self._dropping = False
        self._cutting = False
        self._stopped = False
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0), backlog=256)
        self._listener.settimeout(_TICK)
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._threads: list[threading.Thread] = []

    def start(self) -> Self:
        """Begin to accept."""
        self._spawn(self._accept)
        return self

    def delay(self, seconds: float) -> None:
        """Hold each piece of data back that long, in both directions."""
        self._delay = seconds

    def drop(self) -> None:
        """Swallow everything from now on."""
        self._dropping = True

    def cut(self) -> None:
        """Reset all connections, and new ones as they come."""
        self._cutting = True
        self._reset_all()

    def heal(self) -> None:
        """Behave."""
        lost = self._dropping
        self._delay, self._dropping, self._cutting = 0.0, False, False
        if lost:
            self._reset_all()

    def stop(self) -> None:
        """Close everything and wait for the threads."""
        self._stopped = True
        self._reset_all()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive(), "a thread of the proxy does not end"
        self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self, work: Callable[..., None], *args: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads = [item for item in self._threads if item.is_alive()] + [thread]
        thread.start()
        return thread

    def _accept(self) -> None:
        while not self._stopped:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.accepted += 1
            self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        if self._cutting:
            _reset(client)
            return
        try:
            upstream = socket.create_connection((HOST, self._target), timeout=5)
            upstream.settimeout(None)
            client.settimeout(None)
        except OSError:
            _reset(client)
            return
        with self._lock:
            self._sockets |= {client, upstream}
        self._spawn(self._carry, client, upstream)

    def _carry(self, client: socket.socket, upstream: socket.socket) -> None:
        back = self._spawn(self._pass_on, upstream, client)
        self._pass_on(client, upstream)
        back.join()
        with self._lock:
            self._sockets -= {client, upstream}
        client.close()
        upstream.close()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(_CHUNK):
                if self._delay:
                    time.sleep(self._delay)
                if not self._dropping:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source, sink)

    def _reset_all(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        _reset(*sockets)


def _reset(*connections: socket.socket) -> None:
    """Close with RST; a thread that is reading from one wakes up."""
    for connection in connections:
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()
