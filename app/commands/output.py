"""What commands print: JSON for programs, plain tables for people and for grep; and what all of them offer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import orjson

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def example(*lines: str) -> str:
    """The end of a help page: a command to paste. The first character keeps click from joining the lines."""
    return "\b\nExample:\n" + " \\\n".join(f"  {line}" for line in lines)


def print_json(data: Any) -> None:
    """One document, indented."""
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


def print_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as their widest cell with two spaces between; an empty cell is a dash, so columns stay apart."""
    table = [[_cell(value) for value in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, instead: str) -> None:
    """Rows of the same names, as JSON or under their names; for people ``instead`` where there are none."""
    if as_json:
        print_json(rows)
    elif rows:
        print_table([name.upper() for name in rows[0]], [list(row.values()) for row in rows])
    else:
        click.echo(instead)


def when(moment: float) -> str:
    """Unix seconds as UTC, to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: Any) -> str:
    return "-" if value is None or value == "" else " ".join(str(value).split())
