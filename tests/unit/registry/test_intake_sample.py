"""Reading a sample: what a CSV cell means for the input it goes to."""

from pathlib import Path
from typing import Any

import pytest

from app.registry.intake.columns import Column, observe
from app.registry.intake.options import IntakeRefused
from app.registry.intake.sample import read_sample, typed
from app.registry.intake.slots import Slot


def sample_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "sample.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def slot(dtype: str, shape: tuple[int | None, ...] = ()) -> Slot:
    return Slot("X", dtype, shape)


def test_columns_keep_their_cells_in_order(tmp_path: Path) -> None:
    sample = read_sample(sample_file(tmp_path, '\ufeffage,"home, town"\n1,Bern\n\n2,"O""slo"\n'))
    assert dict(sample) == {"age": ("1", "2"), "home, town": ("Bern", 'O"slo')}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "name every column"),
        ("a,b\n", "no rows"),
        ("a,a\n1,2\n", "each differently"),
        ("a,\n1,2\n", "name every column"),
        (",a\n0,1\n", r"first column of sample.csv has no name.*index=False"),
        ("a;b\n1;2\n", "separated by ';'; write it with commas"),
        ("a,b\n1,2\n1\n", "row 3: 1 cells under 2 columns"),
        (b"a\n\xff\n", "UTF-8"),
        ('a\n"open\n', "CSV"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(IntakeRefused, match=said):
        read_sample(sample_file(tmp_path, content))


@pytest.mark.parametrize(
    ("dtype", "cells", "values"),
    [
        ("float32", ["1", " -2.5 ", "1e3", ".5", "", "NaN", "n/a"], [1.0, -2.5, 1000.0, 0.5, None, None, None]),
        ("int64", ["1", "2.0", ""], [1, 2, None]),
        ("bool", ["true", "0", "False", "1.0", ""], [True, False, False, True, None]),
        ("string", ["none", " a", "1", ""], ["none", " a", "1", None]),
    ],
)
def test_cells_become_what_a_caller_would_send(dtype: str, cells: list[str], values: list[Any]) -> None:
    read = typed(cells, "x", slot(dtype))
    assert read == values
    assert list(map(type, read)) == list(map(type, values))


@pytest.mark.parametrize(
    ("dtype", "cell"),
    [
        ("float32", "1_000"),
        ("float32", "inf"),
        ("float32", "twelve"),
        ("float32", "\u0661"),
        ("int64", "1.5"),
        ("bool", "yes"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(dtype: str, cell: str) -> None:
    with pytest.raises(IntakeRefused, match=r"Column 'x', row 3"):
        typed(["", cell], "x", slot(dtype))


def test_a_shaped_input_reads_lists() -> None:
    assert typed(["[[1, 2]]", ""], "x", slot("float32", (1, 2))) == [[[1, 2]], None]
    for cell in ("5", "[1", '{"a": 1}'):
        with pytest.raises(IntakeRefused, match="row 2"):
            typed([cell], "x", slot("float32", (1, 2)))


def test_what_is_observed() -> None:
    assert observe([3, None, 1]) == {"min": 1, "max": 3, "mean": 2.0, "missing": 1}
    assert observe(["b", "a", "b"]) == {"distinct": 2, "counts": {"a": 1, "b": 2}}
    assert observe([True, False]) == {"distinct": 2, "counts": {"False": 1, "True": 1}}
    assert observe([str(number) for number in range(60)]) == {"distinct": 60}
    assert observe([None, None]) is None


@pytest.mark.parametrize(
    ("dtype", "values", "fill"),
    [
        ("float32", [1.0, None, 2.0], 1.5),
        ("int64", [1, 2, 4, 5, None], 3),
        ("string", ["a", "b", "b", None], "b"),
        ("bool", [True, True, False], True),
        ("float32", [None], None),
    ],
)
def test_what_fills_a_gap(dtype: str, values: list[Any], fill: Any) -> None:
    column = Column("x", slot(dtype), values)
    assert column.fill == fill
    assert type(column.fill) is type(fill)
