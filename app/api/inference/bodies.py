"""The body of an inference request: JSON, or JSON with tensors as bytes behind it."""

from flask import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from app.api.bodies import Body, parse_object, read_bytes, read_parts
from app.api.inference.answer import HEADER_LENGTH

_TYPES = ("application/json", "application/octet-stream", "")


def read_inference(max_bytes: int) -> tuple[Body, memoryview]:
    """The JSON and what follows it. Clients of this protocol are known to send no Content-Type at all.

    Raises:
        BadRequest, RequestEntityTooLarge, UnsupportedMediaType: the body is not what its headers say.
        InvalidInput: a name stands twice in one object.
    """
    if request.mimetype not in _TYPES and not request.mimetype.endswith("+json"):
        raise UnsupportedMediaType(f"Send the body as application/json, not {request.mimetype[:80]}.")
    length = request.headers.get(HEADER_LENGTH)
    if length is None:
        return parse_object(read_bytes(max_bytes)), memoryview(b"")
    if not (length.isascii() and length.isdecimal() and len(length) < 12):
        raise BadRequest(f"{HEADER_LENGTH} must be a number of bytes.")
    header, binary = read_parts(int(length), max_bytes)
    return parse_object(header), binary
