"""Requests, written briefly."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.oip.raw import to_raw
from app.rpc.protocol import open_inference_pb2 as pb

_PLACES = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def request(model: str, version: str = "", outputs: Sequence[str] = (), **more: Any) -> pb.ModelInferRequest:
    """Without inputs yet."""
    made = pb.ModelInferRequest(model_name=model, model_version=version, **more)
    for name in outputs:
        made.outputs.add(name=name)
    return made


def typed(
    to: pb.ModelInferRequest, name: str, datatype: str, shape: Sequence[int], values: Sequence[Any]
) -> pb.ModelInferRequest:
    """Add an input, its values one by one."""
    tensor = to.inputs.add(name=name, datatype=datatype, shape=shape)
    getattr(tensor.contents, _PLACES[datatype]).extend(values)
    return to


def raw(
    to: pb.ModelInferRequest, name: str, datatype: str, shape: Sequence[int], data: bytes | np.ndarray[Any, Any]
) -> pb.ModelInferRequest:
    """Add an input as bytes, or as an array whose bytes are taken."""
    to.inputs.add(name=name, datatype=datatype, shape=shape)
    to.raw_input_contents.append(data if isinstance(data, bytes) else to_raw(data))
    return to


def values_of(answer: pb.ModelInferResponse, number: int = 0) -> list[Any]:
    """An output's values as they stand in the contents."""
    return list(getattr(answer.outputs[number].contents, _PLACES[answer.outputs[number].datatype]))


def linear(values: Sequence[float] = (1.0, 2.0), model: str = "linear", **more: Any) -> pb.ModelInferRequest:
    """One row for the model ``linear``, whose v2, the default, answers 3a + 4b + 0.5."""
    return typed(request(model, **more), "X", "FP32", [1, 2], values)


ROW = np.array([[1, 2]], "<f4")

NESTED = b"\x0b" * 50_000
"""Groups of an unknown field, opened and never closed."""


def but(**changes: Any) -> pb.ModelInferRequest:
    """A good raw request with other members in its one input."""
    made = raw(request("linear"), "X", "FP32", [1, 2], ROW)
    for name, value in changes.items():
        if name == "shape":
            made.inputs[0].shape[:] = value
        else:
            setattr(made.inputs[0], name, value)
    return made


def empty_inputs() -> pb.ModelInferRequest:
    """Ten thousand."""
    asked = request("linear")
    asked.inputs.extend([pb.ModelInferRequest.InferInputTensor()] * 10_000)
    return asked


def pieces() -> pb.ModelInferRequest:
    """65,537 pieces of raw contents for one input."""
    asked = raw(request("linear"), "X", "FP32", [1, 2], ROW)
    asked.raw_input_contents.extend([b""] * 65_536)
    return asked
