"""The parent: keeps so many processes alive, each with the port and the models of its own, and ends them together.

Processes are started anew, not forked: gRPC and onnxruntime have threads that do not survive a fork. A child holds
the reading end of a pipe; when its parent is gone, however that came about, the pipe ends and the child with it.
"""

import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any

_LOOK_S = 0.1
_SETTLED_S = 10.0
"""A process that lived so long started well; what ended earlier is started again later and later."""
_LATEST_S = 30.0

NEVER = 3
"""The exit status of a process that cannot start before somebody has corrected the configuration."""


@dataclass(slots=True)
class _Seat:
    """A place for one process, filled again whenever it becomes empty. ``due`` is when; ``failures`` are in a row."""

    command: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    due: float = 0.0
    failures: int = 0

    def fill(self) -> None:
        """Start the process."""
        self.process = subprocess.Popen(list(self.command), stdin=subprocess.PIPE)  # noqa: S603 - our own command line
        self.started = monotonic()

    def clear(self) -> int | None:
        """The exit status of a process that has ended since the last look."""
        if self.process is None or self.process.poll() is None:
            return None
        lived, status = monotonic() - self.started, self.process.returncode
        if self.process.stdin:
            self.process.stdin.close()
        self.process = None
        self.failures = 0 if lived >= _SETTLED_S else self.failures + 1
        self.due = monotonic() + (min(2.0 ** (self.failures - 2), _LATEST_S) if self.failures else 0.0)
        return status


class Supervisor:
    """``commands`` start the processes, one each; ``ended`` is told the pid of one that is gone and replaced."""

    def __init__(
        self, commands: Sequence[Sequence[str]], grace_s: float, log: Any, ended: Callable[[int], None]
    ) -> None:
        self._seats = [_Seat(command) for command in commands]
        self._grace_s = grace_s
        self._ended = ended
        self._log = log
        self._stop = Event()
        self._gave_up = False

    def run(self) -> int:
        """Keep every seat filled until TERM or INT, or until none can be.

        The exit status: 1 when that was so, or when a process had to be killed.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        while not self._stop.is_set():
            for seat in self._seats:
                self._look_at(seat)
            self._stop.wait(_LOOK_S)
        return self._end()

    def _look_at(self, seat: _Seat) -> None:
        process = seat.process
        status = seat.clear()
        if process is not None and status is not None:
            self._ended(process.pid)
            if status == NEVER and not any(other.process for other in self._seats):
                self._gave_up = True
                self._stop.set()
                return
            self._log.error("rpc_process_ended", status=status, again_in_s=round(seat.due - monotonic(), 1))
        if seat.process is None and monotonic() >= seat.due:
            seat.fill()

    def _end(self) -> int:
        """TERM to all, then wait; whoever is not done when the time for calls in flight is over is killed."""
        running = [seat.process for seat in self._seats if seat.process is not None]
        for process in running:
            process.terminate()
        deadline, killed = monotonic() + self._grace_s, 0
        for process in running:
            try:
                process.wait(max(deadline - monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
        return 1 if killed or self._gave_up else 0
