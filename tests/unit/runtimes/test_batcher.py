"""Concurrent calls through one batcher over real onnxruntime models: nobody's rows reach anybody else."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import deadlines, priority
from app.errors import DeadlineExceeded, Overloaded
from app.runtimes.base import RuntimeFailed, TensorSpec
from app.runtimes.batcher import Batcher
from app.runtimes.onnx import OnnxRuntime
from app.runtimes.sizing import BatchPlan
from app.runtimes.trial import mixes_rows
from app.tensors import Feed
from tests.models import TinyModel, identity, mixing, slow, trap

ON = BatchPlan("on", max_rows=32)


def _feed(*rows: Sequence[float]) -> Feed:
    return {"X": np.array(rows, dtype=np.float32)}


class Watched:
    """A runtime that notes how many rows each run has, and can be held up."""

    def __init__(self, model: TinyModel, pause_s: float = 0.0) -> None:
        self._inner = OnnxRuntime(model.model)
        self.inputs: Sequence[TensorSpec] = self._inner.inputs
        self.outputs: Sequence[TensorSpec] = self._inner.outputs
        self.metadata = self._inner.metadata
        self.clock = time.perf_counter
        self.runs: list[int] = []
        self.order: list[float] = []
        self.gate = threading.Event()
        self.gate.set()
        self._pause_s = pause_s

    def learn(self, rows: Feed) -> None:
        self._inner.learn(rows)

    def run(self, feed: Feed) -> list[Any]:
        assert self.gate.wait(10)
        time.sleep(self._pause_s)
        self.runs.append(len(feed["X"]))
        self.order += feed["X"][:, 0].tolist()
        return self._inner.run(feed)


class Callers:
    """Threads that each call once; what every one of them got."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self.outcomes: dict[Any, Any] = {}

    def call(
        self, name: Any, batcher: Batcher, feed: Feed, seconds: float | None = None, bulk: bool = False
    ) -> "Callers":
        def work() -> None:
            deadlines.begin(seconds)
            priority.begin(bulk)
            try:
                self.outcomes[name] = batcher.run(feed)[0]
            except SystemExit:
                return
            except Exception as error:  # noqa: BLE001 - it is what the test looks at
                self.outcomes[name] = error

        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()
        return self

    def join(self) -> dict[Any, Any]:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a caller is never answered"
        return self.outcomes


def _in_threads(work: Callable[[int], object], count: int) -> None:
    """All at once, each with its number."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


def _wait(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def _held(model: TinyModel, plan: BatchPlan, first: Sequence[float] = (0, 0)) -> tuple[Watched, Batcher, Callers]:
    """A batcher whose engine is busy with one call until ``gate`` opens."""
    runtime = Watched(model)
    batcher = Batcher(runtime, plan)
    runtime.gate.clear()
    callers = Callers().call("first", batcher, _feed(first))
    _wait(lambda: bool(batcher._running))
    return runtime, batcher, callers


def test_what_waits_runs_as_one_and_everybody_gets_their_own() -> None:
    runtime, batcher, callers = _held(trap(), ON)
    for number in range(1, 21):
        callers.call(number, batcher, _feed([number, 0]))
    _wait(lambda: batcher.queued_rows == 20)
    runtime.gate.set()
    outcomes = callers.join()
    assert runtime.runs == [1, 20]
    assert all(outcomes[number].tolist() == [[number]] for number in range(1, 21))


def test_a_poison_row_fails_its_caller_only() -> None:
    runtime, batcher, callers = _held(trap(), ON)
    for number in range(1, 17):
        callers.call(number, batcher, _feed([number, 9 if number == 5 else 0]))
    _wait(lambda: batcher.queued_rows == 16)
    runtime.gate.set()
    outcomes = callers.join()
    assert {number for number, outcome in outcomes.items() if isinstance(outcome, RuntimeFailed)} == {5}
    assert all(outcomes[n].tolist() == [[n]] for n in range(1, 17) if n != 5)
    assert len(runtime.runs) == 1 + 1 + 2 * 4, "halves of 16, down to the one: far fewer runs than one for each"


def test_an_idle_engine_runs_a_call_where_it_is() -> None:
    runtime = Watched(trap())
    batcher = Batcher(runtime, ON)
    for number in range(5):
        assert batcher.run(_feed([number, 0]))[0].tolist() == [[number]]
    assert runtime.runs == [1] * 5


def test_a_request_beyond_the_largest_batch_is_split_and_joined_again() -> None:
    runtime = Watched(identity(2))
    rows = [[number, -number] for number in range(71)]
    assert Batcher(runtime, ON).run(_feed(*rows))[0].tolist() == rows
    assert runtime.runs == [32, 32, 7]


def test_rows_of_other_shapes_wait_for_their_own_turn() -> None:
    model = identity(2)
    runtime, batcher, callers = _held(model, ON)
    callers.call("a", batcher, _feed([1, 1])).call("wrong", batcher, {"X": np.ones((1, 3), dtype=np.float32)})
    callers.call("b", batcher, _feed([2, 2]))
    _wait(lambda: batcher.queued_rows == 3)
    runtime.gate.set()
    outcomes = callers.join()
    assert outcomes["a"].tolist() == [[1, 1]]
    assert outcomes["b"].tolist() == [[2, 2]]
    assert isinstance(outcomes["wrong"], RuntimeFailed)


def test_a_delay_fills_the_first_batch() -> None:
    runtime = Watched(trap())
    batcher = Batcher(runtime, BatchPlan("on", max_rows=3, delay_s=5))
    callers = Callers()
    for number in range(3):
        callers.call(number, batcher, _feed([number, 0]))
    started = time.monotonic()
    outcomes = callers.join()
    assert runtime.runs == [3]
    assert time.monotonic() - started < 4, "a full batch does not wait for the rest of the delay"
    assert [outcomes[number].tolist() for number in range(3)] == [[[0]], [[1]], [[2]]]


def test_callers_who_come_back_together_are_waited_for() -> None:
    """They need 24 ms for that, one after the other: more than the wait for any of them may take, but the next is near.

    Without patience the first back would run alone each time; with too little of it two halves would take turns.
    """
    runtime = Watched(trap(), pause_s=0.03)
    batcher = Batcher(runtime, BatchPlan())
    batcher.learn(_feed([3, 0], [5, 0]))
    runtime.runs.clear()
    turn = threading.Lock()

    def ask(number: int) -> None:
        for _ in range(10):
            with turn:
                time.sleep(0.0015)
            assert batcher.run(_feed([number, 0]))[0].tolist() == [[number]]

    _in_threads(ask, 16)
    assert sum(runtime.runs) == 16 * 10
    assert len(runtime.runs) <= 16, f"ten rounds, and not much more: {runtime.runs}"


def test_callers_who_are_gone_are_waited_for_once() -> None:
    runtime = Watched(trap(), pause_s=0.02)
    batcher = Batcher(runtime, BatchPlan())
    batcher.learn(_feed([3, 0], [5, 0]))
    _in_threads(lambda number: batcher.run(_feed([number, 0])), 16)
    started = time.monotonic()
    for number in range(10):
        batcher.run(_feed([number, 0]))
    assert time.monotonic() - started < 10 * 0.028 + 0.03


def test_one_caller_after_another_never_waits() -> None:
    runtime = Watched(trap(), pause_s=0.02)
    batcher = Batcher(runtime, BatchPlan())
    batcher.learn(_feed([3, 0], [5, 0]))
    taken = []
    for number in range(10):
        started = time.monotonic()
        batcher.run(_feed([number, 0]))
        taken.append(time.monotonic() - started)
    assert batcher.sizing.joins
    assert sorted(taken)[5] < 0.028, "whoever waits does so every time; the machine may be busy now and then"


def test_a_delay_is_cut_short_by_a_deadline() -> None:
    runtime, callers = Watched(trap()), Callers()
    batcher = Batcher(runtime, BatchPlan("on", max_rows=3, delay_s=5))
    assert callers.call("hurried", batcher, _feed([1, 0]), seconds=0.3).join()["hurried"].tolist() == [[1]]


def test_a_delay_ends() -> None:
    runtime = Watched(trap())
    assert Batcher(runtime, BatchPlan("on", max_rows=3, delay_s=0.02)).run(_feed([1, 0]))[0].tolist() == [[1]]


def test_a_call_whose_deadline_passes_leaves_the_queue_and_is_never_run() -> None:
    runtime, batcher, callers = _held(trap(), ON)
    callers.call("late", batcher, _feed([1, 0]), seconds=0.05).call("patient", batcher, _feed([2, 0]))
    _wait(lambda: "late" in callers.outcomes)
    assert batcher.queued_rows == 1
    runtime.gate.set()
    outcomes = callers.join()
    assert isinstance(outcomes["late"], DeadlineExceeded)
    assert outcomes["patient"].tolist() == [[2]]
    assert 1.0 not in runtime.order


def test_interactive_goes_before_bulk() -> None:
    runtime, batcher, callers = _held(trap(), BatchPlan("on", max_rows=1))
    callers.call(1, batcher, _feed([1, 0]), bulk=True)
    _wait(lambda: batcher.queued_rows == 1)
    for number in (2, 3):
        callers.call(number, batcher, _feed([number, 0]))
        _wait(lambda number=number: batcher.queued_rows == number)
    runtime.gate.set()
    callers.join()
    assert runtime.order == [0, 2, 3, 1]


def test_more_than_the_plan_allows_is_refused_at_once() -> None:
    runtime = Watched(trap(), pause_s=0.05)
    batcher = Batcher(runtime, BatchPlan("on", max_rows=1, queue_s=0.12))
    batcher.run(_feed([0, 0]))
    callers = Callers()
    for number in range(12):
        callers.call(number, batcher, _feed([number, 0]))
    outcomes = callers.join()
    refused = [outcome for outcome in outcomes.values() if isinstance(outcome, Overloaded)]
    assert refused, "twelve calls of 50 ms cannot all wait in 120 ms"
    assert all(0.1 < error.retry_after_s < 1 for error in refused)
    assert len(refused) < 11


def test_a_call_that_cannot_be_in_time_is_refused_before_it_waits() -> None:
    runtime, batcher, callers = _held(trap(), ON)
    batcher.sizing.fit.add(1, 0.5, 0.5)
    callers.call("hopeless", batcher, _feed([1, 0]), seconds=0.2)
    _wait(lambda: "hopeless" in callers.outcomes)
    runtime.gate.set()
    assert isinstance(callers.join()["hopeless"], Overloaded)


class _Dies(Watched):
    """Ends its thread on the first run."""

    def run(self, feed: Feed) -> list[Any]:
        assert self.gate.wait(10)
        if not self.runs:
            self.runs.append(0)
            raise SystemExit
        return super().run(feed)


def test_a_leader_that_dies_hands_the_engine_on() -> None:
    runtime = _Dies(trap())
    batcher = Batcher(runtime, ON)
    runtime.gate.clear()
    callers = Callers().call("dead", batcher, _feed([0, 0]))
    _wait(lambda: bool(batcher._running))
    callers.call("alive", batcher, _feed([1, 0]))
    _wait(lambda: batcher.queued_rows == 1)
    runtime.gate.set()
    assert callers.join()["alive"].tolist() == [[1]]
    assert not batcher._running


class _Scalar(Watched):
    """An output without rows."""

    def run(self, feed: Feed) -> list[Any]:
        return [np.array(super().run(feed)[0].sum())]


def test_outputs_that_cannot_be_told_apart_end_the_joining() -> None:
    runtime = _Scalar(trap())
    batcher = Batcher(runtime, ON)
    runtime.gate.clear()
    callers = Callers().call(0, batcher, _feed([0, 0]))
    _wait(lambda: bool(batcher._running))
    for number in (1, 2, 3):
        callers.call(number, batcher, _feed([number, 0]))
    _wait(lambda: batcher.queued_rows == 3)
    runtime.gate.set()
    outcomes = callers.join()
    assert [float(outcomes[number]) for number in range(4)] == [0, 1, 2, 3]
    assert not batcher.sizing.joins


def test_a_model_that_mixes_rows_is_never_joined_even_when_told_to() -> None:
    batcher = Batcher(OnnxRuntime(mixing().model), ON)
    batcher.learn(_feed([1], [2], [5]))
    assert not batcher.sizing.joins
    assert batcher.run(_feed(*[[1]] * 64))[0].tolist() == [[0]] * 64


@pytest.mark.parametrize("golden", [[[1], [2], [5]], [[0], [0]], [[float("nan")], [0]], [[5], [7], [5]]])
def test_whatever_the_golden_rows_a_model_that_mixes_is_found_out(golden: list[list[float]]) -> None:
    assert mixes_rows(OnnxRuntime(mixing().model).run, _feed(*golden)) is True


def test_a_tiny_model_is_left_alone_and_a_long_one_stands_in_line() -> None:
    tiny, long = Batcher(OnnxRuntime(trap().model), BatchPlan()), Batcher(OnnxRuntime(slow(40).model), BatchPlan())
    tiny.learn(_feed([1, 0], [2, 0]))
    long.learn(_feed([1], [2]))
    assert (tiny.sizing.joins, tiny.sizing.queues) == (False, False)
    assert long.sizing.queues


def test_a_model_that_cannot_be_told_is_joined_only_on_demand() -> None:
    one = _feed([3, 0])
    one["X"] = one["X"].astype(np.float32)
    for mode, joins in (("auto", False), ("on", True)):
        batcher = Batcher(Watched(trap(), pause_s=0.002), BatchPlan(mode))  # type: ignore[arg-type]
        batcher.learn({"X": np.zeros((1, 2), dtype=np.float32)})
        assert batcher.sizing.joins is joins


def test_zipmap_lists_and_a_fixed_batch_axis_are_joined_like_others(served_shapes: "Shapes") -> None:
    for runtime, expected in served_shapes:
        batcher = Batcher(runtime, BatchPlan("on", max_rows=8, queue_s=60))
        callers = Callers()
        for number in range(40):
            callers.call(number, batcher, _feed([number, number % 3]))
        outcomes = callers.join()
        for number in range(40):
            assert expected(number, outcomes[number]), (number, outcomes[number])


Shapes = list[tuple[Watched, Callable[[int, Any], bool]]]


@pytest.fixture
def served_shapes() -> Shapes:
    """Answers as lists of mappings; and a runtime that takes three rows at a time."""
    listing = Watched(identity(2), pause_s=0.002)
    plain = listing.run
    listing.run = lambda feed: [[{"a": float(row[0])} for row in plain(feed)[0]]]  # type: ignore[method-assign]
    fixed = Watched(identity(2), pause_s=0.002)
    fixed._inner._fixed_rows = 3
    return [
        (listing, lambda number, answer: answer == [{"a": float(number)}]),
        (fixed, lambda number, answer: answer.tolist() == [[number, number % 3]]),
    ]


@settings(max_examples=25, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), min_size=1, max_size=24),
    most=st.integers(1, 12),
    delay=st.sampled_from([0.0, 0.002]),
)
def test_whatever_comes_everybody_gets_their_own_rows(
    calls: list[tuple[int, bool, bool]], most: int, delay: float
) -> None:
    """Calls of any size, some poison, some bulk, over any largest batch."""
    runtime = Watched(trap(), pause_s=0.0005)
    batcher = Batcher(runtime, BatchPlan("on", max_rows=most, delay_s=delay, queue_s=60))
    callers = Callers()
    for number, (rows, poison, bulk) in enumerate(calls):
        feed = _feed(*[[number * 10 + row, 7 if poison and row == rows - 1 else 0] for row in range(rows)])
        callers.call(number, batcher, feed, bulk=bulk)
    outcomes = callers.join()
    for number, (rows, poison, _) in enumerate(calls):
        if poison:
            assert isinstance(outcomes[number], RuntimeFailed)
        else:
            assert outcomes[number].tolist() == [[number * 10 + row] for row in range(rows)]
    assert not batcher._running
    assert batcher.queued_rows == 0
