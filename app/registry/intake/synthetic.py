"""Made-up rows, for a model that comes without a sample: always the same ones for the same inputs."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from app.registry.intake.columns import Column
from app.registry.intake.probe import Probe, Row
from app.registry.intake.slots import Slot

ROWS = 24
_SCALES = (1.0, 10.0, 0.0, 100.0)
_FREE_AXES = (8, 32, 1)
"""Lengths that are tried for axes which the model leaves open."""


def rows_the_model_takes(columns: Sequence[Column], words: Sequence[Sequence[str]], probe: Probe) -> list[Row]:
    """Up to ``ROWS`` rows that get an answer; none when nothing that was tried does."""
    for length in _FREE_AXES:
        taken = [row for row in _rows(columns, words, length) if probe.takes(row)]
        if taken:
            return taken
    return []


def first_row(columns: Sequence[Column], words: Sequence[Sequence[str]]) -> Row:
    """The first row that is tried, to ask why it was not taken."""
    return next(_rows(columns, words, _FREE_AXES[0]))


def _rows(columns: Sequence[Column], words: Sequence[Sequence[str]], length: int) -> Iterator[Row]:
    random = np.random.default_rng(0)
    for number in range(ROWS):
        known = iter(words)
        yield {column.name: _value(random, number, column.slot, known, length) for column in columns}


def _value(random: np.random.Generator, number: int, slot: Slot, words: Iterator[Sequence[str]], length: int) -> Any:
    if slot.dtype == "string" and not slot.shape:
        known = next(words, ("",))
        return known[number % len(known)]
    shape = tuple(axis or length for axis in slot.shape)
    return _cells(random, number, slot.dtype, shape).tolist()


def _cells(random: np.random.Generator, number: int, dtype: str, shape: tuple[int, ...]) -> Any:
    if dtype == "string":
        return np.full(shape, "")
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool) if shape else np.bool_(random.integers(0, 2))
    if "int" in dtype:
        return np.asarray(random.integers(0, 3, shape))
    return np.asarray(random.normal(0, _SCALES[number % len(_SCALES)], shape)).round(3)
