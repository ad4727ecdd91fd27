"""Load that does not wait for the server: requests leave when they are due, answered or not, as users send them."""

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.programs import HOST


@dataclass
class Tally:
    """What came back: (status, seconds, seconds since the start) of each answer; 0 for a connection that broke."""

    answers: list[tuple[int, float, float]] = field(default_factory=list)
    late: int = 0
    """Requests that could not leave in time, for want of a free connection."""
    elapsed: float = 0.0

    def seconds(self, status: int) -> list[float]:
        """How long answers of a status took, shortest first."""
        return sorted(took for code, took, _ in self.answers if code == status)

    def percentile(self, status: int, share: float) -> float:
        """Of those."""
        took = self.seconds(status)
        return took[int(share * (len(took) - 1))]

    def goodput(self, within_s: float, since_s: float = 0.0) -> float:
        """Good answers per second that came in time, from some second on."""
        good = [at for code, took, at in self.answers if code == 200 and took <= within_s and at >= since_s]
        return len(good) / (self.elapsed - since_s)


class _Line:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent = 0.0
        self.ends = False

    def receive(self) -> int | None:
        """The status of the answer once it is whole; 0 when the connection ended."""
        data = self.socket.recv(65536)
        self.buffer += data
        head, gap, body = self.buffer.partition(b"\r\n\r\n")
        if not gap:
            return None if data else 0
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < length:
            return None if data else 0
        self.buffer = b""
        self.ends = b"connection: close" in head.lower()
        return int(head.split(b" ", 2)[1])


class OpenLoop:
    """``request(number)`` are the bytes of one request; ``rate`` per second over at most ``connections``."""

    def __init__(self, port: int, request: Callable[[int], bytes], rate: float, connections: int) -> None:
        self._port = port
        self._request = request
        self._rate = rate
        self._most = connections
        self._idle: list[_Line] = []
        self._opened = 0
        self._poller = selectors.DefaultSelector()
        self._tally = Tally()
        self._number = 0

    def run(self, seconds: float) -> Tally:
        """Load for that long, and wait for the last answers, but not for ever."""
        started = time.perf_counter()
        while (now := time.perf_counter() - started) < seconds:
            while self._number < now * self._rate:
                self._send(started)
            self._collect(started, max(0.0, min(0.01, (self._number + 1) / self._rate - now)))
        self._tally.elapsed = seconds
        until = time.perf_counter() + 10
        while self._poller.get_map() and time.perf_counter() < until:
            self._collect(started, 0.05)
        for line in self._idle:
            line.socket.close()
        self._poller.close()
        return self._tally

    def _send(self, started: float) -> None:
        if not self._idle and self._opened >= self._most:
            self._tally.late += 1
            self._number = int((time.perf_counter() - started) * self._rate) + 1
            return
        line = self._idle.pop() if self._idle else self._open()
        self._number += 1
        line.sent = time.perf_counter()
        line.socket.sendall(self._request(self._number))
        self._poller.register(line.socket, selectors.EVENT_READ, line)

    def _open(self) -> _Line:
        self._opened += 1
        return _Line(self._port)

    def _collect(self, started: float, patience: float) -> None:
        for key, _ in self._poller.select(patience):
            line: _Line = key.data
            try:
                status = line.receive()
            except OSError:
                status = 0
            if status is None:
                continue
            now = time.perf_counter()
            self._tally.answers.append((status, now - line.sent, now - started))
            self._poller.unregister(line.socket)
            if status and not line.ends:
                self._idle.append(line)
            else:
                line.socket.close()
                self._opened -= 1
