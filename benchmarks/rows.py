"""The rows that everyone is sent, made from one seed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

FEATURES = 20
POOL_ROWS = 20_000
SEED = 20261122


def rows_like(rows: int) -> NDArray[np.float32]:
    """Some rows as models take them, the same at each call."""
    return np.random.default_rng(rows).normal(size=(rows, FEATURES)).astype(np.float32)


def bodies(rows: int) -> Iterator[bytes]:
    """Requests of this server without end, all different."""
    random = np.random.default_rng(SEED + rows)
    while True:
        values = random.normal(size=(rows, FEATURES)).tolist()
        yield orjson.dumps({"features": values[0]} if rows == 1 else {"instances": values})


def pool(folder: Path, *, binary: bool) -> Path:
    """The file of rows without their first number, which the load script adds: lines of text, or float32 after float32.

    Made when it is asked for first.
    """
    file = folder / ("rows.f32" if binary else "rows.csv")
    if not file.exists():
        file.write_bytes(_pool().astype("<f4").tobytes() if binary else b"".join(map(_line, _pool().tolist())))
    return file


def _pool() -> NDArray[Any]:
    return np.random.default_rng(SEED + 1).normal(size=(POOL_ROWS, FEATURES - 1))


def _line(rest: list[float]) -> bytes:
    return b"," + orjson.dumps(rest)[1:-1] + b"\n"
