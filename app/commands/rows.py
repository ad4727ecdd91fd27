"""Rows of a model out of a file: JSON lines of bodies, of plain rows or of a prediction log, or CSV with a header."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson

Row = dict[str, Any] | list[Any]

_NULLS = {"", "na", "nan", "null", "none"}
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Model:
    """What a running server says of a model: its name, and dtype by feature name."""

    name: str
    dtypes: Mapping[str, str]


def read_rows(path: Path, model: Model) -> Iterator[Row]:
    """Every row of the file that is one of the model's.

    Raises:
        click.ClickException: names the line that cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _read(file, path, model)
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.ClickException(f"{path} is read as CSV or JSON lines in UTF-8, and is neither: {error}") from None


def _read(file: Iterable[str], path: Path, model: Model) -> Iterator[Row]:
    if path.suffix.lower() == ".csv":
        yield from _from_csv(file, path, model)
        return
    for number, line in enumerate(file, 1):
        if line.strip():
            yield from _from_line(line, f"{path} line {number}", model)


def most_frequent(rows: Iterable[Row], top: int | None) -> list[Row]:
    """Distinct rows, those that came most often first; equal ones in the order of the file."""
    counted: Counter[bytes] = Counter(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows)
    return [orjson.loads(row) for row, _ in counted.most_common(top)]


def _from_csv(file: Iterable[str], path: Path, model: Model) -> Iterator[Row]:
    reader = csv.DictReader(file)
    known = [name for name in reader.fieldnames or [] if name in model.dtypes]
    if not known:
        raise click.ClickException(
            f"{path}: no column is a feature of {model.name}; the first line must name some of: {_few(model.dtypes)}"
        )
    for record in reader:
        where = f"{path} line {reader.line_num}"
        yield {name: _value(record[name], model.dtypes[name], f"{where}, {name}") for name in known}


def _value(text: str | None, dtype: str, where: str) -> Any:
    if dtype == "string":
        return text
    word = (text or "").strip().lower()
    if word in _NULLS:
        return None
    if dtype == "bool" and word in _BOOLEANS:
        return _BOOLEANS[word]
    try:
        number = float(word)
    except ValueError:
        raise click.ClickException(f"{where}: {text!r} is no {dtype}") from None
    return int(number) if "int" in dtype and number.is_integer() else number


def _from_line(line: str, where: str, model: Model) -> Iterator[Row]:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"{where}: no JSON ({error})") from None
    if isinstance(said, list):
        yield said
    elif isinstance(said, dict) and said.get("model", model.name) == model.name:
        found = list(_from_object(said, model))
        if not found:
            raise click.ClickException(f"{where}: holds neither features nor instances nor columns")
        yield from found


def _from_object(said: Mapping[str, Any], model: Model) -> Iterator[Row]:
    """A body, a record of a prediction log (a body among other things), or a row by itself."""
    if isinstance(said.get("features"), dict | list):
        yield _row(said["features"], model)
    elif isinstance(said.get("instances"), list):
        yield from (_instance(item, model) for item in said["instances"])
    elif isinstance(said.get("columns"), dict):
        columns = {name: values for name, values in said["columns"].items() if name in model.dtypes}
        yield from (dict(zip(columns, values, strict=False)) for values in zip(*columns.values(), strict=False))
    elif said.keys() & model.dtypes.keys():
        yield _row(said, model)


def _instance(item: Any, model: Model) -> Row:
    return _row(item["features"] if isinstance(item, dict) and "features" in item else item, model)


def _row(features: Any, model: Model) -> Row:
    """A row without what is no feature: the entity's id, a time, an answer."""
    if isinstance(features, Mapping):
        return {name: value for name, value in features.items() if name in model.dtypes}
    return list(features)


def _few(names: Iterable[str]) -> str:
    listed: Sequence[str] = list(names)
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
