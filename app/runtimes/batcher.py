"""Dynamic batching: concurrent calls of one model run as one, when that pays.

There is no batching thread. The call that finds the engine free runs at once, by itself; calls that arrive meanwhile
wait, and when the engine comes free the first of them runs all that wait, up to the largest useful batch. So an idle
server adds no wait and no hand-over, and a busy one forms batches as large as its backlog.

Whether to do this at all is decided by measurement: joining pays for a model whose cost is mostly fixed (reading a
large weight matrix once for all rows), not for one that costs the same per row however many there are.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Condition, Event, Lock
from time import monotonic, perf_counter
from typing import Any, Literal

import numpy as np

from app import deadlines
from app.errors import DeadlineExceeded, Overloaded
from app.runtimes.base import Runtime, RuntimeFailed
from app.runtimes.fit import Fit, measure
from app.tensors import Feed

HAND_OVER_S = 150e-6
"""What it costs to wake the thread that runs the next batch. A model with less fixed cost runs where it is."""

_SIZES = (1, 4, 16, 32)
_MEASURE_S = 0.06


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How calls of a model are joined. ``max_rows`` None: as many as measured to be useful under ``objective_s``.

    ``delay_s`` is how long a batch that is not full waits for more; ``queue_s`` how much work may wait before more is
    refused.
    """

    mode: Literal["auto", "on", "off"] = "auto"
    max_rows: int | None = None
    delay_s: float = 0.0
    objective_s: float = 0.1
    queue_s: float = 0.5


class _Call:
    """One caller's rows, waiting or running."""

    __slots__ = ("arrived", "batch", "deadline", "done", "error", "feed", "outputs", "rows", "shape")

    def __init__(self, feed: Feed, rows: int) -> None:
        self.feed = feed
        self.rows = rows
        self.shape = tuple((array.dtype, array.shape[1:]) for array in feed.values())
        self.arrived = monotonic()
        self.deadline = deadlines.current()
        self.done = Event()
        self.batch: list[_Call] | None = None
        self.outputs: list[Any] = []
        self.error: Exception | None = None

    def result(self) -> list[Any]:
        if self.error is not None:
            raise self.error
        return self.outputs


class Batcher:
    """A runtime that joins concurrent calls of another."""

    def __init__(self, runtime: Runtime, plan: BatchPlan) -> None:
        self.inputs = runtime.inputs
        self.outputs = runtime.outputs
        self.metadata = runtime.metadata
        self.fit = Fit()
        self._runtime = runtime
        self._plan = plan
        self._queue: deque[_Call] = deque()
        self._queued_rows = 0
        self._running_rows = 0
        self._busy = False
        self._lock = Lock()
        self._more = Condition(self._lock)
        self._rowwise = True
        self.active = plan.mode == "on"
        self.max_rows = plan.max_rows or 1

    @property
    def queued_rows(self) -> int:
        """Rows that wait for the engine, for the gauge."""
        return self._queued_rows

    def learn(self, row: Feed) -> None:
        """Measure runs of several sizes with copies of one row, and decide.

        A model that fails on it is left as it is; its own calls will tell.
        """
        try:
            measure(self.fit, lambda rows: self._measured_run(row, rows), _SIZES, _MEASURE_S)
        except RuntimeFailed:
            self._rowwise = False
        self._decide()

    def run(self, feed: Feed) -> list[Any]:
        """See ``Runtime.run``.

        Raises:
            RuntimeFailed: for these rows; never because of somebody else's.
            DeadlineExceeded: it is too late to begin.
            Overloaded: more is waiting than the plan allows.
        """
        deadlines.check()
        if not self.active or not self._rowwise:
            return self._runtime.run(feed)
        rows = len(next(iter(feed.values())))
        if rows <= self.max_rows:
            return self._joined(_Call(feed, rows))
        pieces = [
            self._joined(
                _Call(
                    {name: array[at : at + self.max_rows] for name, array in feed.items()},
                    min(self.max_rows, rows - at),
                )
            )
            for at in range(0, rows, self.max_rows)
        ]
        return [join(parts) for parts in zip(*pieces, strict=True)]

    def _joined(self, call: _Call) -> list[Any]:
        with self._lock:
            if self._busy:
                self._enqueue(call)
            else:
                self._busy = True
                call.batch = [call]
                self._linger(call.batch)
        if call.batch is None:
            self._wait(call)
        if call.batch is not None:
            self._lead(call.batch)
        return call.result()

    def _enqueue(self, call: _Call) -> None:
        ahead = self._work_ahead()
        due = None if call.deadline is None else call.deadline - call.arrived
        if ahead > self._plan.queue_s or (due is not None and ahead > due):
            raise Overloaded(ahead)
        self._queue.append(call)
        self._queued_rows += call.rows
        self._more.notify()

    def _work_ahead(self) -> float:
        """Seconds until a call that queues now would begin, when the batch that runs has only just begun."""
        full, rest = divmod(self._queued_rows, self.max_rows)
        waiting = full * self.fit.seconds(self.max_rows) + (self.fit.seconds(rest) if rest else 0.0)
        return self.fit.seconds(self._running_rows) + waiting

    def _linger(self, batch: list[_Call]) -> None:
        """Wait up to the plan's delay for a fuller batch; the lock is free meanwhile."""
        if self._plan.delay_s <= 0:
            return
        until = monotonic() + self._plan.delay_s
        wanted = self.max_rows - batch[0].rows
        while self._queued_rows < wanted and (left := until - monotonic()) > 0:
            self._more.wait(left)
        batch += self._take(batch[0].shape, wanted)

    def _wait(self, call: _Call) -> None:
        """Until the call is done, or is asked to lead; a call whose deadline passes leaves the queue."""
        patience = None if call.deadline is None else max(0.0, call.deadline - monotonic())
        if call.done.wait(patience):
            return
        with self._lock:
            if call in self._queue:
                self._queue.remove(call)
                self._queued_rows -= call.rows
                call.error = DeadlineExceeded(monotonic() - call.arrived)
                return
        call.done.wait()

    def _lead(self, batch: list[_Call]) -> None:
        """Run a batch, then hand the engine on. Only whoever leads touches the engine."""
        self._running_rows = sum(call.rows for call in batch)
        try:
            self._execute(batch)
        finally:
            self._hand_on()
            for call in batch:
                call.done.set()

    def _hand_on(self) -> None:
        with self._lock:
            batch: list[_Call] = []
            while self._queue and not batch:
                batch = self._take(self._queue[0].shape, self.max_rows)
            if not batch:
                self._busy = False
                return
            leader = batch[0]
            leader.batch = batch
        leader.done.set()

    def _take(self, shape: Any, rows: int) -> list[_Call]:
        """Waiting calls of one shape, oldest first, as many as fit; those that are too late are told so."""
        taken: list[_Call] = []
        passed: list[_Call] = []
        now = monotonic()
        while self._queue:
            call = self._queue.popleft()
            if call.deadline is not None and call.deadline <= now:
                call.error = DeadlineExceeded(now - call.arrived)
                self._queued_rows -= call.rows
                call.done.set()
            elif call.shape == shape and call.rows <= rows:
                taken.append(call)
                rows -= call.rows
                self._queued_rows -= call.rows
            else:
                passed.append(call)
                if call.shape == shape:
                    break
        self._queue.extendleft(reversed(passed))
        return taken

    def _execute(self, batch: Sequence[_Call]) -> None:
        if len(batch) > 1:
            feed = {name: np.concatenate([call.feed[name] for call in batch]) for name in batch[0].feed}
            try:
                outputs = self._timed(feed, sum(call.rows for call in batch))
            except RuntimeFailed:
                outputs = None  # somebody's rows are poison: each caller finds out for itself
            if outputs is not None and self._handed_out(outputs, batch):
                return
        for call in batch:
            try:
                call.outputs = self._timed(call.feed, call.rows)
            except Exception as error:  # noqa: BLE001  it is raised again, in the thread whose rows they are
                call.error = error

    def _handed_out(self, outputs: list[Any], batch: Sequence[_Call]) -> bool:
        total = sum(call.rows for call in batch)
        if any(len(output) != total for output in outputs):
            self._rowwise = False
            return False
        at = 0
        for call in batch:
            call.outputs = [_part(output, at, at + call.rows) for output in outputs]
            at += call.rows
        return True

    def _timed(self, feed: Feed, rows: int) -> list[Any]:
        started = perf_counter()
        outputs = self._runtime.run(feed)
        self.fit.add(rows, perf_counter() - started)
        return outputs

    def _measured_run(self, row: Feed, rows: int) -> None:
        outputs = self._runtime.run({name: np.repeat(array[:1], rows, axis=0) for name, array in row.items()})
        if any(len(output) != rows for output in outputs):
            self._rowwise = False

    def _decide(self) -> None:
        fixed, per_row = self.fit.line
        if self._plan.mode == "auto":
            self.active = self._rowwise and fixed > HAND_OVER_S and fixed > per_row
        if self._plan.max_rows is None:
            self.max_rows = useful_rows(fixed, per_row, self._plan.objective_s)


def useful_rows(fixed: float, per_row: float, objective_s: float) -> int:
    """The batch beyond which a row gets no more than a tenth cheaper, within the latency objective; 1 to 128."""
    if per_row <= 0:
        return 128
    saturated = 9 * fixed / per_row
    in_time = (objective_s - fixed) / per_row
    return int(max(1, min(128, saturated, in_time)))


def join(parts: Sequence[Any]) -> Any:
    """One output from the pieces of a request that was split."""
    return [row for part in parts for row in part] if isinstance(parts[0], list) else np.concatenate(parts)


def _part(output: Any, start: int, end: int) -> Any:
    """One caller's rows, copied: a row that is kept must not keep the whole batch alive."""
    part = output[start:end]
    return part if isinstance(part, list) else part.copy()
