"""Rows of any form as one list of cells per feature, and the words that name a cell to its sender."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from app.errors import clip
from app.registry.faults import Report
from app.registry.manifest import Feature
from app.registry.placement import Placement, as_cells
from app.tensors import Columns, Instances, Records, Rows, Tensors

ABSENT = object()
"""Stands in a cell that its row, or the whole request, does not name."""

WHOLE_COLUMN = -1
"""In place of a row: what is said holds for all of them."""

Locate = Callable[[int, int, str], tuple[str, str]]
"""Row, feature position and message -> the path for the sender and the message that goes with it."""


@dataclass(frozen=True, slots=True)
class Table:
    """One list per feature. ``by_column`` says that a feature is absent from all rows or from none.

    ``null`` is what to say of a missing value in the sender's terms.
    """

    columns: list[list[Any]]
    locate: Locate
    by_column: bool = False
    null: str = "must not be null"


class Tabulator:
    """Compiled once per loaded version."""

    def __init__(self, features: Sequence[Feature], known: set[str], placement: Placement) -> None:
        self._features = features
        self._names = [feature.name for feature in features]
        self._known = known
        self._placement = placement

    def table(self, instances: Instances, report: Report) -> Table:
        """The rows as a table; unknown names go to the report.

        Raises:
            InvalidInput: rows or columns of several lengths make no table that could be looked at further.
        """
        if isinstance(instances, Columns):
            return self._from_columns(instances, report)
        if isinstance(instances, Rows):
            return self._from_rows(instances, report)
        if isinstance(instances, Tensors):
            return self._from_tensors(instances)
        return self._from_records(instances, report)

    def _from_records(self, instances: Records, report: Report) -> Table:
        for number, record in enumerate(instances.rows):
            self._report_unknown(record, instances.path.format(i=number), report)

        def locate(row: int, feature: int, message: str) -> tuple[str, str]:
            return f"{instances.path.format(i=row)}.{self._names[feature]}", message

        return Table([[row.get(name, ABSENT) for row in instances.rows] for name in self._names], locate)

    def _from_rows(self, instances: Rows, report: Report) -> Table:
        width = len(self._names)
        for number, row in enumerate(instances.rows):
            if len(row) != width:
                report.add(instances.path.format(i=number), f"must hold {self._wanted()}, not {len(row)}")
        report.raise_if_any()

        def locate(row: int, feature: int, message: str) -> tuple[str, str]:
            return f"{instances.path.format(i=row)}[{feature}]", f"{self._names[feature]} {message}"

        return Table([list(column) for column in zip(*instances.rows, strict=True)], locate)

    def _wanted(self) -> str:
        """What a row in order consists of; whoever sends the numbers of a lone list bare is told of the list."""
        if len(self._features) > 1:
            return f"{len(self._features)} values in order"
        return f"one value, {self._names[0]}" + (" (itself a list)" if self._features[0].shape else "")

    def _from_columns(self, instances: Columns, report: Report) -> Table:
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

        def locate(row: int, feature: int, message: str) -> tuple[str, str]:
            place = "" if row == WHOLE_COLUMN else f"[{row}]"
            return f"{instances.path}.{self._names[feature]}{place}", message

        columns = [list(instances.columns.get(name, [ABSENT] * rows)) for name in self._names]
        return Table(columns, locate, by_column=True)

    def _from_tensors(self, instances: Tensors) -> Table:
        sources = self._placement.sources(instances)

        def locate(row: int, feature: int, message: str) -> tuple[str, str]:
            source, name = sources[feature], self._names[feature]
            if "{name}" in instances.path:
                place = "" if row == WHOLE_COLUMN else f"[{row}]"
                return instances.path.format(name=name) + place, message
            if source is None:
                return instances.path.partition("[")[0], f"{name} {message}"
            path = f"{instances.path.format(i=source.tensor)}.data[{row}]"
            return path + ("" if source.column is None else f"[{source.column}]"), f"{name} {message}"

        columns = [
            [ABSENT] * instances.rows if source is None else as_cells(source.values, feature)
            for source, feature in zip(sources, self._features, strict=True)
        ]
        return Table(columns, locate, by_column=True, null="must not be null or NaN")

    def _report_unknown(self, named: Mapping[str, Any], path: str, report: Report) -> None:
        """The search for a near name is what costs: no more of them than will be shown."""
        if len(named) <= len(self._known) and named.keys() <= self._known:
            return
        for name in named:
            if report.full:
                return
            if name not in self._known:
                report.add(f"{path}.{clip(name)}", self._unknown_message(name))

    def _unknown_message(self, name: str) -> str:
        near = get_close_matches(name[:64], self._names, n=1)
        return f"is no feature of this model; did you mean '{near[0]}'?" if near else "is no feature of this model"
