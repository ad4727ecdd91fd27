"""Requests of the inference protocol that lie about themselves: a 4xx that names the member, and memory stays flat."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.client import message
from tests.contract.inference import LENGTH, assert_error, infer, infer_raw, outputs_of, raw_tensor, tensor, texts
from tests.contract.problems import assert_quick
from tests.servers import Server

ROW = tensor("X", "FP32", [1, 2], [1, 2])
RAW_ROW = np.array([[1, 2]], "<f4").tobytes()


@pytest.fixture(autouse=True)
def _still_answers(tiny: Server) -> Iterator[None]:
    """After each test, whatever it sent."""
    yield
    assert outputs_of(infer(tiny, "linear", ROW)) == {"Y": [[5.5]]}


def but(**members: Any) -> dict[str, Any]:
    """The good row with other members; those given as ... are left out."""
    return {name: value for name, value in (ROW | members).items() if value is not ...}


ENVELOPES: list[tuple[Any, str]] = [
    ({}, "inputs: must be a list of objects"),
    ({"inputs": None}, "inputs: must be a list of objects"),
    ({"inputs": {}}, "inputs: must be a list of objects"),
    ({"inputs": [5]}, "inputs: must be a list of objects"),
    ({"inputs": [ROW, None]}, "inputs: must be a list of objects"),
    ({"inputs": []}, "inputs: holds 0 tensors"),
    ({"inputs": [{}] * 10_000}, "inputs: holds 10000 tensors"),
    ({"inputs": [ROW], "output": []}, "output: is not known here"),
    ({"inputs": [ROW], "id": 5}, "id: must be a string"),
    ({"inputs": [ROW], "model_name": 5}, "model_name: must be a string"),
    ({"inputs": [ROW], "id": "x" * 2000}, "id: must be a string of at most 1024"),
    ({"inputs": [ROW], "parameters": []}, "parameters: must be an object"),
    (
        {"inputs": [ROW], "parameters": {"binary_data_output": 1}},
        "parameters.binary_data_output: must be true or false",
    ),
    ({"inputs": [ROW], "parameters": {"sequence_id": 5}}, "parameters.sequence_id: is not supported"),
    ({"inputs": [ROW], "outputs": {}}, "outputs: must be a list of objects"),
    ({"inputs": [ROW], "outputs": ["Y"]}, "outputs: must be a list of objects"),
    ({"inputs": [ROW], "outputs": [{}]}, "outputs[0].name: must be a string"),
    ({"inputs": [ROW], "outputs": [{"name": "Y", "shape": [1]}]}, "outputs[0].shape: is not known here"),
    (
        {"inputs": [ROW], "outputs": [{"name": "Y", "parameters": {"classification": 3}}]},
        "outputs[0].parameters.classification: is not supported",
    ),
    (
        {"inputs": [ROW], "outputs": [{"name": "Y", "parameters": {"binary_data": "yes"}}]},
        "outputs[0].parameters.binary_data: must be true or false",
    ),
    ({"inputs": [ROW, ROW]}, "inputs[1].name: 'X' appears more than once"),
    ({"inputs": [but(name=...)]}, "inputs[0].name: must be a string"),
    ({"inputs": [but(name=7)]}, "inputs[0].name: must be a string"),
    ({"inputs": [but(name="")]}, "inputs[0].name: must be a string"),
    ({"inputs": [but(name="Z")]}, "inputs[0].name: 'Z' is no input"),
    ({"inputs": [but(name="Z" * 5000)]}, "inputs[0].name: 'ZZZ"),
    ({"inputs": [but(dtype="FP32")]}, "inputs[0].dtype: is not known here"),
    ({"inputs": [but(datatype=...)]}, "inputs[0].datatype: must be one of BOOL"),
    ({"inputs": [but(datatype="FP128")]}, "inputs[0].datatype: must be one of BOOL"),
    ({"inputs": [but(datatype=["FP32"])]}, "inputs[0].datatype: must be one of BOOL"),
    ({"inputs": [but(datatype="INT64")]}, "inputs[0].datatype: is int64; the model takes float32"),
    ({"inputs": [but(datatype="BOOL", data=[True, False])]}, "inputs[0].datatype: is bool; the model takes float32"),
    ({"inputs": [but(parameters=5)]}, "inputs[0].parameters: must be an object"),
    (
        {"inputs": [but(parameters={"shared_memory_region": "x"}, data=...)]},
        "inputs[0].parameters.shared_memory_region: is not supported",
    ),
    ({"inputs": [but(data=...)]}, "inputs[0].data: is missing"),
    ({"inputs": [but(parameters={"binary_data_size": 0})]}, "inputs[0].data: must not stand beside"),
]


@pytest.mark.parametrize(("body", "says"), ENVELOPES)
def test_envelopes(tiny: Server, body: Any, says: str) -> None:
    answer = tiny.post("/v2/models/linear/infer", body)
    assert_error(answer, 400, says)
    assert_quick(tiny, answer)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (..., "must be a list of whole numbers"),
        (None, "must be a list of whole numbers"),
        ("1,2", "must be a list of whole numbers"),
        ([1.0, 2], "must be a list of whole numbers"),
        ([True, 2], "must be a list of whole numbers"),
        (["1", 2], "must be a list of whole numbers"),
        ([[1, 2]], "must be a list of whole numbers"),
        ([-1, 2], "must not hold a negative length"),
        ([-1, -2], "must not hold a negative length"),
        ([2**62, 2], "stands for more elements than there can be"),
        ([2**63, 2**63], "stands for more elements than there can be"),
        ([2**32, 2**32], "stands for more elements than there can be"),
        ([2**62, 0, 2**62], "stands for more elements than there can be"),
        ([1] * 10_000, "has 10000 axes"),
    ],
)
def test_shapes_that_no_array_has(tiny: Server, shape: Any, says: str) -> None:
    answer = infer(tiny, "linear", but(shape=shape))
    assert_error(answer, 400, "inputs[0].shape", says)
    assert_quick(tiny, answer)
    raw = but(shape=shape, data=..., parameters={"binary_data_size": 8})
    assert_error(infer_raw(tiny, "linear", {"inputs": [raw]}, RAW_ROW), 400, "inputs[0].shape", says)


@pytest.mark.parametrize(
    ("shape", "data", "says"),
    [
        ([1, 3], [1, 2, 3], "inputs[0].shape: is [1, 3]; the model takes [-1, 2]"),
        ([2], [1, 2], "inputs[0].shape: is [2]; the model takes [-1, 2]"),
        ([1, 2, 1], [1, 2], "inputs[0].shape: is [1, 2, 1]; the model takes [-1, 2]"),
        ([], [1], "inputs[0].shape: must begin with the number of rows"),
        ([0, 2], [], "inputs[0].shape: must begin with the number of rows"),
        ([10_001, 0], [], "inputs[0].shape: holds 10001 rows; one request takes at most 10000"),
    ],
)
def test_shapes_that_the_model_does_not_take(tiny: Server, shape: Any, data: Any, says: str) -> None:
    assert_error(infer(tiny, "linear", but(shape=shape, data=data)), 400, says)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "inputs[0].data: must be a list"),
        ("1,2", "inputs[0].data: must be a list"),
        (5, "inputs[0].data: must be a list"),
        ({}, "inputs[0].data: must be a list"),
        ([], "inputs[0].data: holds 0 values; the shape stands for 4"),
        ([1, 2, 3], "inputs[0].data: holds 3 values; the shape stands for 4"),
        ([1] * 100_000, "inputs[0].data: holds 100000 values; the shape stands for 4"),
        ([[1, 2], [3]], "inputs[0].data: is not nested as its shape says"),
        ([[1, 2, 3, 4]], "inputs[0].data: is not nested as its shape says"),
        ([[1, 2], 3], "inputs[0].data: is not nested as its shape says"),
        ([[[1], [2]], [[3], [4]]], "inputs[0].data[0][0]: must be a number"),
        ([1, 2, 3, [4]], "inputs[0].data[1][1]: must be a number"),
        ([1, 2, "3", 4], "inputs[0].data[1][0]: must be a number"),
        ([1, 2, 3, True], "inputs[0].data[1][1]: must be a number"),
        ([1, 2, 3, {}], "inputs[0].data[1][1]: must be a number"),
        ([1, 2, 1e39, 4], "inputs[0].data[1][0]: does not fit FP32"),
        ([1, 2, -1e300, 4], "inputs[0].data[1][0]: does not fit FP32"),
        ([1, 2, None, 4], "inputs[0].data[1][0]: f0 must not be null or NaN"),
    ],
)
def test_values(tiny: Server, data: Any, says: str) -> None:
    answer = infer(tiny, "linear", but(shape=[2, 2], data=data))
    assert_error(answer, 400, says)
    assert_quick(tiny, answer)


@pytest.mark.parametrize(
    ("datatype", "value", "says"),
    [
        ("INT8", 128, "does not fit INT8"),
        ("INT8", -129, "does not fit INT8"),
        ("UINT8", -1, "does not fit UINT8"),
        ("UINT64", 2**64, "does not fit UINT64"),
        ("INT64", 2**63, "does not fit INT64"),
        ("INT64", 10**300, "does not fit INT64"),
        ("INT32", 1.5, "must be a whole number"),
        ("INT32", "1", "must be a number"),
        ("INT32", False, "must be a number"),
        ("FP16", 65_520, "does not fit FP16"),
        ("BOOL", 1, "must be true or false"),
        ("BOOL", "true", "must be true or false"),
        ("BOOL", None, "must not be null or NaN"),
    ],
)
def test_values_that_a_datatype_cannot_hold(tiny: Server, datatype: str, value: Any, says: str) -> None:
    assert_error(infer(tiny, f"echo_{datatype}", tensor("X", datatype, [2, 1], [value, value])), 400, "data[0]", says)


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": [NaN]}',
        b'{"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [NaN, 2]}]}',
        b'{"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1e400, 2]}]}',
        b'{"inputs": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"inputs": [{"name": "\\ud800", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}',
        b'{"inputs": [{"name": "X", "name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}',
        b'{"inputs": [{"parameters": {"a": 1, "a": 1}}]}',
        b'{"inputs": [], "inputs": []}',
        b"[]",
        b"5",
        b"",
        b"\xff\xfe{}",
    ],
)
def test_no_json_object(tiny: Server, body: bytes) -> None:
    answer = tiny.post("/v2/models/linear/infer", body)
    assert_error(answer, 400)
    assert_quick(tiny, answer)


@pytest.mark.parametrize("size", [-1, 0, 7, 9, 2**31, 2**63, 2**64 - 1, "8", 8.0, True, [8], None])
def test_sizes_that_lie(tiny: Server, size: Any) -> None:
    answer = infer_raw(tiny, "linear", {"inputs": [raw_tensor("X", "FP32", [1, 2], size)]}, RAW_ROW)
    assert_error(answer, 400, "inputs")
    assert_quick(tiny, answer)


def test_bytes_left_over(tiny: Server) -> None:
    body = {"inputs": [raw_tensor("X", "FP32", [1, 2], 8)]}
    assert_error(infer_raw(tiny, "linear", body, RAW_ROW + b"more"), 400, "inputs: say of 8 bytes", "12 follow")
    assert_error(infer_raw(tiny, "linear", {"inputs": [ROW]}, RAW_ROW), 400, "inputs: say of 0 bytes")


def test_binary_data_without_the_header_that_tells_where_it_begins(tiny: Server) -> None:
    body = {"inputs": [raw_tensor("X", "FP32", [1, 2], 8)]}
    assert_error(
        tiny.post("/v2/models/linear/infer", body), 400, "binary_data_size: is 8; 0 bytes of binary data are left"
    )


@pytest.mark.parametrize("length", ["-1", "1.5", "0x10", "", " ", "9" * 30, "1_0", "\u0661", "99999999", "10, 10"])
def test_header_lengths(tiny: Server, length: str) -> None:
    header = json.dumps({"inputs": [raw_tensor("X", "FP32", [1, 2], 8)]}).encode()
    told = length.encode().decode("latin-1")
    raw = message("POST", "/v2/models/linear/infer", header + RAW_ROW).partition(b"\r\n")
    answer = tiny.send(raw[0] + f"\r\n{LENGTH}: {told}\r\n".encode("latin-1") + raw[2])
    assert_error(answer, 400)
    assert_quick(tiny, answer)


@pytest.mark.parametrize("shift", [-20, -1, 1, 8])
def test_a_header_length_that_is_off(tiny: Server, shift: int) -> None:
    body = {"inputs": [raw_tensor("X", "FP32", [1, 2], 8)]}
    answer = infer_raw(tiny, "linear", body, RAW_ROW, len(json.dumps(body)) + shift)
    assert_error(answer, 400)


def test_a_header_length_of_nothing(tiny: Server) -> None:
    assert_error(infer_raw(tiny, "linear", {"inputs": [ROW]}, b"", 0), 400, "no valid JSON")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (b"", "too few for the 1 texts"),
        (b"\x04", "too few"),
        (b"\x05\x00\x00\x00Oslo", "is said to be 5 bytes long, past the end"),
        (b"\xff\xff\xff\xffOslo", "is said to be 4294967295 bytes long, past the end"),
        (texts("Oslo") + b"x", "1 bytes left after the 1 texts"),
        (texts("Oslo", "Bern"), "8 bytes left after the 1 texts"),
        (struct.pack("<I", 2) + b"\xff\xfe", "is no UTF-8 text"),
        (struct.pack("<I", 3) + b"\xed\xa0\x80", "is no UTF-8 text"),
    ],
)
def test_texts_that_end_elsewhere(tiny: Server, words: bytes, says: str) -> None:
    others = [tensor("X", "FP32", [1, 5], [30.5, 5.5, 0.5, 3, 1]), tensor("N", "INT64", [1], [4])]
    body = {"inputs": [*others, tensor("note", "BYTES", [1], ["x"]), raw_tensor("city", "BYTES", [1], len(words))]}
    answer = infer_raw(tiny, "everything", body, words)
    assert_error(answer, 400, "inputs[3]", says)
    assert_quick(tiny, answer)


def test_truths_that_are_neither(tiny: Server) -> None:
    body = {"inputs": [raw_tensor("X", "BOOL", [2, 1], 2)]}
    assert_error(infer_raw(tiny, "echo_BOOL", body, b"\x01\x02"), 400, "inputs[0]", "neither 0 nor 1")


def test_bounds_are_held_against_the_digits_that_were_written(tiny: Server) -> None:
    """As in every other form: rounded to float32 first, this would be 120."""
    age = tensor("X", "FP32", [1, 5], [120.00000000000001, 5.5, 0.5, 3, 1])
    rest = [tensor("N", "INT64", [1], [4]), tensor("city", "BYTES", [1], ["Oslo"]), tensor("note", "BYTES", [1], ["x"])]
    assert_error(infer(tiny, "everything", age, *rest), 400, "inputs[0].data[0][0]: age must be between 0 and 120")


def test_a_null_does_not_hide_the_datatype(tiny: Server) -> None:
    score = tensor("score", "INT64", [1], [None])
    assert_error(infer(tiny, "everything", score), 400, "inputs[0].datatype: is int64; the model takes float32")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_numbers_that_json_could_not_say(tiny: Server, value: float) -> None:
    body = {"inputs": [raw_tensor("X", "FP32", [1, 2], 8)]}
    assert_error(
        infer_raw(tiny, "linear", body, np.array([1, value], "<f4").tobytes()), 400, "inputs[0].data[0][1]: f1"
    )


def test_no_finite_answer(tiny: Server) -> None:
    answer = infer(tiny, "roots", tensor("X", "FP32", [2, 1], [4, -4]))
    assert_error(answer, 400, "inputs[0].data[1]: the model has no finite answer")
    asked = {"parameters": {"binary_data_output": True}}
    assert_error(infer(tiny, "roots", tensor("X", "FP32", [1, 1], [-4]), **asked), 400, "no finite answer")


def test_many_tensors(tiny: Server) -> None:
    inputs = [tensor(f"t{number}", "FP32", [0], []) for number in range(4096)]
    answer = tiny.post("/v2/models/linear/infer", {"inputs": inputs})
    assert len(assert_error(answer, 400, "inputs[0].shape")) < 4000
    assert_quick(tiny, answer, 150)


@pytest.mark.parametrize("body", [{"parameters": {"config": "{}"}}, {"parameters": {"file:1/model.onnx": "AA=="}}])
def test_models_do_not_come_over_the_network(tiny: Server, body: Any) -> None:
    assert_error(tiny.post("/v2/repository/models/linear/load", body), 400, "parameters.", "is not supported")
