"""Golden rows: what a version answers on the day it is added, so that every later start can check it still does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from app.registry.intake.columns import Column
from app.registry.intake.probe import Row
from app.registry.manifest import GoldenRow
from app.registry.version import ServedVersion
from app.tensors import Records

GOLDEN_ROWS = 5
"""Enough to notice another model; few enough to keep a start short."""

GOLDEN_CELLS = 20_000
"""Values in all golden rows together; pictures and long sequences get fewer rows, but at least one."""


def record_golden(version: ServedVersion, rows: Iterable[Mapping[str, Any]]) -> tuple[GoldenRow, ...]:
    """Each row with every output the model gives for it, computed as a request would be.

    Raises:
        InvalidInput: a row does not fit the manifest.
        ModelFailed: the runtime would not compute a row.
    """
    return tuple(GoldenRow(dict(row), _outputs(version, row)) for row in rows)


def golden_candidates(columns: Sequence[Column]) -> list[Row]:
    """Rows as the sample has them: whole ones first, because the first becomes the example, then some with gaps."""
    names = [column.name for column in columns]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*(column.values for column in columns), strict=True)]
    whole = [row for row in rows if None not in row.values()]
    return spread(whole, GOLDEN_ROWS * 4) + spread([row for row in rows if None in row.values()], GOLDEN_ROWS)


def choose(rows: Sequence[Row]) -> list[Row]:
    """The rows to remember: the first ones and the last, which has gaps if any has.

    Fewer of wide rows, since each start reads and runs them.
    """
    cells = sum(np.size(value) for value in rows[0].values()) if rows else 1
    wanted = min(GOLDEN_ROWS, max(1, GOLDEN_CELLS // cells))
    return list(rows) if len(rows) <= wanted else [*rows[: wanted - 1], rows[-1]]


def spread(rows: Sequence[Row], wanted: int) -> list[Row]:
    """About as many rows as wanted, evenly from the first to the last."""
    step = max(1, len(rows) // wanted)
    return list(rows[::step][:wanted])


def alike(rows: Sequence[Row]) -> list[Row]:
    """Those that can stand in one request with the first: its lists are as long."""
    return [row for row in rows if _shapes(row) == _shapes(rows[0])]


def _shapes(row: Row) -> list[tuple[int, ...]]:
    return [np.shape(value) for value in row.values() if isinstance(value, list)]


def _outputs(version: ServedVersion, row: Mapping[str, Any]) -> dict[str, Any]:
    feed, _ = version.encoder.encode(Records([row], "features"))
    return {name: array[:1].tolist()[0] for name, array in version.run(feed).items()}
