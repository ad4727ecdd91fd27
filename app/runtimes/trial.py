"""Trying a model out before it serves: may rows of strangers run together?"""

from collections.abc import Callable
from typing import Any

import numpy as np

from app.runtimes.base import RuntimeFailed
from app.runtimes.rows import cut, has_rows
from app.tensors import Array, Feed

Run = Callable[[Feed], list[Any]]

_MOST_ROWS = 3
_LEAST, _GREATEST = 1e-6, 1e6
_TOLERANCE = 1e-3
"""Of the largest number of an output: more than kernels for different sizes differ by, less than any mixing does."""


def mixes_rows(run: Run, rows: Feed) -> bool | None:
    """Whether a row's outputs depend on the rows beside it; None when these rows cannot tell.

    Three rows at most are run together and then one by one: a mean or a softmax over the batch shows, and so does an
    output that has no row for each row.
    """
    for sample in (_varied(rows), _few(rows)):
        count = len(next(iter(sample.values())))
        if not _distinct(sample, count):
            continue
        try:
            return not _equal(run(sample), [run(cut(sample, row, row + 1)) for row in range(count)], count)
        except RuntimeFailed:
            continue
    return None


def spread(rows: Array, factors: Array) -> Array:
    """Float rows times factors. What would not vary so (0, NaN), or would drown the rest (1e30), becomes 1 first."""
    size = np.abs(rows.astype(np.float64))
    ordinary = (size > _LEAST) & (size < _GREATEST)
    made: Array = (np.where(ordinary, rows, 1) * factors).astype(rows.dtype)
    return made


def differs(rows: Array) -> bool:
    """Whether any row is another than the first; NaN is no other than NaN."""
    other = rows != rows[:1]
    if rows.dtype.kind == "f":
        other &= ~(np.isnan(rows) & np.isnan(rows[:1]))
    return bool(other.any())


def _few(rows: Feed) -> Feed:
    return cut(rows, 0, _MOST_ROWS)


def _varied(rows: Feed) -> Feed:
    """Like the rows, every fraction in them another."""
    made = {}
    for name, array in rows.items():
        some = np.take(array, np.arange(_MOST_ROWS) % len(array), axis=0)
        if array.dtype.kind == "f":
            some = spread(some, np.random.default_rng(0).uniform(0.5, 1.5, some.shape))
        made[name] = some
    return made


def _distinct(sample: Feed, count: int) -> bool:
    return count > 1 and any(map(differs, sample.values()))


def _equal(together: list[Any], alone: list[list[Any]], count: int) -> bool:
    outputs = zip(together, *alone, strict=True)
    return all(
        has_rows(whole, count)
        and all(has_rows(one, 1) and _same(whole[row], one[0], whole) for row, one in enumerate(pieces))
        for whole, *pieces in outputs
    )


def _same(left: Any, right: Any, whole: Any) -> bool:
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(abs(left[key] - right[key]) <= _TOLERANCE for key in left)
    one, other = np.asarray(left), np.asarray(right)
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool((one == other).all())
    finite = np.abs(whole[np.isfinite(whole)])
    return bool(np.allclose(one, other, _TOLERANCE, _TOLERANCE * float(finite.max(initial=0)), equal_nan=True))
