"""A CSV file of rows the model was made for: names, types, gaps and a few rows to remember."""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.registry.intake.options import IntakeRefused
from app.registry.intake.slots import Slot

MAX_ROWS = 100_000
"""Rows that are read. More would not change what is found out."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_GAPS = frozenset({"", "na", "n/a", "nan", "null", "none"})
_TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


Sample = Mapping[str, Sequence[str]]
"""Cells by column, as they stand in the file; every column has as many."""


def read_sample(path: Path) -> Sample:
    """Read the file: a header, commas, UTF-8.

    Raises:
        IntakeRefused: it cannot be read, a column has no name or another's, or a line has another number of cells.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _parse(csv.reader(file, strict=True), path.name)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise IntakeRefused(f"The sample {path.name} cannot be read as UTF-8 CSV: {error}") from None


def _parse(lines: Iterator[list[str]], file: str) -> Sample:
    header = next(lines, [])
    _check_header(header, file)
    rows: list[list[str]] = []
    for number, line in enumerate(filter(None, lines), start=2):
        if len(line) != len(header):
            raise IntakeRefused(f"{file}, row {number}: {len(line)} cells under {len(header)} columns.")
        if len(rows) == MAX_ROWS:
            break
        rows.append(line)
    if not rows:
        raise IntakeRefused(f"{file} has no rows under its header.")
    return dict(zip(header, zip(*rows, strict=True), strict=True))


def _check_header(header: Sequence[str], file: str) -> None:
    """Say what a header without names, or of one long name, most likely is."""
    if len(header) == 1 and (other := next((mark for mark in ";\t|" if mark in header[0]), None)):
        raise IntakeRefused(f"{file} is separated by {other!r}; write it with commas.")
    if header and not header[0] and all(header[1:]):
        raise IntakeRefused(
            f"The first column of {file} has no name; if it numbers the rows, write it without (index=False)."
        )
    if not header or not all(header) or len(set(header)) != len(header):
        raise IntakeRefused(f"The first line of {file} must name every column, each differently.")


def typed(cells: Sequence[str], name: str, slot: Slot) -> list[Any]:
    """A column's cells as a caller would send them in JSON, None for a gap.

    Raises:
        IntakeRefused: names the first cell that does not fit.
    """
    read = _reader(slot)
    values = []
    for number, cell in enumerate(cells, start=2):
        try:
            values.append(read(cell))
        except ValueError:
            raise IntakeRefused(
                f"Column '{name}', row {number}: {cell[:40]!r} is no {slot.dtype}, which the model's input"
                f" '{slot.input}' takes. Columns fill a matrix input in their order: put them in the order the model"
                " was trained with, and name what is no feature with --target, --ignore or --entity-key."
            ) from None
    return values


def _reader(slot: Slot) -> Any:
    if slot.shape:
        return _read_list
    if slot.dtype == "string":
        return _read_text
    if slot.dtype == "bool":
        return _read_truth
    return _read_whole if "int" in slot.dtype else _read_number


def _read_text(cell: str) -> str | None:
    return cell or None


def _read_number(cell: str) -> float | None:
    text = cell.strip()
    if text.lower() in _GAPS:
        return None
    if not _NUMBER.fullmatch(text):
        raise ValueError(cell)
    return float(text)


def _read_whole(cell: str) -> int | None:
    number = _read_number(cell)
    if number is not None and not number.is_integer():
        raise ValueError(cell)
    return None if number is None else int(number)


def _read_truth(cell: str) -> bool | None:
    text = cell.strip().lower()
    if text in _GAPS:
        return None
    if text not in _TRUTH:
        raise ValueError(cell)
    return _TRUTH[text]


def _read_list(cell: str) -> Any:
    value = json.loads(cell) if cell else None
    if not isinstance(value, list | None):
        raise ValueError(cell)
    return value
