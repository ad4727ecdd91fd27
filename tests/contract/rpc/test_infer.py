"""ModelInfer: every datatype in both forms, outputs by name, versions, ids, and what is said beside the answer."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode

from app.oip.datatypes import DATATYPES
from app.oip.raw import from_raw
from app.rpc.protocol import open_inference_pb2 as pb
from tests.contract.rpc.messages import linear, raw, request, typed, values_of
from tests.rpc_server import RpcClient

ROWS: dict[str, list[Any]] = {
    "BOOL": [True, False, False, True],
    "INT8": [-128, 127, 0, 5],
    "INT16": [-(2**15), 2**15 - 1, 0, 5],
    "INT32": [-(2**31), 2**31 - 1, 0, 5],
    "INT64": [-(2**63), 2**63 - 1, 0, 5],
    "UINT8": [0, 255, 1, 5],
    "UINT16": [0, 2**16 - 1, 1, 5],
    "UINT32": [0, 2**32 - 1, 1, 5],
    "UINT64": [0, 2**64 - 1, 1, 5],
    "FP16": [0.5, -65504.0, 0.0, 6.1e-05],
    "FP32": [0.5, -3.4028234663852886e38, 0.0, 1.401298464324817e-45],
    "FP64": [0.1, -1.7976931348623157e308, 0.0, 5e-324],
    "BYTES": ["", "Bern", "Zürich 🏔", "a" * 300],
}
"""Four rows of one value, the extremes of each datatype among them."""


def _array(datatype: str) -> np.ndarray[Any, Any]:
    return np.array(ROWS[datatype], dtype=DATATYPES[datatype]).reshape(4, 1)


@pytest.mark.parametrize("datatype", DATATYPES)
def test_raw_bytes_come_back_as_raw_bytes(rpc: RpcClient, datatype: str) -> None:
    model = f"echo-{datatype.lower()}"
    reply = rpc.infer(raw(request(model), "X", datatype, [4, 1], _array(datatype)))
    assert reply.code is StatusCode.OK, reply
    (output,), (data,) = reply.answer.outputs, reply.answer.raw_output_contents
    assert (output.name, output.datatype, list(output.shape), output.HasField("contents")) == (
        "Y",
        datatype,
        [4, 1],
        False,
    )
    assert from_raw(data, datatype, (4, 1), "Y").tolist() == _array(datatype).tolist()


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name != "FP16"])
def test_values_one_by_one_come_back_so(rpc: RpcClient, datatype: str) -> None:
    values = [item.encode() for item in ROWS[datatype]] if datatype == "BYTES" else ROWS[datatype]
    reply = rpc.infer(typed(request(f"echo-{datatype.lower()}"), "X", datatype, [4, 1], values))
    assert reply.code is StatusCode.OK, reply
    assert values_of(reply.answer) == values
    assert not reply.answer.raw_output_contents


def test_half_floats_are_always_raw(rpc: RpcClient) -> None:
    """The protocol has no place for them one by one; a feature may come as a type that half floats hold."""
    one_by_one = request("echo-fp16")
    one_by_one.inputs.add(name="X", datatype="FP16", shape=[1, 1]).contents.fp32_contents.append(1)
    reply = rpc.infer(one_by_one)
    assert (reply.code, list(reply.fields)) == (StatusCode.INVALID_ARGUMENT, ["inputs[0].contents"])
    answer = rpc.infer(typed(request("echo-fp16"), "x", "INT8", [1], [7])).answer
    assert answer.raw_output_contents[0] == struct.pack("<e", 7)


def person(outputs: Sequence[str] = ()) -> pb.ModelInferRequest:
    """A row of ``everything`` by feature; Y is 44.5, T its two texts."""
    asked = request("everything", outputs=outputs)
    for name, datatype, value in (
        ("age", "FP32", 30.5), ("income", "FP32", 5.5), ("score", "FP32", 0.5), ("visits", "INT32", 3),
        ("member", "BOOL", True), ("count", "INT64", 4), ("city", "BYTES", b"Oslo"), ("note", "BYTES", b"x"),
    ):  # fmt: skip
        typed(asked, name, datatype, [1], [value])
    return asked


def test_features_by_their_own_names(rpc: RpcClient) -> None:
    answer = rpc.infer(person()).answer
    assert (values_of(answer), values_of(answer, 1)) == ([44.5], [b"Oslo", b"x"])


def test_outputs_by_name_in_the_order_asked_for(rpc: RpcClient) -> None:
    both, one = rpc.infer(person(["T", "Y"])).answer, rpc.infer(person(["T"])).answer
    assert [output.name for output in both.outputs] == ["T", "Y"]
    assert [(output.name, list(output.shape)) for output in one.outputs] == [("T", [1, 2])]


@pytest.mark.parametrize(("names", "path"), [(["W"], "outputs[0].name"), (["Y", "Y"], "outputs[1].name")])
def test_outputs_that_cannot_be(rpc: RpcClient, names: list[str], path: str) -> None:
    reply = rpc.infer(person(names))
    assert (reply.code, list(reply.fields)) == (StatusCode.INVALID_ARGUMENT, [path])


def test_versions(rpc: RpcClient) -> None:
    newest, first = rpc.infer(linear()).answer, rpc.infer(linear(version="v1")).answer
    assert (newest.model_name, newest.model_version, values_of(newest)) == ("linear", "v2", [11.5])
    assert (first.model_version, values_of(first)) == ("v1", [5.5])
    unknown = rpc.infer(linear(version="v9"))
    assert (unknown.code, unknown.message) == (
        StatusCode.NOT_FOUND,
        "Model 'linear' has no version 'v9'; it has v1, v2.",
    )


def test_ids_come_back(rpc: RpcClient) -> None:
    reply = rpc.infer(linear(id="order-7"), metadata=[("x-request-id", "trace-1")])
    assert (reply.answer.id, reply.trailers["x-request-id"]) == ("order-7", "trace-1")
    other = rpc.infer(linear(), metadata=[("x-request-id", "two words")])
    assert other.answer.id == ""
    assert len(other.trailers["x-request-id"]) == 32


def test_an_error_carries_the_id_to_quote(rpc: RpcClient) -> None:
    reply = rpc.infer(linear(model="liner"), metadata=[("x-request-id", "trace-2")])
    assert reply.message == "There is no model 'liner' here. Did you mean 'linear'?"
    assert reply.details["RequestInfo"].request_id == reply.trailers["x-request-id"] == "trace-2"
    assert reply.details["ErrorInfo"].reason == "MODEL_NOT_FOUND"


def test_where_the_answer_came_from(rpc: RpcClient) -> None:
    never = rpc.infer(linear(), metadata=[("cache-control", "no-store")])
    told = {name: value.string_param for name, value in never.answer.parameters.items()}
    assert told == {"cache": "bypass", "route": "default"}
    assert rpc.infer(linear()).answer.parameters["cache"].string_param in {"miss", "hit-l1", "bypass"}


def test_what_the_model_cannot_answer(rpc: RpcClient) -> None:
    gap = rpc.infer(typed(request("roots"), "X", "FP32", [2, 1], [4.0, -4.0]))
    assert (gap.code, gap.fields) == (
        StatusCode.INVALID_ARGUMENT,
        {"inputs[0].data[1]": "the model has no finite answer for these values"},
    )
    failed = rpc.infer(typed(request("fragile"), "X", "FP32", [1, 1], [7.0]))
    assert (failed.code, failed.message) == (StatusCode.INTERNAL, "Model 'fragile' version 'v1' failed on this input.")
