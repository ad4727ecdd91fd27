"""Where calls are worked on: a bounded number of threads, and a bounded number of calls that wait for one.

The event loop receives, refuses and answers; it never runs a model, so health is answered however long one takes.
Counting happens on the loop alone, which spares a lock.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from app.errors import Overloaded

Answer = TypeVar("Answer")

COME_AGAIN_S = 1.0
"""What a caller is told to wait when every place is taken."""

_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Threads:
    """Made, used and closed on one event loop. ``waiting`` is how many calls may wait when every thread is busy."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._all_places = self._places = threads + waiting
        self._threads = [Thread(target=self._serve, name=f"rpc-{number}", daemon=True) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """The work's result, from a thread.

        A caller that goes away takes its work along as long as it waits; work that has begun runs to its end, and
        keeps its place until then.

        Raises:
            Overloaded: it was not begun.
        """
        if self._places == 0:
            raise Overloaded(COME_AGAIN_S)
        self._places -= 1
        outcome: asyncio.Future[Answer] = self._loop.create_future()
        self._jobs.put((work, outcome))
        try:
            return await outcome
        finally:
            del outcome  # it holds the error, whose traceback holds this frame: a circle, with the message inside

    @property
    def taken(self) -> int:
        """Calls that have a thread, or wait for one."""
        return self._all_places - self._places

    def close(self) -> None:
        """Let every thread end after what it is at."""
        for _ in self._threads:
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, outcome = job
            try:
                result, error = None if outcome.cancelled() else work(), None
            except Exception as raised:  # noqa: BLE001 - it is raised again where the call waits
                result, error = None, raised
            with suppress(RuntimeError):  # the loop has closed: the process is ending
                self._loop.call_soon_threadsafe(self._finish, outcome, result, error)
            del job, work, outcome, result, error  # or a thread would keep its last answer until the next call

    def _finish(self, outcome: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
        self._places += 1
        if outcome.cancelled():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)
