"""Columns of numbers: read, held against what the manifest allows, and handed on in the dtype of their tensor."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import ceil, floor, isinf, isnan
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any

import numpy as np

from app.registry.faults import Fault, accepted_types, category_message, range_message, suspects, type_message
from app.registry.manifest import Feature
from app.tensors import NUMPY_DTYPES, Array, all_true


class NumberBlock:
    """Numbers and booleans.

    What has bounds is held against them as it was written, in float64: rounded to the float32 of its tensor first,
    16.000000000000004 would be no more than 16, and 0.99999999999 a whole number.
    """

    def __init__(self, features: Sequence[Feature], dtype: str) -> None:
        self.features = features
        self._dtype = np.dtype(NUMPY_DTYPES[dtype])
        self._types = frozenset(chain.from_iterable(accepted_types(feature) for feature in features))
        self._mixed = len({accepted_types(feature) for feature in features}) > 1
        self._whole = [at for at, item in enumerate(features) if "int" in item.dtype or item.dtype == "bool"]
        self._floating = self._dtype.kind == "f"
        self._pack = Struct(f"{len(features)}d").pack
        self._read = np.dtype(np.float64) if self._floating and any(map(_is_bounded, features)) else self._dtype
        limits = np.array([_limits(feature, self._dtype) for feature in features], dtype=self._read)
        self._low, self._high = limits[:, 0], limits[:, 1]
        self._nan_allowed = np.array([feature.missing == "nan" for feature in features])
        self._any_nan = bool(self._nan_allowed.any())
        self._categories = [
            (at, _rounded_too(item.categories, self._dtype)) for at, item in enumerate(features) if item.categories
        ]

    def from_rows(self, rows: Sequence[Sequence[Any]], numbers_only: bool) -> Array | None:
        """See ``Block.from_rows``."""
        if self._mixed:
            return self.from_columns(list(zip(*rows, strict=True)))
        if not (numbers_only and self._floating) and not self._plain(chain.from_iterable(rows), self._types):
            return None
        return self._packed(rows) if self._floating else self._fitting(rows)

    def from_numbers(self, array: Array) -> Array | None:
        """See ``Block.from_numbers``."""
        return None if self._mixed or not self._floating else self._rounded(array)

    def from_columns(self, columns: Sequence[Sequence[Any]]) -> Array | None:
        """See ``Block.from_columns``."""
        if self._mixed:
            plain = all(map(self._plain, columns, map(accepted_types, self.features)))
        else:
            plain = self._plain(chain.from_iterable(columns), self._types)
        return self._fitting(columns, transposed=True) if plain else None

    def from_arrays(self, columns: Sequence[Array]) -> Array | None:
        """See ``Block.from_arrays``."""
        cast = [_as_dtype(column, self._read) for column in columns]
        if any(column is None for column in cast):
            return None
        return self._fitted(np.stack([column for column in cast if column is not None], axis=1))

    def from_whole(self, array: Array, declared: "np.dtype[Any]") -> Array | None:
        """See ``Block.from_whole``."""
        if declared != self._dtype or array.ndim != 2 or not len(array):
            return None
        if array.dtype == self._dtype:
            return array if self._fits(array) else None
        read = _as_dtype(array, self._read)
        return None if read is None else self._fitted(read)

    def _plain(self, cells: Iterable[Any], accepted: frozenset[type]) -> bool:
        """True when no cell can be misread: no wrong type, and no fraction on its way into an integer array."""
        types = set(map(type, cells))
        return types <= accepted and (self._floating or float not in types)

    def _packed(self, rows: Sequence[Sequence[Any]]) -> Array | None:
        """Rows on their way into a float array. numpy would look into each list twice, packing is thrice as fast."""
        try:
            cells = bytearray().join([self._pack(*row) for row in rows])
        except (StructError, TypeError, OverflowError):
            return None
        return self._rounded(np.frombuffer(cells).reshape(len(rows), -1))

    def _rounded(self, array: Array) -> Array | None:
        with np.errstate(over="ignore"):
            return self._fitted(array.astype(self._read, copy=False))

    def _fitting(self, cells: Sequence[Sequence[Any]], transposed: bool = False) -> Array | None:
        try:
            with np.errstate(over="ignore"):
                array = np.array(cells, dtype=self._read)
        except (ValueError, TypeError, OverflowError):
            return None
        if array.ndim != 2:
            return None
        return self._fitted(array.T if transposed else array)

    def _fitted(self, array: Array) -> Array | None:
        if not self._fits(array):
            return None
        return array if self._read is self._dtype else array.astype(self._dtype)

    def _fits(self, array: Array) -> bool:
        if array.shape[1] != len(self.features):
            return False
        inside = (array >= self._low) & (array <= self._high)
        if self._any_nan:
            inside |= np.isnan(array) & self._nan_allowed
        if not all_true(inside):
            return False
        if self._whole and self._floating and not all_true(_is_whole(array[:, self._whole])):
            return False
        return all(all_true(np.isin(array[:, at], allowed)) for at, allowed in self._categories)

    def faults(self, columns: Sequence[Sequence[Any]]) -> Iterator[Fault]:
        """See ``Block.faults``."""
        for position, (feature, column) in enumerate(zip(self.features, columns, strict=True)):
            accepted = accepted_types(feature)
            low, high = self._low[position], self._high[position]
            for row, value in suspects(NumberBlock([feature], self._dtype.name).from_columns, column):
                message = self._message(feature, value, accepted, low, high)
                if message:
                    yield Fault(row, position, message)

    def _message(self, feature: Feature, value: Any, accepted: frozenset[type], low: Any, high: Any) -> str | None:
        if type(value) not in accepted:
            return type_message(feature, value)
        if isinstance(value, float) and isnan(value):
            return None if feature.missing == "nan" else "must be a number"
        if "int" in feature.dtype and isinstance(value, float) and not (value.is_integer() or isinf(value)):
            return "must be a whole number"
        if not self._holds(feature, value, low, high):
            return range_message(feature, self._dtype, value)
        return category_message(feature, value)

    def _holds(self, feature: Feature, value: Any, low: Any, high: Any) -> bool:
        if type(value) is float and "int" in feature.dtype and abs(value) >= 2**63:
            return False  # more digits than JSON's reader kept: which integer it was is unknown
        try:
            with np.errstate(over="ignore"):
                return bool(low <= self._read.type(value) <= high)
        except OverflowError:
            return False


def _as_dtype(values: Array, dtype: "np.dtype[Any]") -> Array | None:
    """The values in another dtype, None where that would take more than rounding to a float."""
    if values.dtype == dtype:
        return values
    if values.dtype.kind == "O" or (dtype.kind != "f" and values.dtype.kind == "f"):
        return None
    with np.errstate(over="ignore"):
        cast = values.astype(dtype)
    return cast if dtype.kind == "f" or bool((cast == values).all()) else None


def _is_whole(array: Array) -> Any:
    return (np.trunc(array) == array) | np.isnan(array)


def _is_bounded(feature: Feature) -> bool:
    return feature.range is not None or feature.categories is not None or not feature.dtype.startswith("float")


def _limits(feature: Feature, dtype: "np.dtype[Any]") -> tuple[Any, Any]:
    """The allowed range, never wider than what the dtypes of the feature and of its tensor can hold."""
    if dtype.kind == "b":
        return False, True
    if feature.dtype == "bool":
        return 0, 1
    low, high = widest(dtype)
    named = np.dtype(NUMPY_DTYPES[feature.dtype])
    if dtype.kind == "f" and named.kind in "iu" and named.itemsize < 8:
        low, high = widest(named)
    wanted_low, wanted_high = feature.range or (None, None)
    if dtype.kind != "f":  # an array of integers would cut 0.5 off to 0
        wanted_low, wanted_high = wanted_low and ceil(wanted_low), wanted_high and floor(wanted_high)
    return (
        low if wanted_low is None else max(low, min(_rounded_too((wanted_low,), dtype))),
        high if wanted_high is None else min(high, max(_rounded_too((wanted_high,), dtype))),
    )


def widest(dtype: "np.dtype[Any]") -> tuple[Any, Any]:
    """The least and the greatest number that a dtype holds, rounded where it must be."""
    if dtype.kind != "f":
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    info = np.finfo(dtype)
    halfway = 2.0**info.maxexp - 2.0 ** (info.maxexp - info.nmant - 2) if dtype.itemsize < 8 else np.inf
    high = float(np.nextafter(halfway, 0))
    return -high, high


def _rounded_too(values: Sequence[Any], dtype: "np.dtype[Any]") -> tuple[Any, ...]:
    """The values and what they are once in a tensor, where a caller may have them from."""
    with np.errstate(over="ignore"):
        return (*values, *(float(dtype.type(value)) for value in values)) if dtype.kind == "f" else tuple(values)
