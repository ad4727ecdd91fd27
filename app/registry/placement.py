"""Which tensor of a request holds which feature: by the name of an ONNX input, or by the feature's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from app.errors import clip
from app.registry.faults import Report
from app.registry.manifest import Feature
from app.runtimes.base import TensorSpec
from app.tensors import NUMPY_DTYPES, Array, Tensors


@dataclass(frozen=True, slots=True)
class Source:
    """One feature's values: shape (rows,), and a shaped feature's own axes behind it.

    ``tensor`` is the position among the tensors of the request, ``column`` that in a matrix of several features.
    """

    tensor: int
    column: int | None
    values: Array


class Placement:
    """Compiled once per loaded version."""

    def __init__(self, features: Sequence[Feature], inputs: Sequence[TensorSpec], entity_key: str | None) -> None:
        self._features = features
        self._at = {feature.name: at for at, feature in enumerate(features)}
        self._fed = {
            item.name: [at for at, feature in enumerate(features) if feature.input == item.name] for item in inputs
        }
        self._dtypes = {item.name: np.dtype(NUMPY_DTYPES[item.dtype]) for item in inputs}
        self._entity_key = entity_key

    def sources(self, tensors: Tensors) -> list[Source | None]:
        """One source per feature, None for one that no tensor holds.

        Raises:
            InvalidInput: a tensor of unknown name, of a dtype or shape that the model does not take, or one too many.
        """
        report = Report()
        found: list[Source | None] = [None] * len(self._features)
        by_input = tensors.columns.keys() - {self._entity_key} <= self._fed.keys()
        for number, (name, array) in enumerate(tensors.columns.items()):
            if report.full:
                break
            path = tensors.path.format(i=number, name=clip(name))
            if not _has_rows(array, tensors.rows, path, report) or name == self._entity_key:
                continue
            if name in self._fed and (by_input or name not in self._at):
                positions = self._fed[name]
            elif name in self._at:
                positions = [self._at[name]]
            else:
                report.add(path if "{name}" in tensors.path else f"{path}.name", self._unknown(name))
                continue
            dtype = tensors.declared.get(name, array.dtype)
            if self._takes(positions, array.shape, dtype, tensors.exact, path, report):
                self._put(found, positions, array, number, path, report)
        report.raise_if_any()
        return found

    def _takes(
        self,
        positions: list[int],
        given: tuple[int, ...],
        dtype: "np.dtype[Any]",
        exact: bool,
        path: str,
        report: Report,
    ) -> bool:
        feature = self._features[positions[0]]
        tensor, named = self._dtypes[feature.input], np.dtype(NUMPY_DTYPES[feature.dtype])
        allowed = {tensor} if len(positions) > 1 else {tensor, named}
        if not any(_holds(wanted, dtype, exact) for wanted in allowed):
            wish = " or ".join(sorted({_called(wanted) for wanted in allowed}))
            report.add(f"{path}.datatype", f"is {_called(dtype)}; the model takes {wish}")
            return False
        shape = (len(positions),) if len(positions) > 1 else feature.shape
        if not (_fits_shape(given[1:], shape) or (given[1:] == (1,) and not shape)):
            report.add(f"{path}.shape", f"is {_listed(given)}; the model takes {_listed((-1, *shape))}")
            return False
        return True

    def _put(
        self, found: list[Source | None], positions: list[int], array: Array, number: int, path: str, report: Report
    ) -> None:
        for column, at in enumerate(positions):
            if found[at] is not None:
                report.add(f"{path}.name", f"brings '{clip(self._features[at].name)}' a second time")
            elif len(positions) > 1:
                found[at] = Source(number, column, array[:, column])
            else:
                found[at] = Source(number, None, array if self._features[at].shape else array.reshape(len(array)))

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name[:64], [*self._fed, *self._at], n=1)
        return f"'{clip(name)}' is no input of this model" + (f"; did you mean '{near[0]}'?" if near else "")


def as_cells(values: Array, feature: Feature) -> list[Any]:
    """The values as JSON would have brought them: NaN as null, and 0 and 1 as the booleans they stand for."""
    cells: list[Any] = values.tolist()
    if values.dtype.kind == "f" and not feature.shape:
        cells = [None if cell != cell else cell for cell in cells]  # noqa: PLR0124 - only NaN differs from itself
    if feature.dtype == "bool" and values.dtype.kind in "fiu" and not feature.shape:
        words: Mapping[Any, Any] = {0: False, 1: True}
        cells = [words.get(cell, cell) for cell in cells]
    return cells


def _has_rows(array: Array, rows: int, path: str, report: Report) -> bool:
    if not array.ndim or not len(array):
        report.add(f"{path}.shape", "must begin with the number of rows, at least 1")
    elif rows and len(array) != rows:
        report.add(f"{path}.shape", f"has {len(array)} rows where the first tensor has {rows}")
    return bool(rows) and array.ndim > 0 and len(array) == rows


def _holds(wanted: "np.dtype[Any]", given: "np.dtype[Any]", exact: bool) -> bool:
    """Whether every value of a dtype is one of another; texts and lists of JSON values are looked at one by one."""
    if given == wanted or given.kind == "O":
        return True
    if "b" in (given.kind, wanted.kind) or "O" in (given.kind, wanted.kind):
        return False
    if not exact:
        return True
    if wanted.kind == "f" and given.kind in "iu":
        return bool(np.iinfo(given).max <= 2 ** (np.finfo(wanted).nmant + 1))
    return bool(np.can_cast(given, wanted, "safe"))


def _fits_shape(given: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(given) == len(wanted) and all(
        one == two or (two is None and one > 0) for one, two in zip(given, wanted, strict=True)
    )


def _called(dtype: "np.dtype[Any]") -> str:
    return "string" if dtype.kind == "O" else dtype.name


def _listed(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("-1" if axis is None else str(axis) for axis in shape[:8]) + "]"
