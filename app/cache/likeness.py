"""May the rows of a request be remembered one by one? Only the model knows, so it is asked.

Three kinds of models are served. Trees answer a row the same alone and in company, to the last bit. Where matrices are
multiplied, a row alone takes another kernel than rows together and may differ in the last bit; among two or more it is
stable. And some models mix the rows of a request (a softmax over the batch, a mean): their rows mean nothing alone.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from itertools import pairwise
from time import perf_counter

import numpy as np

from app.errors import ModelFailed
from app.runtimes.rows import cut
from app.runtimes.trial import differs, spread
from app.tensors import Array, Feed

Run = Callable[[Feed], Mapping[str, Array]]

BUDGET_S = 0.02
_FEWEST, _MOST = 8, 64

LEAST_S, FEWEST_RUNS = 3 * BUDGET_S, 3 * _FEWEST + 1
"""What a verdict takes: of a model whose rows are quick so much time, of any other so many times a row's."""

_SEED = 2026


class Likeness(Enum):
    """How a row's outputs depend on the rows beside it."""

    SAME = "a row alone and among others gives the same bytes"
    APART = "a row alone gives other last bits than among others; the two are remembered apart"
    MIXED = "rows of one request change each other's answers; only requests of one row are remembered"


def likeness(run: Run, feed: Feed) -> Likeness | None:
    """Try the model on rows like those of the feed, in different company: about ``LEAST_S``, or two dozen rows.

    None when these rows cannot tell: all are equal, or the model has no finite answer for some.

    Raises:
        ModelFailed: it would not compute the feed's own rows.
    """
    try:
        return _tried(run, feed, varied=True)
    except ModelFailed:
        return _tried(run, feed, varied=False)


def _tried(run: Run, feed: Feed, varied: bool) -> Likeness | None:
    if not _distinct(_rows_like(feed, _MOST, varied)):
        return None
    first = run(_rows_like(feed, 1, varied))
    started = perf_counter()
    run(_rows_like(feed, 1, varied))
    count = min(max(int(BUDGET_S / (perf_counter() - started + 1e-9)), _FEWEST), _MOST) // _FEWEST * _FEWEST
    sample = _rows_like(feed, count, varied)
    together = run(sample)
    if any(len(array.shape) == 0 or len(array) != count for array in together.values()):
        return Likeness.MIXED
    ends = sorted({0, _alike(count), count // 2, count})
    if not _equal(together, [run(cut(sample, start, end)) for start, end in pairwise(ends)]):
        return Likeness.MIXED
    if any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in together.values()):
        return None
    alone = [first, *(run(cut(sample, row, row + 1)) for row in range(1, count))]
    return Likeness.SAME if _equal(together, alone) else Likeness.APART


def _rows_like(feed: Feed, count: int, varied: bool) -> Feed:
    """That many rows: some copies of the first, which so keep each other's company, and then the others in turn.

    Fractions vary, for a difference in the last bit does not show in every number. Those that would not (0, NaN) or
    beside which others would not count (1e30) become ordinary ones.
    """
    others = np.arange(count) - _alike(count) + 1
    chosen = np.where(others > 0, others * max(1, len(next(iter(feed.values()))) // count), 0)
    made = {}
    for name, array in feed.items():
        rows = np.take(array, chosen % len(array), axis=0)
        if varied and array.dtype.kind == "f":
            factors = np.random.default_rng(_SEED).uniform(0.5, 1.5, (_MOST, *array.shape[1:]))
            rows = spread(rows, factors[:count])
        made[name] = rows
    return made


def _alike(count: int) -> int:
    """How many of so many rows are copies of the first; kernels that take four at a time take these by themselves."""
    return max(4, count // 16 * 4)


def _distinct(feed: Feed) -> bool:
    return any(map(differs, feed.values()))


def _equal(whole: Mapping[str, Array], parts: list[Mapping[str, Array]]) -> bool:
    """Whether the parts laid end to end are the whole, byte for byte."""
    return all(_same(array, [part[name] for part in parts]) for name, array in whole.items())


def _same(array: Array, pieces: list[Array]) -> bool:
    if any(
        (piece.dtype, piece.ndim, piece.shape[1:]) != (array.dtype, array.ndim, array.shape[1:]) for piece in pieces
    ):
        return False
    joined = np.concatenate(pieces)
    if joined.shape != array.shape:
        return False
    return bool((joined == array).all()) if array.dtype.kind in "OU" else joined.tobytes() == array.tobytes()
