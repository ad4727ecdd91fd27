"""Many rows in parts, a few parts at a time, answers in the order of the rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from sluice_client.answers import Prediction, Predictions
from sluice_client.errors import BatchFailed, SluiceError

Ask = Callable[[int, int], Predictions]
"""Predicts the rows from one to another."""

Progress = Callable[[int, int], object]


def in_parts(ask: Ask, total: int, size: int, parallel: int, progress: Progress | None) -> Predictions:
    """Every row's prediction. No more than ``parallel`` parts are under way or waiting to be taken.

    Raises:
        BatchFailed: from the error of the first part that failed; parts that were not begun are not begun any more.
    """
    done: list[Prediction] = []
    with ThreadPoolExecutor(parallel, thread_name_prefix="sluice-batch") as pool:
        for start, part in _answers(pool, ask, range(0, total, size), total, parallel):
            try:
                done.extend(part.result())
            except SluiceError as error:
                pool.shutdown(wait=True, cancel_futures=True)
                raise BatchFailed(start, min(size, total - start), Predictions(done)) from error
            if progress is not None:
                progress(len(done), total)
    return Predictions(done)


def _answers(
    pool: ThreadPoolExecutor, ask: Ask, starts: range, total: int, parallel: int
) -> Iterator[tuple[int, Future[Predictions]]]:
    """The parts in order, the next one begun whenever one is taken."""
    window: deque[tuple[int, Future[Predictions]]] = deque()
    for start in starts:
        window.append((start, pool.submit(ask, start, min(start + starts.step, total))))
        if len(window) >= parallel:
            yield window.popleft()
    yield from window
