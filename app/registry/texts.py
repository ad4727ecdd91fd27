"""Columns whose every cell is text, as CSV has them -> the values JSON would have brought.

A cell that does not read as its feature's kind stays text, and the encoder then says what was wanted there.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from app.registry.manifest import Feature
from app.tensors import Columns

_NUMBERS = re.compile(r"[-+0-9.eE\n]*").fullmatch
_TRUTHS = {"true": True, "false": False}
_WHOLE = re.compile(r"[-+]?[0-9]{1,400}").fullmatch


def read_texts(instances: Columns, features: Sequence[Feature]) -> Columns:
    """The same columns with each cell read by its feature's dtype; an empty one is a missing value."""
    known = {feature.name: feature for feature in features}
    columns = {
        name: _column(cells, known[name]) if name in known else cells for name, cells in instances.columns.items()
    }
    return Columns(columns, instances.path)


def _column(cells: Sequence[str], feature: Feature) -> Sequence[Any]:
    if feature.shape:
        return [_list(cell) for cell in cells]
    if feature.dtype == "string":
        return [cell or None for cell in cells]
    if feature.dtype == "bool":
        return [_TRUTHS.get(cell.lower(), cell) if cell else None for cell in cells]
    if feature.dtype.startswith("float") and _NUMBERS("\n".join(cells)):
        try:
            return [float(cell) for cell in cells]
        except ValueError:
            pass  # some are empty, or no numbers although made of the same letters
    return [_number(cell) for cell in cells]


def _number(cell: str) -> Any:
    if not cell:
        return None
    if _WHOLE(cell):
        return int(cell)
    try:
        return float(cell) if _NUMBERS(cell) else cell
    except ValueError:
        return cell


def _list(cell: str) -> Any:
    try:
        return orjson.loads(cell) if cell else None
    except orjson.JSONDecodeError:
        return cell
