"""Rows as a caller writes them -> the arrays the model's ONNX inputs want, or every field that does not fit.

Two passes share one set of rules. The first assumes clean rows and is a handful of numpy calls. Whatever it will not
vouch for (a null, a missing or unknown name, a wrong type, a value out of range) goes to the second, which fills in
what the manifest says about missing values and otherwise reports field by field.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from app.errors import InvalidInput, ModelRefused
from app.registry.blocks import Block, ShapedBlock, TextBlock
from app.registry.faults import MAX_REPORTED, Report
from app.registry.manifest import Feature
from app.registry.numbers import NumberBlock
from app.registry.placement import Placement
from app.registry.rounding import Rounding
from app.registry.table import ABSENT, WHOLE_COLUMN, Table, Tabulator
from app.registry.texts import read_texts
from app.runtimes.base import TensorSpec
from app.tensors import Array, Columns, Feed, Instances, NumberRows, Records, Rows, Tensors

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
        dtypes = {item.name: item.dtype for item in inputs}
        self._blocks = _blocks(features, dtypes)
        self._stand_ins = [_stand_in(feature, dtypes) for feature in features]
        at = {name: position for position, name in enumerate(self._names)}
        self._positions = [[at[feature.name] for feature in block.features] for block in self._blocks]
        self._lone = self._blocks[0] if len(self._blocks) == 1 else None
        self._lone_input = inputs[0].name if self._lone and len(inputs) == 1 and len(inputs[0].shape) != 1 else None
        self._plan = [(item, self._sources(item.name)) for item in inputs]
        self._placement = Placement(features, inputs, entity_key)
        self._tabulator = Tabulator(features, self._known, self._placement)
        self._rounding = Rounding(features)

    def encode(self, instances: Instances) -> tuple[Feed, int]:
        """The feed for the runtime and its number of rows.

        Raises:
            InvalidInput: names every field that does not fit, up to ``MAX_REPORTED``.
        """
        feed, rows = self._encoded(instances)
        return (self._rounding.apply(feed), rows) if self._rounding else (feed, rows)

    def _encoded(self, instances: Instances) -> tuple[Feed, int]:
        if isinstance(instances, Columns):
            return self._encode_columns(read_texts(instances, self._features) if instances.text else instances)
        if isinstance(instances, Tensors):
            return self._encode_tensors(instances)
        array = self._read_already(instances)
        if array is not None:
            return self._feed([array]), len(array)
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

    def _read_already(self, instances: Records | Rows) -> Array | None:
        """Rows of which the door has made an array, where that is as good as looking at each."""
        if self._lone is None or not isinstance(instances.rows, NumberRows):
            return None
        return self._lone.from_numbers(instances.rows.matrix)

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

    def _encode_tensors(self, instances: Tensors) -> tuple[Feed, int]:
        """A clean tensor in the input's own dtype and shape goes to the runtime as it came, not copied."""
        if self._lone is not None and self._lone_input is not None and len(instances.columns) == 1:
            given = instances.columns.get(self._lone_input)
            declared = instances.declared.get(self._lone_input)
            array = None if given is None else self._lone.from_whole(given, declared or given.dtype)
            if array is not None:
                return {self._lone_input: array}, len(array)
        sources = self._placement.sources(instances)
        arrays = [source.values for source in sources if source is not None]
        if len(arrays) == len(sources):
            blocks = zip(self._blocks, self._positions, strict=True)
            made = [block.from_arrays([arrays[at] for at in positions]) for block, positions in blocks]
            if all(array is not None for array in made):
                return self._feed([array for array in made if array is not None]), instances.rows
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
        table = self._tabulator.table(instances, report)
        for at in range(len(self._features)):
            self._fill(table, at, report)
        feed = None if report else self._clean(table.columns)
        if feed is None:
            self._report_faults(table, report)
            report.raise_if_any()
            raise InvalidInput({instances.path.format(i=0, name=""): ["does not fit the model's features"]})
        return feed, len(table.columns[0])

    def _report_faults(self, table: Table, report: Report) -> None:
        """Every cell that does not fit, besides those that are missing and reported as such."""
        for block, positions in zip(self._blocks, self._positions, strict=True):
            columns = [table.columns[at] for at in positions]
            faults = (item for item in block.faults(columns) if _is_given(columns[item.position][item.row]))
            for fault in islice(faults, MAX_REPORTED):
                report.add(*table.locate(fault.row, positions[fault.position], fault.message))

    def _fill(self, table: Table, at: int, report: Report) -> None:
        """In place: missing values by the manifest's policy (null and an absent name mean the same), 1.0 as 1."""
        feature, column = self._features[at], table.columns[at]
        whole = "int" in feature.dtype
        if set(map(type, column)).isdisjoint(_FILLED if not whole else _FILLED_WHOLE):
            return
        for row, value in enumerate(column):
            if _is_given(value):
                if whole and type(value) is float and value.is_integer() and abs(value) < 2**63:
                    column[row] = int(value)
                continue
            if feature.missing == "reject":
                word = "is missing" if value is ABSENT else table.null
                place = WHOLE_COLUMN if table.by_column and value is ABSENT else row
                report.add(*table.locate(place, at, f"{word}; the model needs a value"))
                if report.full or place == WHOLE_COLUMN:
                    return
            else:
                column[row] = self._stand_ins[at]


def _is_given(cell: Any) -> bool:
    return cell is not None and cell is not ABSENT


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


def _stand_in(feature: Feature, dtypes: Mapping[str, str]) -> Any:
    """What a missing value becomes.

    Raises:
        ModelRefused: the manifest imputes a value that the feature would not take.
    """
    if feature.missing != "impute":
        return float("nan")
    value = feature.impute
    if "int" in feature.dtype and isinstance(value, float) and value.is_integer():
        value = int(value)
    for fault in _blocks([feature], dtypes)[0].faults([[value]]):
        raise ModelRefused(f"feature '{feature.name}': the value to impute {fault.message}")
    return value
