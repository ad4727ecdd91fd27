"""Rows as a caller writes them -> the arrays the model's ONNX inputs want, or every field that does not fit.

Two passes share one set of rules. The first assumes clean rows and is a handful of numpy calls. Whatever it will not
vouch for (a null, a missing or unknown name, a wrong type, a value out of range) goes to the second, which fills in
what the manifest says about missing values and otherwise reports field by field.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from operator import itemgetter
from typing import Any

from app.errors import InvalidInput, clip
from app.registry.blocks import Block, NumberBlock, ShapedBlock, TextBlock
from app.registry.faults import MAX_REPORTED, Report
from app.registry.manifest import Feature
from app.runtimes.base import TensorSpec
from app.tensors import Array, Columns, Feed, Instances, Records, Rows

_ABSENT = object()
_FILLED = frozenset({type(None), object})
_FILLED_WHOLE = _FILLED | {float}
"""Types of cells that may have to be replaced, in any column and in one of integers."""


class Encoder:
    """Compiled once per loaded version; stateless and thread-safe afterwards."""

    def __init__(
        self, features: Sequence[Feature], inputs: Sequence[TensorSpec], entity_key: str | None = None
    ) -> None:
        self._features = features
        self._names = [feature.name for feature in features]
        self._known = {*self._names, *([entity_key] if entity_key else [])}
        self._entity_key = entity_key
        self._pick = itemgetter(*self._names)
        self._blocks = _blocks(features, {item.name: item.dtype for item in inputs})
        at = {name: position for position, name in enumerate(self._names)}
        self._positions = [[at[feature.name] for feature in block.features] for block in self._blocks]
        self._lone = self._blocks[0] if len(self._blocks) == 1 else None
        self._lone_input = inputs[0].name if self._lone and len(inputs) == 1 and len(inputs[0].shape) != 1 else None
        self._plan = [(item, self._sources(item.name)) for item in inputs]

    def encode(self, instances: Instances) -> tuple[Feed, int]:
        """The feed for the runtime and its number of rows.

        Raises:
            InvalidInput: names every field that does not fit, up to ``MAX_REPORTED``.
        """
        if isinstance(instances, Columns):
            return self._encode_columns(instances)
        rows = self._ordered(instances)
        if rows is not None and self._lone is not None:
            array = self._lone.from_rows(rows, isinstance(instances, Rows) and instances.numbers_only)
            if array is not None:
                return self._feed([array]), len(rows)
        elif rows is not None:
            feed = self._clean(list(zip(*rows, strict=True)))
            if feed is not None:
                return feed, len(rows)
        return self._second_look(instances)

    def _ordered(self, instances: Records | Rows) -> Sequence[Sequence[Any]] | None:
        """Every row's values in feature order, or None when a row has other names or another length."""
        width = len(self._names)
        if isinstance(instances, Rows):
            return instances.rows if all(len(row) == width for row in instances.rows) else None
        try:
            picked = [self._pick(row) for row in instances.rows]
        except KeyError:
            return None
        if any(len(row) != width and not self._only_key_besides(row) for row in instances.rows):
            return None
        return picked if width > 1 else [(value,) for value in picked]

    def _only_key_besides(self, row: Mapping[str, Any]) -> bool:
        return len(row) == len(self._names) + 1 and self._entity_key in row

    def _encode_columns(self, instances: Columns) -> tuple[Feed, int]:
        columns = instances.columns
        if columns.keys() - {self._entity_key} == set(self._names):
            values = [columns[name] for name in self._names]
            if len({len(column) for column in values}) == 1 and values[0]:
                feed = self._clean(values)
                if feed is not None:
                    return feed, len(values[0])
        return self._second_look(instances)

    def _clean(self, columns: Sequence[Sequence[Any]]) -> Feed | None:
        arrays = []
        for block, positions in zip(self._blocks, self._positions, strict=True):
            array = block.from_columns([columns[at] for at in positions])
            if array is None:
                return None
            arrays.append(array)
        return self._feed(arrays)

    def _feed(self, arrays: Sequence[Array]) -> Feed:
        if self._lone_input is not None:
            return {self._lone_input: arrays[0]}
        feed = {}
        for spec, (block, positions) in self._plan:
            array = arrays[block]
            if positions is not None:
                array = array[:, positions]
            feed[spec.name] = array.reshape(len(array)) if len(spec.shape) == 1 else array
        return feed

    def _sources(self, name: str) -> tuple[int, slice | list[int] | None]:
        """Which block holds an input's columns, and which of its columns (None: all, in order)."""
        for number, block in enumerate(self._blocks):
            positions = [at for at, feature in enumerate(block.features) if feature.input == name]
            if positions and len(positions) == len(block.features):
                return number, None
            if positions:
                consecutive = positions == list(range(positions[0], positions[-1] + 1))
                return number, slice(positions[0], positions[-1] + 1) if consecutive else positions
        raise ValueError(f"no feature feeds the input '{name}'")

    # The second look: slower, exact, and the only place that writes messages.

    def _second_look(self, instances: Instances) -> tuple[Feed, int]:
        report = Report()
        columns = self._gather(instances, report)
        for feature, column in zip(self._features, columns, strict=True):
            self._fill(instances, feature, column, report)
        report.raise_if_any()
        feed = self._clean(columns)
        if feed is None:
            for block, positions in zip(self._blocks, self._positions, strict=True):
                for fault in islice(block.faults([columns[at] for at in positions]), MAX_REPORTED):
                    feature = block.features[fault.position]
                    report.add(*self._located(instances, feature.name, fault.row, fault.message))
            report.raise_if_any()
            raise InvalidInput({_row_path(instances, 0): ["does not fit the model's features"]})
        return feed, len(columns[0])

    def _gather(self, instances: Instances, report: Report) -> list[list[Any]]:
        """One list per feature, ``_ABSENT`` where a row or the body does not name it.

        Raises:
            InvalidInput: rows or columns of several lengths make no table that could be looked at further.
        """
        if isinstance(instances, Columns):
            return self._gather_columns(instances, report)
        if isinstance(instances, Rows):
            return self._gather_rows(instances, report)
        for number, record in enumerate(instances.rows):
            self._report_unknown(record, _row_path(instances, number), report)
        return [[row.get(name, _ABSENT) for row in instances.rows] for name in self._names]

    def _gather_rows(self, instances: Rows, report: Report) -> list[list[Any]]:
        width = len(self._names)
        for number, row in enumerate(instances.rows):
            if len(row) != width:
                report.add(_row_path(instances, number), f"must hold {width} values in order, not {len(row)}")
        report.raise_if_any()
        return [list(column) for column in zip(*instances.rows, strict=True)]

    def _gather_columns(self, instances: Columns, report: Report) -> list[list[Any]]:
        self._report_unknown(instances.columns, instances.path, report)
        lengths = {name: len(instances.columns[name]) for name in self._names if name in instances.columns}
        rows = max(lengths.values(), default=0)
        if not rows and not report:
            report.add(instances.path, "must hold at least one row")
        uneven = {name: length for name, length in lengths.items() if length != rows}
        for name, length in uneven.items():
            report.add(f"{instances.path}.{name}", f"has {length} values where other columns have {rows}")
        if uneven or not rows:
            report.raise_if_any()
        return [list(instances.columns.get(name, [_ABSENT] * rows)) for name in self._names]

    def _report_unknown(self, named: Mapping[str, Any], path: str, report: Report) -> None:
        """The search for a near name is what costs: no more of them than will be shown."""
        if len(named) <= len(self._known) and named.keys() <= self._known:
            return
        for name in named:
            if report.full:
                return
            if name not in self._known:
                report.add(f"{path}.{clip(name)}", self._unknown_message(name))

    def _fill(self, instances: Instances, feature: Feature, column: list[Any], report: Report) -> None:
        """In place: missing values by the manifest's policy (null and an absent name mean the same), 1.0 as 1."""
        whole = "int" in feature.dtype
        if set(map(type, column)).isdisjoint(_FILLED if not whole else _FILLED_WHOLE):
            return
        for row, value in enumerate(column):
            if value is not None and value is not _ABSENT:
                if whole and type(value) is float and value.is_integer() and abs(value) < 2**63:
                    column[row] = int(value)
                continue
            if feature.missing == "reject":
                word = "is missing" if value is _ABSENT else "must not be null"
                at = -1 if isinstance(instances, Columns) and value is _ABSENT else row
                report.add(*self._located(instances, feature.name, at, f"{word}; the model needs a value"))
                if report.full or at < 0:
                    return
            column[row] = float("nan") if feature.missing == "nan" else feature.impute

    def _located(self, instances: Instances, name: str, row: int, message: str) -> tuple[str, str]:
        if isinstance(instances, Columns):
            return f"{instances.path}.{name}" + (f"[{row}]" if row >= 0 else ""), message
        if isinstance(instances, Rows):
            return f"{_row_path(instances, row)}[{self._names.index(name)}]", f"{name} {message}"
        return f"{_row_path(instances, row)}.{name}", message

    def _unknown_message(self, name: str) -> str:
        near = get_close_matches(name[:64], self._names, n=1)
        return f"is no feature of this model; did you mean '{near[0]}'?" if near else "is no feature of this model"


def _blocks(features: Sequence[Feature], dtypes: Mapping[str, str]) -> list[Block]:
    """Plain features grouped by the dtype of the tensor they go to, each shaped feature by itself."""
    groups: dict[str, list[Feature]] = {}
    for feature in features:
        if not feature.shape:
            groups.setdefault(dtypes[feature.input], []).append(feature)
    blocks: list[Block] = [
        TextBlock(members) if dtype == "string" else NumberBlock(members, dtype) for dtype, members in groups.items()
    ]
    return blocks + [ShapedBlock(feature, dtypes[feature.input]) for feature in features if feature.shape]


def _row_path(instances: Instances, row: int) -> str:
    return instances.path.format(i=row)
