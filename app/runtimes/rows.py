"""The rows of a model's inputs and outputs: cut, copied, and laid end to end again."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.tensors import Feed


def cut(feed: Feed, start: int, end: int) -> Feed:
    """Some of the rows."""
    return {name: array[start:end] for name, array in feed.items()}


def repeated(feed: Feed, rows: int) -> Feed:
    """That many copies of the first row."""
    return {name: np.repeat(array[:1], rows, axis=0) for name, array in feed.items()}


def has_rows(output: Any, rows: int) -> bool:
    """Whether an output can be cut into so many rows."""
    return (isinstance(output, list) or bool(getattr(output, "ndim", 0))) and len(output) == rows


def part(output: Any, start: int, end: int) -> Any:
    """Some rows of an output, copied: a row that is kept must not keep the whole batch alive."""
    rows = output[start:end]
    return rows if isinstance(rows, list) else rows.copy()


def join(parts: Sequence[Any]) -> Any:
    """One output from those of several runs: arrays, or lists with an entry for each row."""
    return [row for part in parts for row in part] if isinstance(parts[0], list) else np.concatenate(parts)
