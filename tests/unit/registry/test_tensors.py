"""Rows that come as arrays: the same feed and the same verdicts as the same rows in JSON."""

from typing import Any

import numpy as np
import pytest

from app.errors import InvalidInput
from app.registry.version import ServedVersion
from app.runtimes.onnx import OnnxRuntime
from app.tensors import Records, Tensors
from tests.models import TinyModel, columns, everything, identity, image, linear

GOOD: dict[str, Any] = {
    "age": 30.5, "income": 5.5, "score": 0.5, "visits": 3, "member": True, "count": 4, "city": "Oslo", "note": "x",
}  # fmt: skip


def served(model: TinyModel) -> ServedVersion:
    return ServedVersion(model.manifest, OnnxRuntime(model.model))


@pytest.fixture(scope="module")
def every() -> ServedVersion:
    return served(everything())


def texts(*values: Any) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def by_input(**changed: Any) -> dict[str, np.ndarray]:
    """Two rows of ``everything`` as its ONNX inputs."""
    tensors = {
        "X": np.array([[30.5, 5.5, 0.5, 3, 1], [30.5, 5.5, 0.5, 3, 1]], dtype=np.float32),
        "N": np.array([[4], [4]], dtype=np.int64),
        "city": texts("Oslo", "Oslo").reshape(2, 1),
        "note": texts("x", "x"),
    }
    return tensors | changed


def by_feature(**changed: Any) -> dict[str, np.ndarray]:
    """The same rows, one tensor per feature."""
    tensors = {
        "age": np.array([30.5, 30.5], dtype=np.float32),
        "income": np.array([5.5, 5.5], dtype=np.float32),
        "score": np.array([[0.5], [0.5]], dtype=np.float16),
        "visits": np.array([3, 3], dtype=np.int8),
        "member": np.array([True, True]),
        "count": np.array([4, 4], dtype=np.int32),
        "city": texts("Oslo", "Oslo"),
        "note": texts("x", "x"),
    }
    return tensors | changed


def matrix(row: int, column: int, value: float) -> np.ndarray:
    array: np.ndarray = by_input()["X"].copy()
    array[row, column] = value
    return array


def errors_of(version: ServedVersion, tensors: dict[str, np.ndarray], **options: Any) -> dict[str, Any]:
    with pytest.raises(InvalidInput) as caught:
        version.encoder.encode(Tensors(tensors, **options))
    return caught.value.errors


def assert_same(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert list(left) == list(right)
    for name, array in left.items():
        assert array.dtype == right[name].dtype
        np.testing.assert_array_equal(array, right[name])


@pytest.mark.parametrize("tensors", [by_input(), by_feature(), dict(reversed(by_input().items()))])
def test_the_feed_is_that_of_the_same_rows_in_json(every: ServedVersion, tensors: dict[str, np.ndarray]) -> None:
    feed, rows = every.encoder.encode(Tensors(tensors))
    wanted, _ = every.encoder.encode(Records([GOOD, GOOD]))
    assert rows == 2
    assert_same(feed, wanted)


def test_a_clean_matrix_is_not_copied() -> None:
    data = np.ones((1000, 20), dtype="<f4").tobytes()
    array = np.frombuffer(data, dtype="<f4").reshape(1000, 20)
    feed, rows = served(identity(20)).encoder.encode(Tensors({"X": array}))
    assert rows == 1000
    assert np.shares_memory(feed["X"], array)


@pytest.mark.parametrize(
    ("tensors", "path", "says"),
    [
        (by_input(X=matrix(1, 0, 121)), "inputs[0].data[1][0]", "age must be between 0 and 120"),
        (by_input(X=matrix(1, 0, np.inf)), "inputs[0].data[1][0]", "age must be between 0 and 120"),
        (by_input(X=matrix(0, 1, -np.inf)), "inputs[0].data[0][1]", "income does not fit float32"),
        (by_input(X=matrix(1, 0, np.nan)), "inputs[0].data[1][0]", "age must not be null or NaN"),
        (by_input(X=matrix(1, 3, 1.5)), "inputs[0].data[1][3]", "visits must be a whole number"),
        (by_input(X=matrix(1, 3, np.inf)), "inputs[0].data[1][3]", "visits does not fit int32"),
        (by_input(X=matrix(1, 3, -1)), "inputs[0].data[1][3]", "visits must be at least 0"),
        (by_input(X=matrix(1, 4, 0.5)), "inputs[0].data[1][4]", "member must be true or false, not a number"),
        (by_input(city=texts("Oslo", "Paris")), "inputs[2].data[1]", "city must be one of: Oslo, Bern"),
        (by_input(city=texts("Oslo", None)), "inputs[2].data[1]", "city must not be null or NaN"),
        (by_input(note=np.array([1, 2])), "inputs[3].datatype", "is int64; the model takes string"),
        (by_input(N=np.array([4.0, 4.0])), "inputs[1].datatype", "is float64; the model takes int64"),
        (by_input(N=np.array([4, 4], np.uint64)), "inputs[1].datatype", "is uint64; the model takes int64"),
        (by_input(X=np.ones((2, 5))), "inputs[0].datatype", "is float64; the model takes float32"),
        (by_input(X=np.ones((2, 5), np.int32)), "inputs[0].datatype", "is int32; the model takes float32"),
        (by_input(X=np.ones((2, 5), bool)), "inputs[0].datatype", "is bool; the model takes float32"),
        (by_input(X=np.ones((2, 4), "f4")), "inputs[0].shape", "is [2, 4]; the model takes [-1, 5]"),
        (by_input(X=np.ones(2, "f4")), "inputs[0].shape", "is [2]; the model takes [-1, 5]"),
        (by_input(X=np.ones((2, 5, 1), "f4")), "inputs[0].shape", "is [2, 5, 1]; the model takes [-1, 5]"),
        (by_input(N=np.array([1, 2, 3])), "inputs[1].shape", "has 3 rows where the first tensor has 2"),
        (by_input(N=np.array(4)), "inputs[1].shape", "must begin with the number of rows"),
        (by_input(X=np.ones((0, 5), "f4")), "inputs[0].shape", "must begin with the number of rows"),
        (by_input(cit=texts("Oslo", "Oslo")), "inputs[4].name", "'cit' is no input of this model; did you mean 'city'"),
        (by_input(age=np.ones(2, "f4")), "inputs[4].name", "brings 'age' a second time"),
        (by_feature(member=np.array([1, 0])), "inputs[4].datatype", "is int64; the model takes bool or float32"),
        (by_feature(age=np.array([1, 2], bool)), "inputs[0].datatype", "is bool; the model takes float32"),
        (by_feature(age=texts(1, "2")), "inputs[0].data[1]", "age must be a number, not a string"),
        (by_feature(visits=texts(1.5, 2)), "inputs[3].data[0]", "visits must be a whole number"),
    ],
)
def test_what_does_not_fit_is_named(every: ServedVersion, tensors: dict[str, np.ndarray], path: str, says: str) -> None:
    errors = errors_of(every, tensors)
    assert list(errors) == [path]
    assert says in errors[path][0]


def test_a_tensor_that_is_not_there(every: ServedVersion) -> None:
    tensors = by_input()
    del tensors["N"]
    assert errors_of(every, tensors) == {"inputs": ["count is missing; the model needs a value"]}


def test_nan_null_and_absent_follow_the_policy_of_each_feature(every: ServedVersion) -> None:
    missing = {name: value for name, value in GOOD.items() if name not in ("income", "score", "note")}
    wanted, _ = every.encoder.encode(Records([missing, GOOD]))
    gaps = matrix(0, 1, np.nan)
    gaps[0, 2] = np.nan
    assert_same(every.encoder.encode(Tensors(by_input(X=gaps, note=texts(None, "x"))))[0], wanted)
    changed = {
        "income": np.array([np.nan, 5.5], "f4"), "score": texts(None, 0.5), "note": texts(None, "x"),
    }  # fmt: skip
    assert_same(every.encoder.encode(Tensors(by_feature(**changed)))[0], wanted)
    absent = {name: array[:1] for name, array in by_feature().items() if name in missing}
    assert_same(every.encoder.encode(Tensors(absent))[0], every.encoder.encode(Records([missing]))[0])


def test_the_entity_key_may_come_along(every: ServedVersion) -> None:
    tensors = by_input(customer_id=texts("C-1", "C-2"))
    assert every.encoder.encode(Tensors(tensors))[1] == 2
    assert "inputs[4].shape" in errors_of(every, by_input(customer_id=texts("C-1")))


def test_one_column_per_input_in_either_shape() -> None:
    version = served(columns())
    flat = {"city": texts("Oslo", "Bern"), "age": np.array([1, 2], np.int16)}
    tall = {"city": texts("Oslo", "Bern").reshape(2, 1), "age": np.array([[1], [2]], np.float32)}
    assert_same(version.encoder.encode(Tensors(flat))[0], version.encoder.encode(Tensors(tall))[0])


def test_shaped_features() -> None:
    version = served(image())
    pixels = np.zeros((2, 2, 3), dtype=np.float32)
    feed, _ = version.encoder.encode(Tensors({"pixels": pixels}))
    assert np.shares_memory(feed["pixels"], pixels)
    spoilt = pixels.copy()
    spoilt[1, 1, 2] = 2
    assert errors_of(version, {"pixels": spoilt}) == {"inputs[0].data[1]": ["pixels must be between 0 and 1"]}
    spoilt[1, 1, 2] = np.nan
    assert errors_of(version, {"pixels": spoilt}) == {"inputs[0].data[1]": ["pixels must be a number"]}
    assert "inputs[0].shape" in errors_of(version, {"pixels": np.zeros((2, 3, 2), np.float32)})


def test_numbers_that_need_not_be_exact_are_rounded_like_those_of_json() -> None:
    version = served(linear())
    feed, _ = version.encoder.encode(Tensors({"f0": np.array([0.1]), "f1": np.array([3])}, exact=False))
    wanted, _ = version.encoder.encode(Records([{"f0": 0.1, "f1": 3}]))
    assert_same(feed, wanted)
    huge = {"f0": np.array([1e39]), "f1": np.array([3])}
    assert errors_of(version, huge, exact=False) == {"inputs[0].data[0]": ["f0 does not fit float32"]}
    assert errors_of(version, huge, path="columns.{name}", exact=False) == {"columns.f0[0]": ["does not fit float32"]}


def test_whole_numbers_are_narrowed_only_where_they_fit(every: ServedVersion) -> None:
    feed, _ = every.encoder.encode(Tensors(by_feature(count=np.array([4, 5], np.uint64)), exact=False))
    assert feed["N"].dtype == np.int64
    errors = errors_of(every, by_feature(count=np.array([4, 2**64 - 1], np.uint64)), exact=False)
    assert errors == {"inputs[5].data[1]": ["count does not fit int64"]}


def test_many_tensors_of_no_model_are_not_all_looked_at() -> None:
    tensors = {f"t{number}": np.ones(1, np.float32) for number in range(10_000)}
    assert len(errors_of(served(linear()), tensors)) == 20
