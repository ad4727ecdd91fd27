"""The Open Inference Protocol over REST: what it says of models, and every way to ask and to be answered."""

import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest

from tests.client import message
from tests.contract.conftest import GOOD
from tests.contract.inference import LENGTH, assert_error, infer, infer_raw, outputs_of, raw_tensor, tensor, texts
from tests.servers import Server

ROW = tensor("X", "FP32", [1, 2], [1, 2])
EVERY = [
    tensor("X", "FP32", [1, 5], [30.5, 5.5, 0.5, 3, 1]),
    tensor("N", "INT64", [1, 1], [4]),
    tensor("city", "BYTES", [1, 1], ["Oslo"]),
    tensor("note", "BYTES", [1], ["x"]),
]


def test_who_is_speaking(tiny: Server) -> None:
    document = tiny.get("/v2").json()
    assert document["name"] == "sluice"
    assert "binary_tensor_data" in document["extensions"]


def test_health_in_either_of_the_words_the_protocol_uses(tiny: Server) -> None:
    assert tiny.get("/v2/health/live").json() == {"live": True}
    assert tiny.get("/v2/health/ready").json() == {"ready": True, "live": True}
    for path in ("/v2/models/linear/ready", "/v2/models/linear/versions/v1/ready"):
        assert tiny.get(path).json() == {"name": "linear", "ready": True}
    assert_error(tiny.get("/v2/models/nothing/ready"), 404, "no model 'nothing'")


def test_metadata(tiny: Server) -> None:
    document = tiny.get("/v2/models/everything").json()
    assert document == tiny.get("/v2/models/everything/versions/v1").json()
    assert document["versions"] == ["v1"]
    assert document["platform"] == "onnxruntime_onnx"
    assert document["inputs"] == [
        {"name": "X", "datatype": "FP32", "shape": [-1, 5]},
        {"name": "N", "datatype": "INT64", "shape": [-1, 1]},
        {"name": "city", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "note", "datatype": "BYTES", "shape": [-1, 1]},
    ]
    assert document["outputs"][0] == {"name": "Y", "datatype": "FP32", "shape": [-1, 1]}
    assert document["outputs"][1]["datatype"] == "BYTES"
    assert tiny.get("/v2/models/image").json()["inputs"][0]["shape"] == [-1, 2, 3]


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]], [[1.0, 2.0], [3, 4]]])
def test_flat_and_nested_values(tiny: Server, data: Any) -> None:
    answer = infer(tiny, "linear", tensor("X", "FP32", [2, 2], data))
    assert answer.json() == {
        "model_name": "linear",
        "model_version": "v1",
        "outputs": [{"name": "Y", "datatype": "FP32", "shape": [2, 1], "data": [5.5, 11.5]}],
    }
    assert answer.headers["content-type"] == "application/json"


def test_an_id_comes_back(tiny: Server) -> None:
    assert infer(tiny, "linear", ROW, id="a b\u20ac").json()["id"] == "a b\u20ac"


def test_one_version(tiny: Server) -> None:
    assert tiny.post("/v2/models/linear/versions/v1/infer", {"inputs": [ROW]}).json()["outputs"][0]["data"] == [5.5]
    assert_error(tiny.post("/v2/models/linear/versions/v9/infer", {"inputs": [ROW]}), 404, "has no version 'v9'")


def test_several_inputs_and_outputs(tiny: Server) -> None:
    found = outputs_of(infer(tiny, "everything", *EVERY))
    assert found == {"Y": [[44.5]], "T": [["Oslo", "x"]]}
    assert outputs_of(infer(tiny, "everything", *reversed(EVERY))) == found


def test_named_outputs_only_and_in_their_order(tiny: Server) -> None:
    answer = infer(tiny, "everything", *EVERY, outputs=[{"name": "T"}])
    assert list(outputs_of(answer)) == ["T"]
    both = infer(tiny, "everything", *EVERY, outputs=[{"name": "T"}, {"name": "Y", "parameters": {}}])
    assert list(outputs_of(both)) == ["T", "Y"]
    assert_error(infer(tiny, "linear", ROW, outputs=[{"name": "Z"}]), 400, "outputs[0].name", "'Z' is no output")
    twice = infer(tiny, "linear", ROW, outputs=[{"name": "Y"}, {"name": "Y"}])
    assert_error(twice, 400, "outputs[1].name", "more than once")


def test_features_by_their_own_names(tiny: Server) -> None:
    kinds = {"income": "FP64", "member": "BOOL", "count": "INT16", "visits": "UINT8", "city": "BYTES", "note": "BYTES"}
    kinds["income"] = "FP16"
    inputs = [tensor(name, kinds.get(name, "FP32"), [1], [value]) for name, value in GOOD.items()]
    assert outputs_of(infer(tiny, "everything", *inputs))["Y"] == [[44.5]]


@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [
        ("BOOL", "?"), ("INT8", "i1"), ("INT16", "i2"), ("INT32", "i4"), ("INT64", "i8"), ("UINT8", "u1"),
        ("UINT16", "u2"), ("UINT32", "u4"), ("UINT64", "u8"), ("FP16", "f2"), ("FP32", "f4"), ("FP64", "f8"),
    ],
)  # fmt: skip
def test_every_datatype_in_json_and_as_bytes(tiny: Server, datatype: str, dtype: str) -> None:
    """A model for each: the identity on that datatype."""
    values = np.array([[1], [0]]).astype(dtype)
    plain = infer(tiny, f"echo_{datatype}", tensor("X", datatype, [2, 1], values.ravel().tolist()))
    assert plain.json()["outputs"] == [
        {"name": "Y", "datatype": datatype, "shape": [2, 1], "data": values.ravel().tolist()}
    ]
    raw = values.tobytes()
    body = {"inputs": [raw_tensor("X", datatype, [2, 1], len(raw))], "parameters": {"binary_data_output": True}}
    packed = infer_raw(tiny, f"echo_{datatype}", body, raw)
    length = int(packed.headers[LENGTH.lower()])
    assert packed.body[length:] == raw
    assert json.loads(packed.body[:length])["outputs"] == [
        {"name": "Y", "datatype": datatype, "shape": [2, 1], "parameters": {"binary_data_size": len(raw)}}
    ]


def test_texts_as_bytes(tiny: Server) -> None:
    words = texts("Oslo", "\u20ac")
    body = {
        "inputs": [
            *EVERY[:2],
            raw_tensor("city", "BYTES", [1, 1], len(texts("Oslo"))),
            raw_tensor("note", "BYTES", [1], len(texts("\u20ac"))),
        ],
        "outputs": [{"name": "T", "parameters": {"binary_data": True}}, {"name": "Y"}],
    }
    assert outputs_of(infer_raw(tiny, "everything", body, words)) == {"T": [["Oslo", "\u20ac"]], "Y": [[44.5]]}


def test_one_output_as_bytes_beside_others_in_json(tiny: Server) -> None:
    outputs = [{"name": "Y", "parameters": {"binary_data": False}}, {"name": "T"}]
    answer = infer(tiny, "everything", *EVERY, outputs=outputs, parameters={"binary_data_output": True})
    header = json.loads(answer.body[: int(answer.headers[LENGTH.lower()])])
    assert ["data" in output for output in header["outputs"]] == [True, False]
    assert outputs_of(answer) == {"Y": [[44.5]], "T": [["Oslo", "x"]]}


def test_bytes_that_begin_at_any_place(tiny: Server) -> None:
    """The JSON's length decides where the numbers lie in memory; none of it may matter."""
    raw = np.array([[1, 2]], dtype="<f4").tobytes()
    for pad in range(9):
        body = {"id": "x" * pad, "inputs": [raw_tensor("X", "FP32", [1, 2], 8)]}
        assert outputs_of(infer_raw(tiny, "linear", body, raw)) == {"Y": [[5.5]]}
    both = {"inputs": [raw_tensor("note", "BYTES", [1], 5), raw_tensor("X", "FP32", [1, 5], 20), *EVERY[1:3]]}
    numbers = np.array([30.5, 5.5, 0.5, 3, 1], dtype="<f4").tobytes()
    assert outputs_of(infer_raw(tiny, "everything", both, texts("x") + numbers))["Y"] == [[44.5]]


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies(tiny: Server, encoding: str, pack: Any) -> None:
    header = json.dumps({"inputs": [raw_tensor("X", "FP32", [1, 2], 8)]}).encode()
    body = pack(header + np.array([1, 2], "<f4").tobytes())
    headers = {LENGTH: str(len(header)), "Content-Encoding": encoding}
    assert outputs_of(tiny.post("/v2/models/linear/infer", body, headers)) == {"Y": [[5.5]]}


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/octet-stream",
        "application/x+json",
        "application/json; charset=utf-8",
        "application/x-www-form-urlencoded",
    ],
)
def test_content_types_that_clients_send(tiny: Server, kind: str) -> None:
    body = json.dumps({"inputs": [ROW]}).encode()
    assert tiny.post("/v2/models/linear/infer", body, {"Content-Type": kind}).status == 200


def test_missing_values(tiny: Server) -> None:
    gap = tensor("X", "FP32", [1, 5], [30.5, None, 0.5, 3, 1])
    assert outputs_of(infer(tiny, "everything", gap, *EVERY[1:]))["Y"] == [[1039.0]]
    raw = np.array([30.5, np.nan, 0.5, 3, 1], "<f4").tobytes()
    body = {"inputs": [raw_tensor("X", "FP32", [1, 5], 20), *EVERY[1:]]}
    assert outputs_of(infer_raw(tiny, "everything", body, raw))["Y"] == [[1039.0]]
    words = [*EVERY[:3], tensor("note", "BYTES", [1], [None])]
    assert outputs_of(infer(tiny, "everything", *words))["T"] == [["Oslo", "none"]]
    count = [tensor("count", "INT64", [1], [None]), *EVERY[2:], EVERY[0]]
    assert_error(infer(tiny, "everything", *count), 400, "inputs[0].data[0]: count must not be null")


def test_the_cache_knows_the_row_from_every_door(tiny: Server) -> None:
    row = [0.25, 77.0]
    forced = {"Cache-Control": "max-age=60"}
    first = tiny.post("/v1/models/linear/predict", {"features": row}, forced)
    again = tiny.post("/v2/models/linear/infer", {"inputs": [tensor("X", "FP32", [1, 2], row)]}, forced)
    assert again.json()["outputs"][0]["data"] == [first.json()["prediction"]]
    assert again.headers["x-cache"] in {"hit-l1", "bypass"}


def test_statistics(tiny: Server) -> None:
    def counted() -> dict[str, Any]:
        entries = tiny.get("/v2/models/fragile/stats").json()["model_stats"]
        return entries[0] if entries else {"inference_count": 0, "inference_stats": {}}

    before = counted()
    one = tensor("X", "FP32", [3, 1], [0, 1, 2])
    assert infer(tiny, "fragile", one).status == 200
    assert_error(infer(tiny, "fragile", tensor("X", "FP32", [1, 1], [7])), 500, "failed on this input")
    after = counted()
    assert after["inference_count"] == before["inference_count"] + 3
    assert after["inference_stats"]["success"]["ns"] > 0
    fails = before["inference_stats"].get("fail", {"count": 0})["count"]
    assert after["inference_stats"]["fail"]["count"] > fails
    assert {"name": "fragile", "version": "v1"}.items() <= after.items()
    everyone = tiny.get("/v2/models/stats").json()["model_stats"]
    assert {entry["name"] for entry in everyone} >= {"fragile"}
    assert tiny.get("/v2/models/fragile/versions/v1/stats").json()["model_stats"][0]["version"] == "v1"
    assert_error(tiny.get("/v2/models/nothing/stats"), 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/", 404),
        ("POST", "/v2/models/linear", 405),
        ("GET", "/v2/models/linear/infer", 405),
        ("POST", "/v2/models/nothing/infer", 404),
        ("GET", "/v2/models/nothing", 404),
        ("GET", "/v2/models/%2e%2e/ready", 404),
        ("POST", "/v2/repository/models/nothing/load", 404),
        ("POST", "/v2/repository/models/nothing/unload", 404),
    ],
)
def test_errors_have_the_protocols_shape(tiny: Server, method: str, path: str, status: int) -> None:
    assert_error(tiny.send(message(method, path)), status)


def test_too_large_and_of_the_wrong_kind(tiny: Server) -> None:
    large = message("POST", "/v2/models/linear/infer", b"", {"Content-Length": "99999999"})
    assert_error(tiny.send(large), 413)
    form = tiny.post("/v2/models/linear/infer", b"{}", {"Content-Type": "multipart/form-data; boundary=x"})
    assert_error(form, 415, "application/json")
    assert_error(tiny.post("/v2/models/linear/infer", b"{}", {"Content-Encoding": "br"}), 415)
