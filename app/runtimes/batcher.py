"""Dynamic batching: concurrent calls of one model run as one, when that pays.

There is no batching thread. The call that finds the engine free runs at once, by itself; calls that arrive meanwhile
wait, and when the engine comes free the first of them runs all that wait, up to the largest useful batch. So an idle
server adds no wait and no hand-over, and a busy one forms batches as large as its backlog.

Whether to do this at all is decided by measurement. Joining pays for a model whose cost is mostly fixed (reading a
large weight matrix once for all rows), not for one that costs the same per row however many there are. A model of the
second kind that takes long still has its calls stand in line: side by side they would all end late, and none could be
refused in time. One that takes less than waking a thread runs where it is.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from math import inf
from threading import Condition, Lock
from time import monotonic, perf_counter
from typing import Any

import numpy as np

from app import deadlines
from app.errors import DeadlineExceeded, Overloaded
from app.runtimes.backlog import Backlog, Call
from app.runtimes.base import Runtime, RuntimeFailed
from app.runtimes.crowd import Crowd
from app.runtimes.fit import measure
from app.runtimes.rows import cut, has_rows, join, part, repeated
from app.runtimes.sizing import BatchPlan, Sizing
from app.runtimes.trial import mixes_rows
from app.tensors import Feed

_SIZES = (1, 4, 32, 16)
_MEASURE_S = 0.25
"""What measuring may take of a long model. One of some milliseconds needs a tenth of that."""

_IN_TIME = 0.9
"""Of the time until a deadline, what may be spent waiting: waking up is not punctual."""


class Batcher:
    """A runtime that joins concurrent calls of another, as ``sizing`` finds useful.

    ``tell`` hears how many rows each run has that stood in line.
    """

    def __init__(self, runtime: Runtime, plan: BatchPlan, tell: Callable[[int], None] = lambda _: None) -> None:
        self.inputs = runtime.inputs
        self.outputs = runtime.outputs
        self.metadata = runtime.metadata
        self.clock = runtime.clock
        self.sizing = Sizing(plan)
        self._runtime = runtime
        self._plan = plan
        self._tell = tell
        self._backlog = Backlog()
        self._running: list[int] = []
        self._lock = Lock()
        self._more = Condition(self._lock)
        self._crowd = Crowd(self.sizing.fit)
        self._wanted = 0

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
        with suppress(RuntimeFailed):
            measure(
                self.sizing.fit, lambda count: self._runtime.run(repeated(rows, count)), _SIZES, _MEASURE_S, self.clock
            )
        self.sizing.judge(mixes_rows(self._runtime.run, rows))

    def run(self, feed: Feed) -> list[Any]:
        """See ``Runtime.run``.

        Raises:
            RuntimeFailed: for these rows; never because of somebody else's.
            DeadlineExceeded: it is too late to begin.
            Overloaded: more is waiting than the plan allows, or than can be done by its deadline.
        """
        deadlines.check()
        if not self.sizing.queues:
            return self._runtime.run(feed)
        rows, most = len(next(iter(feed.values()))), self.sizing.piece_rows
        if rows <= most or not self.sizing.joins:
            return self._in_turn(Call(feed, rows))
        starts = range(0, rows, most)
        pieces = [self._in_turn(Call(cut(feed, at, at + most), min(most, rows - at))) for at in starts]
        return [join(parts) for parts in zip(*pieces, strict=True)]

    def _in_turn(self, call: Call) -> list[Any]:
        with self._lock:
            if len(self._running) < self._plan.slots:
                self._running.append(call.rows)
                call.batch = [call]
            else:
                self._enqueue(call)
        if call.batch is None:
            self._wait(call)
        if call.batch is not None:
            self._lead(call.batch)
        else:
            call.pass_on()
        return call.result()

    def _enqueue(self, call: Call) -> None:
        ahead = self._work_ahead(call)
        ready = monotonic() + ahead + self.sizing.fit.seconds(call.rows)
        if ahead > self._plan.queue_s or (call.deadline is not None and ready > call.deadline):
            raise Overloaded(ahead)
        self._backlog.put(call)
        if self._backlog.rows >= self._wanted:
            self._more.notify()

    def _work_ahead(self, call: Call) -> float:
        """Seconds until a call that queues now would begin, when what runs has only just begun."""
        rows, running = self._backlog.rows_before(call), self.sizing.fit.seconds(max(self._running))
        seconds = self.sizing.seconds_for(rows) if self.sizing.joins else self.sizing.fit.seconds(rows)
        return running + seconds / self._plan.slots

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
            if self.sizing.joins:
                self._gather(batch, rows)
            self._execute(batch)
        finally:
            self._hand_on(rows, sum(call.rows for call in batch))
            for call, follower in pairwise(batch):
                call.follower = follower
            batch[0].pass_on()

    def _gather(self, batch: list[Call], rows: int) -> None:
        """Take all that waits by now, after waiting for a fuller batch where that is wanted."""
        most = self.sizing.max_rows
        with self._lock:
            if rows < most:
                self._linger(batch, rows, most)
                batch += self._backlog.more(batch[0].kind, most - rows)

    def _linger(self, batch: list[Call], rows: int, most: int) -> None:
        """Wait as long as the plan says, or where it says nothing, for callers who come together; without the lock.

        For them as long as they keep coming, but not longer than a run of all of them, and so that none comes too late.
        """
        began, delay = monotonic(), self._plan.delay_s
        full = most if delay else self._expected(rows, most)
        until = self._in_time(batch, batch[0].queued + delay if delay else began + self.sizing.fit.seconds(full), full)
        self._wanted = full - rows
        while (missing := self._wanted - (came := self._backlog.rows)) > 0:
            pause = inf if delay else max(began, self._backlog.latest) + self._crowd.pause(rows + came, missing)
            if (left := min(until, pause) - monotonic()) <= 0:
                break
            self._more.wait(left)
        if self._wanted and not (delay or came):
            self._crowd.stayed_away(rows)

    def _expected(self, rows: int, most: int) -> int:
        return self._crowd.expected(rows, most) if self._plan.mode == "auto" and self.sizing.pays else rows

    def _in_time(self, batch: list[Call], until: float, rows: int) -> float:
        """When a run of so many rows has to begin at the latest, so that nobody in the batch comes too late."""
        ends = [call.deadline for call in batch if call.deadline is not None]
        now = monotonic()
        return min(until, now + _IN_TIME * (min(ends) - now) - self.sizing.fit.seconds(rows)) if ends else until

    def _hand_on(self, rows: int, ran: int) -> None:
        with self._lock:
            self._running.remove(rows)
            self._crowd.seen(ran + self._backlog.rows)
            batch = self._backlog.next_batch(self.sizing.max_rows if self.sizing.joins else 0)
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
        started, before = perf_counter(), self.clock()
        outputs = self._runtime.run(feed)
        seconds, effort = perf_counter() - started, self.clock() - before
        rows = sum(call.rows for call in calls)
        with self._lock:
            self.sizing.observe(rows, seconds, effort)
        self._tell(rows)
        return outputs

    def _hand_out(self, outputs: list[Any], calls: Sequence[Call]) -> None:
        if len(calls) == 1:
            calls[0].succeed(outputs)
            return
        total = sum(call.rows for call in calls)
        if not all(has_rows(output, total) for output in outputs):
            self.sizing.never_join()
            raise RuntimeFailed("the outputs of several rows cannot be told apart")
        at = 0
        for call in calls:
            call.succeed([part(output, at, at + call.rows) for output in outputs])
            at += call.rows
