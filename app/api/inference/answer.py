"""A prediction in the protocol's words: values in the JSON, or behind it as bytes."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson
from flask import Response

from app.api.inference.envelope import Wanted
from app.api.json import JsonResponse
from app.oip.datatypes import datatype_of
from app.oip.exchange import chosen
from app.oip.raw import to_raw
from app.tensors import Array, Prediction

HEADER_LENGTH = "Inference-Header-Content-Length"
ROW = "inputs[0].data[{i}]"
"""How a row is named to its sender."""


def answer_to(prediction: Prediction, wanted: Wanted) -> Response:
    """The answer; outputs are as wide as the model's, of as many rows as were asked about.

    Raises:
        InvalidInput: a row without a finite answer, or an output that the model does not have.
    """
    outputs = chosen(prediction.arrays(ROW), list(wanted.outputs))
    binary = {name: to_raw(array) for name, array in outputs.items() if wanted.as_binary(name)}
    body: dict[str, Any] = {"model_name": prediction.model, "model_version": prediction.version}
    if wanted.id is not None:
        body["id"] = wanted.id
    body["outputs"] = [_described(name, array, binary.get(name)) for name, array in outputs.items()]
    header = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return _with_tail(header, binary.values()) if binary else JsonResponse(header, content_type="application/json")


def _described(name: str, array: Array, raw: bytes | None) -> dict[str, Any]:
    about: dict[str, Any] = {"name": name, "datatype": datatype_of(array.dtype), "shape": array.shape}
    if raw is None:
        return about | {"data": _listed(array)}
    return about | {"parameters": {"binary_data_size": len(raw)}}


def _listed(array: Array) -> Any:
    """Flat, row-major. Floats are widened first: every door then writes the same digits for the same number."""
    flat = array.ravel()
    return np.ascontiguousarray(flat, dtype=np.float64) if flat.dtype.kind == "f" else flat.tolist()


def _with_tail(header: bytes, tensors: Iterable[bytes]) -> Response:
    answer = JsonResponse(b"".join([header, *tensors]), content_type="application/octet-stream")
    answer.headers[HEADER_LENGTH] = str(len(header))
    return answer
