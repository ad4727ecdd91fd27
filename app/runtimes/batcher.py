"""Dynamic batching: concurrent calls of one model run as one, when that pays.

There is no batching thread. The call that finds the engine free runs at once, by itself; calls that arrive meanwhile
wait, and when the engine comes free the first of them runs all that wait, up to the largest useful batch. So an idle
server adds no wait and no hand-over, and a busy one forms batches as large as its backlog.

Whether to do this at all is decided by measurement. Joining pays for a model whose cost is mostly fixed (reading a
large weight matrix once for all rows), not for one that costs the same per row however many there are. A model of the
second kind that takes long still has its calls stand in line: side by side they would all end late, and none could be
refused in time. One that takes less than waking a thread runs where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Condition, Lock
from time import monotonic, perf_counter
from typing import Any, Literal

import numpy as np

from app import deadlines
from app.errors import DeadlineExceeded, Overloaded
from app.runtimes.backlog import Backlog, Call
from app.runtimes.base import Runtime, RuntimeFailed
from app.runtimes.fit import Fit, measure
from app.runtimes.trial import cut, has_rows, join, mixes_rows, part, repeated, useful_rows
from app.tensors import Feed

HAND_OVER_S = 150e-6
"""What it costs to wake the thread that runs the next batch. A model with less fixed cost runs where it is."""

LONG_S = 2e-3
"""A run worth standing in line for even where joining saves nothing."""

_SIZES = (1, 4, 16, 32)
_MEASURE_S = 0.06
_UNMEASURED_ROWS = 32


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How calls of a model are joined. ``max_rows`` None: as many as measured to be useful under ``objective_s``.

    ``delay_s`` is how long a batch that is not full waits for more, counted from its oldest call; ``queue_s`` how much
    work may wait before more is refused; ``slots`` how many calls of a long model run at a time where none are joined.
    """

    mode: Literal["auto", "on", "off"] = "auto"
    max_rows: int | None = None
    delay_s: float = 0.0
    objective_s: float = 0.1
    queue_s: float = 0.5
    slots: int = 1


class Batcher:
    """A runtime that joins concurrent calls of another.

    ``joins``: calls run together; ``queues``: they wait for each other, joined or not.
    """

    def __init__(self, runtime: Runtime, plan: BatchPlan) -> None:
        self.inputs = runtime.inputs
        self.outputs = runtime.outputs
        self.metadata = runtime.metadata
        self.fit = Fit()
        self._runtime = runtime
        self._plan = plan
        self._backlog = Backlog()
        self._running: list[int] = []
        self._lock = Lock()
        self._more = Condition(self._lock)
        self.joins = self.queues = plan.mode == "on"
        self.max_rows = plan.max_rows or _UNMEASURED_ROWS

    @property
    def queued_rows(self) -> int:
        """Rows that wait for the engine, for the gauge."""
        return self._backlog.rows

    def learn(self, rows: Feed) -> None:
        """Find out whether rows may be joined and how long runs of several sizes take, and decide.

        A model that fails on these rows is left as it is; its own calls will tell.
        """
        if self._plan.mode == "off":
            self._runtime.learn(rows)
            return
        try:
            measure(self.fit, lambda count: self._warm(rows, count), _SIZES, _MEASURE_S)
        except RuntimeFailed:
            self.fit = Fit()
        self._decide(mixes_rows(self._runtime.run, rows))

    def run(self, feed: Feed) -> list[Any]:
        """See ``Runtime.run``.

        Raises:
            RuntimeFailed: for these rows; never because of somebody else's.
            DeadlineExceeded: it is too late to begin.
            Overloaded: more is waiting than the plan allows, or than can be done by its deadline.
        """
        deadlines.check()
        if not self.queues:
            return self._runtime.run(feed)
        rows, most = len(next(iter(feed.values()))), self.max_rows
        if rows <= most or not self.joins:
            return self._in_turn(Call(feed, rows))
        starts = range(0, rows, most)
        pieces = [self._in_turn(Call(cut(feed, at, at + most), min(most, rows - at))) for at in starts]
        return [join(parts) for parts in zip(*pieces, strict=True)]

    def _in_turn(self, call: Call) -> list[Any]:
        with self._lock:
            if len(self._running) < (1 if self.joins else self._plan.slots):
                self._running.append(call.rows)
                call.batch = [call]
            else:
                self._enqueue(call)
        if call.batch is None:
            self._wait(call)
        if call.batch is not None:
            self._lead(call.batch)
        return call.result()

    def _enqueue(self, call: Call) -> None:
        ahead = self._work_ahead(call)
        ready = monotonic() + ahead + self.fit.seconds(call.rows)
        if ahead > self._plan.queue_s or (call.deadline is not None and ready > call.deadline):
            raise Overloaded(ahead)
        self._backlog.put(call)
        self._more.notify()

    def _work_ahead(self, call: Call) -> float:
        """Seconds until a call that queues now would begin, when what runs has only just begun."""
        rows, running = self._backlog.rows_before(call), self.fit.seconds(max(self._running))
        if not self.joins:
            return running + self.fit.seconds(rows) / self._plan.slots if rows else running
        full, rest = divmod(rows, self.max_rows)
        return running + full * self.fit.seconds(self.max_rows) + (self.fit.seconds(rest) if rest else 0.0)

    def _wait(self, call: Call) -> None:
        """Until the call is done, or is asked to lead; a call whose deadline passes leaves the queue."""
        patience = None if call.deadline is None else max(0.0, call.deadline - monotonic())
        if call.done.wait(patience):
            return
        with self._lock:
            if self._backlog.drop(call):
                call.fail(DeadlineExceeded(monotonic() - call.arrived))
                return
        call.done.wait()

    def _lead(self, batch: list[Call]) -> None:
        """Run a batch, then hand the engine on, whatever happened. Only whoever leads touches the engine."""
        rows = sum(call.rows for call in batch)
        try:
            if self._plan.delay_s > 0 and self.joins:
                self._linger(batch)
            self._execute(batch)
        finally:
            self._hand_on(rows)
            for call in batch:
                call.done.set()

    def _linger(self, batch: list[Call]) -> None:
        """Wait up to the plan's delay for a fuller batch; the lock is free meanwhile."""
        until = batch[0].queued + self._plan.delay_s
        wanted = self.max_rows - sum(call.rows for call in batch)
        with self._lock:
            while self._backlog.rows < wanted and (left := until - monotonic()) > 0:
                self._more.wait(left)
            batch += self._backlog.more(batch[0].kind, wanted)

    def _hand_on(self, rows: int) -> None:
        with self._lock:
            self._running.remove(rows)
            batch = self._backlog.next_batch(self.max_rows if self.joins else 0)
            if not batch:
                return
            self._running.append(sum(call.rows for call in batch))
            batch[0].batch = batch
        batch[0].done.set()

    def _execute(self, batch: Sequence[Call]) -> None:
        """One run for all. When it fails somebody's rows are poison: halves are tried, until only that one fails."""
        now = monotonic()
        calls = [call for call in batch if not call.lapsed(now)]
        if not calls:
            return
        try:
            self._hand_out(self._timed(calls), calls)
        except Exception as error:  # noqa: BLE001 - it is raised again, in the thread whose rows they are
            if len(calls) == 1:
                calls[0].fail(error)
                return
            middle = len(calls) // 2
            self._execute(calls[:middle])
            self._execute(calls[middle:])

    def _timed(self, calls: Sequence[Call]) -> list[Any]:
        feed = calls[0].feed
        if len(calls) > 1:
            feed = {name: np.concatenate([call.feed[name] for call in calls]) for name in feed}
        started = perf_counter()
        outputs = self._runtime.run(feed)
        took = perf_counter() - started
        with self._lock:
            self.fit.add(sum(call.rows for call in calls), took)
        return outputs

    def _hand_out(self, outputs: list[Any], calls: Sequence[Call]) -> None:
        if len(calls) == 1:
            return calls[0].succeed(outputs)
        total = sum(call.rows for call in calls)
        if not all(has_rows(output, total) for output in outputs):
            self.joins = False
            raise RuntimeFailed("the outputs of several rows cannot be told apart")
        at = 0
        for call in calls:
            call.succeed([part(output, at, at + call.rows) for output in outputs])
            at += call.rows
        return None

    def _warm(self, rows: Feed, count: int) -> None:
        self._runtime.run(repeated(rows, count))

    def _decide(self, mixes: bool | None) -> None:
        fixed, per_row = self.fit.line
        pays = fixed > HAND_OVER_S and fixed > per_row
        asked = self._plan.mode == "on"
        self.joins = not mixes and (asked or (mixes is not None and pays))
        self.queues = self.joins or asked or fixed + per_row > LONG_S
        if self._plan.max_rows is None and self.fit.line != (0.0, 0.0):
            self.max_rows = useful_rows(fixed, per_row, self._plan.objective_s)
