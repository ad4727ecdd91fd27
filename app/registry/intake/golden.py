"""Golden rows: what a version answers on the day it is added, so that every later start can check it still does."""

from collections.abc import Iterable, Mapping
from typing import Any

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


def _outputs(version: ServedVersion, row: Mapping[str, Any]) -> dict[str, Any]:
    feed, _ = version.encoder.encode(Records([row], "features"))
    return {name: array[:1].tolist()[0] for name, array in version.run(feed).items()}
