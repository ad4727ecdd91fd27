"""The body of an inference request: JSON, or JSON with tensors as bytes behind it."""

from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from app.api.bodies import Body, parse_object, read_bytes, read_parts
from app.api.inference.answer import HEADER_LENGTH
from app.api.long_lists import last_list, numbers, parse_emptied

_TYPES = ("application/json", "application/octet-stream", "application/x-www-form-urlencoded", "")
_FLOATS = ("FP16", "FP32", "FP64")


def read_inference(max_bytes: int) -> tuple[Body, memoryview]:
    """The JSON and what follows it. Some clients send no Content-Type, and ``curl -d`` that of a form.

    Raises:
        BadRequest, RequestEntityTooLarge, UnsupportedMediaType: the body is not what its headers say.
        InvalidInput: a name stands twice in one object.
    """
    if request.mimetype not in _TYPES and not request.mimetype.endswith("+json"):
        raise UnsupportedMediaType(f"Send the body as application/json, not {request.mimetype[:80]}.")
    length = request.headers.get(HEADER_LENGTH)
    if length is None:
        return parse_request(read_bytes(max_bytes)), memoryview(b"")
    if not (length.isascii() and length.isdecimal() and len(length) < 12):
        raise BadRequest(f"{HEADER_LENGTH} must be a number of bytes.")
    header, binary = read_parts(int(length), max_bytes)
    return parse_object(header), binary


def parse_request(raw: bytes) -> Body:
    """The JSON of a request; the values of its last tensor may be an array, of one axis or of the tensor's.

    Raises:
        BadRequest, InvalidInput: as ``parse_object``.
    """
    place = last_list(raw)
    if place is None:
        return parse_object(raw)
    return _with_array(raw, place) or parse_object(raw)


def _with_array(raw: bytes, place: slice) -> Body | None:
    """None where that list is not what a tensor of floats holds, or where anything else is not as it should be."""
    body = parse_emptied(raw, place)
    tensor = _last_tensor(body) if body else None
    if tensor is None or tensor.get("datatype") not in _FLOATS:
        return None
    values = numbers(raw[place])
    if values is None or (values.ndim > 1 and list(values.shape) != tensor.get("shape")):
        return None
    tensor["data"] = values
    return body


def _last_tensor(body: Body) -> dict[str, Any] | None:
    """The tensor whose data is the last list in the text, which was left empty."""
    tensors = body.data.get("inputs")
    if body.numbers_under != "data" or list(body.data)[-1] != "inputs" or type(tensors) is not list or not tensors:
        return None
    tensor = tensors[-1]
    return tensor if type(tensor) is dict and list(tensor)[-1:] == ["data"] and tensor["data"] == [] else None
