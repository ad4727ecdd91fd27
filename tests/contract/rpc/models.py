"""Models that give back what they take, one per datatype."""

import hashlib

from onnx import TensorProto, helper

from app.oip.datatypes import DATATYPES
from app.registry.manifest import Feature, Manifest, Output
from tests.models import TinyModel

_ONNX = {
    "BOOL": TensorProto.BOOL,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def echo(datatype: str) -> TinyModel:
    """``echo-fp16`` and so on: input X of two columns, output Y the same, output Z the same again."""
    inner = _ONNX[datatype]
    nodes = [helper.make_node("Identity", ["X"], ["Y"]), helper.make_node("Identity", ["Y"], ["Z"])]
    values = [helper.make_tensor_value_info(name, inner, [None, 2]) for name in "XYZ"]
    graph = helper.make_graph(nodes, "echo", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    named = "string" if datatype == "BYTES" else DATATYPES[datatype].name
    manifest = Manifest(
        f"echo-{datatype.lower()}",
        "v1",
        "2026-11-22T00:00:00Z",
        "made by the tests",
        hashlib.sha256(model).hexdigest(),
        "raw",
        tuple(Feature(name, named, "X") for name in ("a", "b")),
        (Output("Y", "raw"), Output("Z", "raw")),
    )
    return TinyModel(manifest, model)
