"""Rows of any form become the same arrays, or are refused for the same cells."""

import re
from collections.abc import Sequence
from math import inf, nextafter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput, ModelRefused
from app.registry.encoder import Encoder
from app.registry.faults import MAX_REPORTED
from app.registry.manifest import Feature
from app.registry.numbers import widest
from app.runtimes.base import TensorSpec
from app.tensors import NUMPY_DTYPES, Columns, Feed, Instances, Records, Rows
from tests.unit.registry.strategies import tables

Outcome = dict[str, list[Any]] | set[tuple[int, str]]
FLOAT32 = 2.0**128 - 2.0**103
"""From here on a number rounds to infinity."""

X = TensorSpec("X", "float32", (None, None))


def encoder(*features: Feature) -> Encoder:
    return Encoder(features, [X])


def number(name: str = "a", dtype: str = "float32", **rules: Any) -> Feature:
    return Feature(name, dtype, "X", **rules)


def refusal(made: Encoder, instances: Instances) -> dict[str, list[str]]:
    with pytest.raises(InvalidInput) as caught:
        made.encode(instances)
    return {field: list(messages) for field, messages in caught.value.errors.items()}


def by_value(feed: Feed) -> dict[str, list[Any]]:
    """Comparable, NaN equal to NaN."""
    return {name: [array.dtype.str, array.shape, *map(repr, array.ravel().tolist())] for name, array in feed.items()}


def outcome(made: Encoder, instances: Instances, names: Sequence[str]) -> Outcome:
    """The arrays, or the cells that are at fault as (row, feature)."""
    try:
        return by_value(made.encode(instances)[0])
    except InvalidInput as error:
        return {cell(path, messages[0], names) for path, messages in error.errors.items()}


def cell(path: str, message: str, names: Sequence[str]) -> tuple[int, str]:
    if in_order := re.fullmatch(r"instances\[(\d+)\]\[(\d+)\]", path):
        assert message.startswith(names[int(in_order[2])] + " ")
        return int(in_order[1]), names[int(in_order[2])]
    if named := re.fullmatch(r"instances\[(\d+)\]\.(.+)", path):
        return int(named[1]), named[2]
    column = re.fullmatch(r"columns\.(.+)\[(\d+)\]", path)
    assert column, path
    return int(column[2]), column[1]


@given(tables())
def test_records_rows_and_columns_agree(table: tuple[list[Feature], list[TensorSpec], list[list[Any]]]) -> None:
    features, inputs, rows = table
    made, names = Encoder(features, inputs), [feature.name for feature in features]
    records = Records([dict(zip(names, row, strict=True)) for row in rows])
    expected = outcome(made, records, names)
    assert outcome(made, Rows(rows), names) == expected
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    assert outcome(made, Columns(columns), names) == expected
    shuffled = Records([dict(reversed(row.items())) for row in records.rows])
    assert outcome(made, shuffled, names) == expected


@given(tables())
def test_the_fast_path_and_the_second_look_agree(
    table: tuple[list[Feature], list[TensorSpec], list[list[Any]]],
) -> None:
    features, inputs, rows = table
    made, names = Encoder(features, inputs), [feature.name for feature in features]
    try:
        looked = by_value(made._second_look(Rows([list(row) for row in rows]))[0])
    except InvalidInput:
        looked = {}
    fast = outcome(made, Rows(rows), names)
    assert (fast if isinstance(fast, dict) else {}) == looked
    if all(type(value) in (int, float) for row in rows for value in row):
        assert outcome(made, Rows(rows, numbers_only=True), names) == fast


@given(tables())
def test_each_row_is_judged_by_itself(table: tuple[list[Feature], list[TensorSpec], list[list[Any]]]) -> None:
    """A batch is refused for exactly the rows that would be refused alone."""
    features, inputs, rows = table
    made, names = Encoder(features, inputs), [feature.name for feature in features]
    together = outcome(made, Rows(rows), names)
    alone = [outcome(made, Rows([row]), names) for row in rows]
    refused = {(at, name) for at, answer in enumerate(alone) if isinstance(answer, set) for _, name in answer}
    assert (together if isinstance(together, set) else set()) == refused


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_within_its_range_is_the_number_rounded_to_its_tensor(value: float) -> None:
    expected = ["<f4", (1, 1), repr(float(np.float32(value)))] if abs(value) < FLOAT32 else None
    bounded = outcome(encoder(number(range=(-16.0, 16.0))), Rows([[value]]), ["a"])
    free = outcome(encoder(number()), Rows([[value]]), ["a"])
    assert (bounded == {"X": expected}) == (-16 <= value <= 16)
    assert (free == {"X": expected}) == (abs(value) < FLOAT32)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "uint8", "int32", "uint32", "int64", "uint64"]
)
def test_the_widest_numbers_of_each_dtype(dtype: str) -> None:
    low, high = widest(np.dtype(NUMPY_DTYPES[dtype]))
    made = Encoder([Feature("a", dtype, "X")], [TensorSpec("X", dtype, (None, 1))])
    feed, _ = made.encode(Rows([[low], [high]]))
    assert np.isfinite(feed["X"].astype(np.float64)).all()
    beyond = nextafter(high, inf) if "float" in dtype else high + 1
    if beyond != inf:
        assert refusal(made, Rows([[beyond]])) == {"instances[0][0]": [f"a does not fit {dtype}"]}


def test_inputs_get_their_own_columns_whatever_the_order() -> None:
    features = [Feature("b", "float32", "two"), Feature("a", "float32", "one"), Feature("c", "float32", "two")]
    inputs = [TensorSpec("one", "float32", (None, 1)), TensorSpec("two", "float32", (None, 2))]
    feed, rows = Encoder(features, inputs).encode(Records([{"a": 1, "b": 2, "c": 3}]))
    assert rows == 1
    assert (feed["one"].tolist(), feed["two"].tolist()) == ([[1.0]], [[2.0, 3.0]])


def test_an_input_without_a_feature_axis() -> None:
    feed, _ = Encoder([number()], [TensorSpec("X", "float32", (None,))]).encode(Rows([[1], [2]]))
    assert feed["X"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("bounds", [(0.5, 2.5), (-2.5, -0.5), (0.0, None), (None, -0.5)])
def test_bounds_between_whole_numbers(bounds: tuple[float | None, float | None]) -> None:
    low, high = bounds
    made = Encoder([Feature("n", "int64", "X", range=bounds)], [TensorSpec("X", "int64", (None, 1))])
    for value in range(-4, 5):
        inside = (low is None or low <= value) and (high is None or value <= high)
        try:
            made.encode(Rows([[value]]))
        except InvalidInput:
            assert not inside, value
        else:
            assert inside, value


def test_fractional_categories() -> None:
    made = encoder(number(categories=(0.1, 0.2)))
    feed, _ = made.encode(Rows([[0.1]]))
    assert feed["X"].tolist() == [[float(np.float32(0.1))]]
    assert refusal(made, Rows([[0.3]])) == {"instances[0][0]": ["a must be one of: 0.1, 0.2"]}


def test_reports_are_bounded() -> None:
    rows = [{f"x{at}": 1 for at in range(100)}] * 10
    assert len(refusal(encoder(number(), number("b")), Records(rows))) == MAX_REPORTED


def test_messages_name_a_long_list_of_categories_in_part() -> None:
    made = Encoder(
        [Feature("t", "string", "X", categories=tuple("abcdefghijklmnop"))], [TensorSpec("X", "string", (None, 1))]
    )
    assert refusal(made, Rows([["z"]])) == {
        "instances[0][0]": ["t must be one of: a, b, c, d, e, f, g, h, i, j, k, l, ..."]
    }


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        (number(missing="impute", impute="x"), "the value to impute must be a number, not a string"),
        (number(missing="impute", impute=5, range=(0, 1)), "the value to impute must be between 0 and 1"),
        (number(dtype="int32", missing="impute", impute=0.5), "the value to impute must be a whole number"),
        (number(missing="impute", impute=1e39), "the value to impute does not fit float32"),
    ],
)
def test_a_value_to_impute_must_fit_its_own_feature(feature: Feature, says: str) -> None:
    with pytest.raises(ModelRefused, match=re.escape(f"feature 'a': {says}")):
        encoder(feature)


def test_a_whole_float_may_be_imputed_into_integers() -> None:
    made = Encoder([Feature("n", "int64", "N", missing="impute", impute=7.0)], [TensorSpec("N", "int64", (None, 1))])
    assert made.encode(Records([{}]))[0]["N"].tolist() == [[7]]
