"""The threads that answer: a queue in, a call back to the loop out.

``concurrent.futures`` makes a future for each request, with a lock and a condition of its own that nobody waits on;
that, and asking it what became of the request, took a tenth of what a small prediction costs.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any


class Ending:
    """What became of a connection that was answered: as much of a ``Future`` as gunicorn's loop looks at."""

    __slots__ = ("_error", "_outcome")

    def __init__(self, outcome: Any = None, error: BaseException | None = None) -> None:
        self._outcome = outcome
        self._error = error

    def cancelled(self) -> bool:
        """Never: what was handed to a thread is answered."""
        return False

    def result(self) -> Any:
        """What ``answer`` returned.

        Raises:
            BaseException: what ``answer`` raised.
        """
        if self._error is not None:
            raise self._error
        return self._outcome


class Pool:
    """At most so many threads, started as they are needed. ``submit`` and ``done`` are the loop's alone to call.

    ``answer`` runs in a thread; ``tell`` is called there with the connection and its ending.
    """

    def __init__(self, threads: int, answer: Callable[[Any], Any], tell: Callable[[Any, Ending], None]) -> None:
        self._room = threads
        self._answer = answer
        self._tell = tell
        self._waiting: SimpleQueue[Any] = SimpleQueue()
        self._started = 0
        self._in_hand = 0

    def submit(self, conn: Any) -> None:
        """Have a connection answered by the next free thread."""
        self._in_hand += 1
        self._waiting.put(conn)
        if self._started < min(self._in_hand, self._room):
            self._started += 1
            Thread(target=self._work, name=f"requests-{self._started}", daemon=True).start()

    def done(self) -> None:
        """The loop has heard of one ending."""
        self._in_hand -= 1

    def shutdown(self, wait: bool = True) -> None:
        """Let the threads end when nothing waits any more; nobody waits for them, ``wait`` is gunicorn's word."""
        for _ in range(self._started):
            self._waiting.put(None)

    def _work(self) -> None:
        while (conn := self._waiting.get()) is not None:
            try:
                ending = Ending(self._answer(conn))
            except BaseException as error:  # noqa: BLE001 - the loop raises it where it knows what to do
                ending = Ending(error=error)
            self._tell(conn, ending)
            del conn, ending  # the queue may keep this thread for long
