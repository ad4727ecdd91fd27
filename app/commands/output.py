"""What commands print: JSON for programs, plain tables for people and for grep."""

from collections.abc import Sequence
from typing import Any

import click
import orjson


def print_json(data: Any) -> None:
    """One document, indented."""
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


def print_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as their widest cell with two spaces between; an empty cell is a dash, so columns stay apart."""
    table = [[_cell(value) for value in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    return "-" if value is None or value == "" else " ".join(str(value).split())
