"""CSV in and out: RFC 4180 with a header that names the features, UTF-8."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import orjson
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from app.errors import InvalidInput, clip

CSV = "text/csv"

_MOST_CELLS = 4_000_000
_MOST_COLUMNS = 10_000


def read_csv(
    raw: bytes, max_rows: int, parameters: Mapping[str, str], is_header: Callable[[list[str]], bool] = bool
) -> tuple[list[str] | None, list[list[str]]]:
    """Names from the header, None where there is none, and the rows of cells.

    The Content-Type's ``header=present`` or ``header=absent`` decides; where it says neither, ``is_header`` is shown
    the first line.

    Raises:
        BadRequest: no UTF-8, or quotes that do not end.
        InvalidInput: no rows, too many, or rows and header of several lengths.
        UnsupportedMediaType: another charset.
    """
    lines = _lines(_decoded(raw, parameters))
    first = next(lines, (1, []))
    told = parameters.get("header")
    if told == "absent" or (told is None and first[1] and not is_header(first[1])):
        return None, _rows(chain([first], lines) if first[1] else lines, max_rows, None)
    _check_header(first[1])
    return first[1], _rows(lines, max_rows, len(first[1]))


def _rows(lines: Iterable[tuple[int, list[str]]], max_rows: int, width: int | None) -> list[list[str]]:
    rows: list[list[str]] = []
    for number, cells in lines:
        width = len(cells) if width is None else width
        if len(cells) != width:
            raise InvalidInput({f"line {number}": [f"holds {len(cells)} cells where the others hold {width}"]})
        if len(rows) >= max_rows:
            raise InvalidInput({f"line {number}": [f"is one too many; one request takes at most {max_rows} rows"]})
        if (len(rows) + 1) * width > _MOST_CELLS:
            raise RequestEntityTooLarge(f"The table holds more than {_MOST_CELLS} cells.")
        rows.append(cells)
    if not rows:
        raise InvalidInput({"line 1" if width is None else "line 2": ["is missing; send at least one row"]})
    return rows


def write_csv(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> bytes:
    """Columns of equal length below a header of these names; None is an empty cell, a list or mapping its JSON."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if names:
        writer.writerow(names)
    writer.writerows(zip(*[[_cell(value) for value in column] for column in columns], strict=True))
    return text.getvalue().encode()


def _decoded(raw: bytes, parameters: Mapping[str, str]) -> str:
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("CSV is taken as UTF-8 only; leave the charset out.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is no UTF-8: byte {error.start} cannot be read.") from None


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number (of its end) and cells; lines with nothing on them are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise BadRequest(f"The body is no valid CSV: line {reader.line_num}: {error}.") from None


def _check_header(names: Sequence[str]) -> None:
    if not names:
        raise InvalidInput({"line 1": ["must name the features"]})
    if len(names) > _MOST_COLUMNS:
        raise InvalidInput({"line 1": [f"holds {len(names)} columns; at most {_MOST_COLUMNS} are taken"]})
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidInput({"line 1": [f"names '{clip(twice)}' more than once"]})


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    return ("true" if value else "false") if isinstance(value, bool) else value
