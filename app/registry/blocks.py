"""Columns of one dtype, made into one array and checked all at once.

A block is the unit of speed: twenty float features cost one numpy conversion and one comparison, not twenty. The
common case is only ever asked "does all of it fit?"; which cell does not, and why, is worked out when the answer is no.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import prod
from typing import Any, Protocol

import numpy as np

from app.registry.faults import Fault, category_message, suspects, type_message
from app.registry.manifest import Feature
from app.registry.numbers import NumberBlock
from app.tensors import Array


class Block(Protocol):
    """Features of one dtype. Arrays have shape (rows, features); a shaped feature adds its own axes."""

    features: Sequence[Feature]

    def from_rows(self, rows: Sequence[Sequence[Any]], numbers_only: bool) -> Array | None:
        """Rows whose cells are in block order; None when they need a closer look."""
        ...

    def from_columns(self, columns: Sequence[Sequence[Any]]) -> Array | None:
        """The same, one sequence per feature."""
        ...

    def from_arrays(self, columns: Sequence[Array]) -> Array | None:
        """The same, one array per feature."""
        ...

    def from_whole(self, array: Array, declared: "np.dtype[Any]") -> Array | None:
        """An array that may already be what the block makes: itself, never a copy, when it is.

        ``declared`` is what its sender calls it, where it holds more digits than that.
        """
        ...

    def faults(self, columns: Sequence[Sequence[Any]]) -> Iterator[Fault]:
        """Every cell that does not fit, nulls already replaced."""
        ...


class TextBlock:
    """Strings."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = features
        self._categories = [
            (at, frozenset(item.categories)) for at, item in enumerate(features) if item.categories is not None
        ]

    def from_rows(self, rows: Sequence[Sequence[Any]], numbers_only: bool) -> Array | None:
        """See ``Block.from_rows``."""
        return None if numbers_only else self.from_columns(list(zip(*rows, strict=True)))

    def from_columns(self, columns: Sequence[Sequence[Any]]) -> Array | None:
        """See ``Block.from_columns``."""
        if set(map(type, chain.from_iterable(columns))) != {str}:
            return None
        if not all(allowed.issuperset(columns[at]) for at, allowed in self._categories):
            return None
        array = np.empty((len(columns[0]), len(columns)), dtype=np.object_)
        for at, column in enumerate(columns):
            array[:, at] = column
        return array

    def from_arrays(self, columns: Sequence[Array]) -> Array | None:
        """See ``Block.from_arrays``."""
        return self.from_columns([column.tolist() for column in columns])

    def from_whole(self, array: Array, declared: "np.dtype[Any]") -> Array | None:
        """See ``Block.from_whole``; texts are looked at one by one in any case."""
        fits = array.dtype.kind == "O" and array.ndim == 2 and len(array) and array.shape[1] == len(self.features)
        return self.from_columns(array.T.tolist()) if fits else None

    def faults(self, columns: Sequence[Sequence[Any]]) -> Iterator[Fault]:
        """See ``Block.faults``."""
        for position, (feature, column) in enumerate(zip(self.features, columns, strict=True)):
            for row, value in suspects(TextBlock([feature]).from_columns, column):
                message = category_message(feature, value) if type(value) is str else type_message(feature, value)
                if message:
                    yield Fault(row, position, message)


class ShapedBlock:
    """One feature whose every value is itself an array: an image, a sequence, an embedding.

    The cells of all rows are laid end to end as one plain column, checked there, and folded back.
    """

    def __init__(self, feature: Feature, dtype: str) -> None:
        self.features: Sequence[Feature] = (feature,)
        self._shape = feature.shape
        self._cells: Block = TextBlock([feature]) if dtype == "string" else NumberBlock([feature], dtype)

    def from_rows(self, rows: Sequence[Sequence[Any]], numbers_only: bool) -> Array | None:
        """See ``Block.from_rows``."""
        return self.from_columns([[row[0] for row in rows]])

    def from_columns(self, columns: Sequence[Sequence[Any]]) -> Array | None:
        """See ``Block.from_columns``."""
        flat, dims = self._unfold(columns[0])
        if dims is None:
            return None
        array = self._cells.from_columns([flat])
        return None if array is None else array.reshape(len(columns[0]), *dims)

    def from_arrays(self, columns: Sequence[Array]) -> Array | None:
        """See ``Block.from_arrays``."""
        flat = self._cells.from_arrays([columns[0].reshape(-1)])
        return None if flat is None else flat.reshape(columns[0].shape)

    def from_whole(self, array: Array, declared: "np.dtype[Any]") -> Array | None:
        """See ``Block.from_whole``."""
        axes = zip(self._shape, array.shape[1:], strict=False)
        if array.ndim != len(self._shape) + 1 or not array.size or any(axis not in (None, size) for axis, size in axes):
            return None
        flat = self._cells.from_whole(array.reshape(-1, 1), declared)
        return None if flat is None else flat.reshape(array.shape)

    def faults(self, columns: Sequence[Sequence[Any]]) -> Iterator[Fault]:
        """See ``Block.faults``."""
        rows = len(columns[0])
        flat, dims = self._unfold(columns[0])
        if dims is not None:
            size = prod(dims)
            yield from (Fault(fault.row // size, 0, fault.message) for fault in self._cells.faults([flat]))
            return
        wanted = "x".join("n" if axis is None else str(axis) for axis in self._shape)
        for row in range(rows):
            if self._unfold(columns[0][row : row + 1])[1] is None:
                yield Fault(row, 0, f"must be nested lists of shape {wanted}")
                return
        yield Fault(
            0, 0, "must have the same shape in every row of a request; pad the shorter ones, or send rows apart"
        )

    def _unfold(self, values: Sequence[Any]) -> tuple[list[Any], list[int] | None]:
        """All cells in row-major order and the lengths of the axes, None where they are ragged or of another rank."""
        flat, dims = list(values), list[int]()
        for axis in self._shape:
            if set(map(type, flat)) != {list}:
                return [], None
            lengths = set(map(len, flat))
            if len(lengths) != 1 or (axis is not None and lengths != {axis}) or lengths == {0}:
                return [], None
            dims += lengths
            flat = list(chain.from_iterable(flat))
        return flat, dims
