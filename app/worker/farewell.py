"""Connections that are over, until their clients have read the last answer.

Closing one with bytes unread would reset it and lose the answer, so what a client still sends is taken and thrown
away until it hangs up, or has had time to. The loop does that: a thread would be held by whoever does not hang up.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, BaseSelector
from time import monotonic

LINGER_SECONDS = 1.0
"""How long a client may take to read an answer and hang up before the connection is taken from it."""

MOST = 256
"""Connections that linger at once in a worker; the oldest makes room."""


class Farewell:
    """Those of one worker. ``gone`` is called for each connection once it is closed; for the loop's thread only."""

    def __init__(self, poller: BaseSelector, gone: Callable[[], None]) -> None:
        self._poller = poller
        self._gone = gone
        self._until: dict[socket.socket, float] = {}
        self._scrap = bytearray(262_144)

    def __len__(self) -> int:
        return len(self._until)

    def see_off(self, connection: socket.socket) -> None:
        """Close a connection when its client has, or soon; our side of it is shut already."""
        self._until[connection] = monotonic() + LINGER_SECONDS
        try:
            connection.setblocking(False)
            self._poller.register(connection, EVENT_READ, self._listen)
        except (OSError, ValueError, KeyError):
            self._close(connection)
        if len(self._until) > MOST:
            self._close(next(iter(self._until)))

    def end(self, now: float) -> None:
        """Close those that have had their time."""
        while self._until and self.seconds_left(now) <= 0:
            self._close(next(iter(self._until)))

    def seconds_left(self, now: float) -> float:
        """Seconds until the next one is due."""
        return next(iter(self._until.values()), now + LINGER_SECONDS) - now

    def _listen(self, connection: socket.socket) -> None:
        try:
            if connection.recv_into(self._scrap):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # it has been reset
        self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        del self._until[connection]
        with suppress(OSError, ValueError, KeyError):
            self._poller.unregister(connection)
        connection.close()
        self._gone()
