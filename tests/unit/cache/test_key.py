"""Keys: equal for equal rows however they came, different for everything else."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.cache.key import KEY_BYTES, Keys, fingerprint, row_bytes, rows_bytes
from app.registry.encoder import Encoder
from app.registry.version import ServedVersion
from app.runtimes.onnx import OnnxRuntime
from app.tensors import Array, Columns, Feed, Instances, Records, Rows
from tests.models import columns, everything, linear

KEYS = Keys("model/v1", "digest", "0")

_TEXTS = st.text(max_size=4)
_FLOATS = st.floats(width=32, allow_nan=False)


@st.composite
def _feeds(draw: st.DrawFn) -> Feed:
    """One row of a model with two free-length inputs, a matrix and a text: where lengths could be mistaken."""
    first, second = draw(st.lists(_FLOATS, max_size=3)), draw(st.lists(_FLOATS, max_size=3))
    shape = draw(st.sampled_from([(1, 2, 3), (1, 3, 2), (1, 6, 1)]))
    texts = draw(st.lists(_TEXTS, min_size=2, max_size=2))
    return {
        "first": np.array([first], dtype=np.float32).reshape(1, -1),
        "second": np.array([second], dtype=np.float32).reshape(1, -1),
        "image": draw(arrays.arrays(np.float32, shape, elements=st.sampled_from([0.0, 1.0]))),
        "texts": np.array([texts], dtype=np.object_),
    }


def _value(feed: Feed) -> Any:
    return [(array.shape, array.tolist() if array.dtype == object else array.tobytes()) for array in feed.values()]


@given(_feeds(), _feeds())
def test_rows_are_injective_over_values(one: Feed, other: Feed) -> None:
    same = _value(one) == _value(other)
    assert (row_bytes(one) == row_bytes(other)) is same
    assert (KEYS.one(one) == KEYS.one(other)) is same


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_versions_are_told_apart(one: list[str], other: list[str]) -> None:
    feed = {"X": np.zeros((1, 2), dtype=np.float32)}
    assert (Keys(*one).one(feed) == Keys(*other).one(feed)) is (one == other)


@given(st.lists(st.tuples(_FLOATS, _TEXTS, st.integers(-5, 5)), min_size=1, max_size=5))
def test_a_row_has_one_key_alone_and_among_others(rows: list[tuple[float, str, int]]) -> None:
    whole: Feed = {
        "X": np.array([[row[0], 1.0] for row in rows], dtype=np.float32),
        "T": np.array([[row[1]] for row in rows], dtype=np.object_),
        "N": np.array([row[2] for row in rows], dtype=np.int64),
        "I": np.zeros((len(rows), 2, 2), dtype=np.float32),
    }
    for feed in (whole, {"X": whole["X"]}, {"N": whole["N"]}, {"T": whole["T"]}, {"X": whole["X"], "N": whole["N"]}):
        alone = [{name: array[at : at + 1] for name, array in feed.items()} for at in range(len(rows))]
        assert KEYS.many(feed, len(rows)) == [KEYS.one(row) for row in alone]
        if len(rows) > 1:
            assert list(rows_bytes(feed, len(rows))) == [row_bytes(row) for row in alone]


def test_a_key_is_wide() -> None:
    assert KEY_BYTES * 8 >= 128
    assert len(KEYS.one({"X": np.zeros((1, 2), dtype=np.float32)})) == KEY_BYTES


def _encoder(model: Any) -> Encoder:
    return ServedVersion(model.manifest, OnnxRuntime(model.model)).encoder


def _key(model: Any, instances: Instances) -> bytes:
    feed, rows = _encoder(model).encode(instances)
    assert rows == 1
    return KEYS.one(feed)


@pytest.mark.parametrize(
    "instances",
    [
        Records([{"f1": 2, "f0": 1.0}]),
        Records([{"f0": 1, "f1": 2.0}]),
        Rows([[1, 2]]),
        Rows([[1.0, 2.0]], numbers_only=True),
        Columns({"f1": [2], "f0": [1]}),
    ],
    ids=["other order", "in order", "whole numbers", "fractions", "columns"],
)
def test_forms_of_one_row_meet(instances: Instances) -> None:
    assert _key(linear(), instances) == _key(linear(), Rows([[1, 2]]))


def test_forms_of_one_row_meet_with_one_input_per_column() -> None:
    keys = {
        _key(columns(), instances)
        for instances in (
            Records([{"city": "Oslo", "age": 3}]),
            Records([{"age": 3.0, "city": "Oslo"}]),
            Columns({"age": [3], "city": ["Oslo"]}),
        )
    }
    assert len(keys) == 1


def test_an_imputed_value_is_the_value() -> None:
    row: dict[str, Any] = {"age": 1, "score": 0.5, "visits": 3, "member": True, "count": 4, "city": "Oslo", "note": "x"}
    absent = _key(everything(), Records([row]))
    assert absent == _key(everything(), Records([row | {"income": 1000}]))
    assert absent == _key(everything(), Records([row | {"income": None}]))
    assert absent != _key(everything(), Records([row | {"income": 1001}]))


@pytest.mark.parametrize(
    ("one", "other"),
    [([0.0, 1.0], [-0.0, 1.0]), ([1.0, 2.0], [2.0, 1.0]), ([1.0, 2.0], [1.0, 2.0000002])],
    ids=["minus zero", "swapped", "last bit"],
)
def test_what_a_model_can_tell_apart_has_its_own_key(one: list[float], other: list[float]) -> None:
    assert _key(linear(), Rows([one])) != _key(linear(), Rows([other]))


def test_a_fingerprint_is_of_the_first_row_over_all_inputs() -> None:
    feed: Mapping[str, Array] = {
        "A": np.array([[1.0], [2.0]], dtype=np.float32),
        "T": np.array([["x"], ["y"]], dtype=np.object_),
    }
    first = {name: array[:1] for name, array in feed.items()}
    assert fingerprint(dict(feed)) == fingerprint(first)
    assert fingerprint(first) != fingerprint(first | {"T": np.array([["z"]], dtype=np.object_)})
