"""Rows in any form people have them -> the JSON of a request. numpy and pandas are recognised, never imported."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Entity = Mapping[str, Any]
"""Whom rows are about, by the model's own name for it: ``{"customer_id": "C-1"}``, or one id per row."""


def one_row(features: Any, entity: Entity | None) -> dict[str, Any]:
    """A single row: values by name, or in order. A pandas Series has names, a numpy array has not."""
    return {**(entity or {}), "features": _row(features)}


def many_rows(instances: Any, entity: Entity | None) -> dict[str, Any]:
    """Several rows: a list of either kind, a matrix, a DataFrame (whose columns are the names)."""
    if _is_frame(instances):
        return by_column(instances, entity)
    rows = [_row(row) for row in (instances.tolist() if hasattr(instances, "tolist") else instances)]
    return {"instances": rows if not entity else _with_entities(rows, entity)}


def by_column(columns: Any, entity: Entity | None) -> dict[str, Any]:
    """One list of values per feature; the values may be a list, an array or a Series."""
    named = {str(name): [_plain(value) for value in _listed(columns[name])] for name in columns}
    return {"columns": named | {name: _listed(ids) for name, ids in (entity or {}).items()}}


def row_count(rows: Any) -> int:
    """How many rows there are: a Series, an array, a list and a DataFrame know."""
    return len(rows)


def part_of(rows: Any, start: int, stop: int) -> Any:
    """The rows from one to another, in the form they are in."""
    return rows.iloc[start:stop] if _is_frame(rows) else rows[start:stop]


def _row(row: Any) -> Any:
    if hasattr(row, "to_dict"):
        row = row.to_dict()
    if isinstance(row, str) or not hasattr(row, "__iter__"):
        raise TypeError(f"a row is a mapping or a list of values, not {type(row).__name__}")
    if isinstance(row, Mapping):
        return {str(name): _plain(value) for name, value in row.items()}
    return [_plain(value) for value in _listed(row)]


def _with_entities(rows: Sequence[Any], entity: Entity) -> list[dict[str, Any]]:
    """Each row as a body of its own, which holds for rows by name and in order alike."""
    lists = {name: _listed(ids) for name, ids in entity.items()}
    for name, ids in lists.items():
        if len(ids) != len(rows):
            raise ValueError(f"{name} holds {len(ids)} ids for {len(rows)} rows")
    return [{**{name: ids[at] for name, ids in lists.items()}, "features": row} for at, row in enumerate(rows)]


def _listed(values: Any) -> list[Any]:
    return list(values.tolist() if hasattr(values, "tolist") else values)


def _plain(value: Any) -> Any:
    """JSON's own kinds: numpy's scalars as numbers, and NaN, NaT and pandas.NA as null."""
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError("an infinite number cannot be sent")
        return None if math.isnan(value) else value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    raise TypeError(f"a value of {type(value).__name__} cannot be sent; numbers, strings, booleans and None can")


def _is_frame(rows: Any) -> bool:
    return hasattr(rows, "columns") and hasattr(rows, "iloc")
