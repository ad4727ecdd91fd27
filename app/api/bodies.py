"""Request bodies: bounded, strictly JSON, and free of duplicate names.

orjson is strict where it matters (no NaN, no lone surrogates, bounded depth) but lets the last of two equal names win.
Looking for that with a parser hook would cost more than the parse, so it is ruled out by counting: an object member
has exactly one colon outside strings, so when the body holds no more colons than the parsed objects hold names, no
name was dropped. A body with colons to spare (a timestamp, say) is counted again without its strings, and only one that
still has more than names, or is nested deeper than anybody means to, is parsed a second time.
"""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout, UnsupportedMediaType

from app.api.current import current_request
from app.errors import InvalidInput

_WINDOWS = {"gzip": 31, "deflate": 15}
"""zlib's number for each Content-Encoding."""

_DEEPEST = 6
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_EXAMPLE = ', for example {"features": {...}}'


@dataclass(frozen=True, slots=True)
class Body:
    """A parsed body.

    ``numbers_only`` is proof that its lists hold nothing but JSON numbers. ``numbers_under`` names the last member in
    the text when its list, perhaps alone, is proven to.
    """

    data: dict[str, Any]
    numbers_only: bool
    numbers_under: str = ""


Parse = Callable[[bytes, str], Body]
"""The bytes of a body, and an example for who sent something else."""


def read_json(max_bytes: int, parse: Parse | None = None) -> Body:
    """The current request's body as a JSON object, by ``parse_object`` unless another parser is named.

    Raises:
        BadRequest, RequestEntityTooLarge, UnsupportedMediaType: it is not one.
        InvalidInput: a name stands twice in one object.
    """
    environ = current_request().environ
    if environ.get("CONTENT_TYPE") != "application/json":
        _check_content_type()
    return (parse or parse_object)(read_bytes(max_bytes), _EXAMPLE)


def read_bytes(max_bytes: int) -> bytes:
    """The current request's body, decompressed.

    Raises:
        BadRequest, RequestTimeout, RequestEntityTooLarge, UnsupportedMediaType: it is not all there, too large, or
            compressed in a way that is not known.
    """
    environ = current_request().environ
    raw = _read(environ, max_bytes)
    if environ.get("HTTP_CONTENT_ENCODING"):
        return _decompressed(raw, environ["HTTP_CONTENT_ENCODING"].lower(), max_bytes)
    return raw


def read_parts(first: int, max_bytes: int) -> tuple[bytes, memoryview]:
    """The body's first bytes and the rest of it, which begins where any array may begin, as long as nothing packs it.

    Raises:
        BadRequest, RequestTimeout, RequestEntityTooLarge, UnsupportedMediaType: as ``read_bytes``; or it is shorter.
    """
    environ = current_request().environ
    announced = environ.get("CONTENT_LENGTH") or ""
    if environ.get("HTTP_CONTENT_ENCODING") or not announced.isdecimal() or not first <= int(announced) <= max_bytes:
        raw = read_bytes(max_bytes)
        if first > len(raw):
            raise BadRequest(f"The body holds {len(raw)} bytes, its header is said to be {first} long.")
        return raw[:first], memoryview(raw)[first:]
    head = _taken(environ["wsgi.input"], first)
    rest = _taken(environ["wsgi.input"], int(announced) - first)
    if len(head) + len(rest) < int(announced):
        raise BadRequest("The body ended before its announced length.")
    return head, memoryview(rest)


def parse_object(raw: bytes, example: str = "") -> Body:
    """A JSON object in UTF-8; ``example`` ends the sentence that says so.

    Raises:
        BadRequest: it is not one.
        InvalidInput: a name stands twice in one object.
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is no valid JSON: {error}.") from None
    if type(data) is not dict:
        raise BadRequest(f"The body must be a JSON object{example}.")
    last = raw.rfind(b'"')
    start = raw.find(b"[", last)
    if start < 0:
        _refuse_duplicates(raw, raw.count(b":"), data)
        return Body(data, False)
    # Every string, hence every name, stands before this list: what follows is bare literals.
    _refuse_duplicates(raw, raw.count(b":", 0, start), data)
    if raw.find(b"u", start) >= 0 or raw.find(b"l", start) >= 0:  # true, null, false
        return Body(data, False)
    named = raw[last + 1 : start].strip() == b":"
    name = raw[raw.rfind(b'"', 0, last) + 1 : last].decode() if named else ""
    return Body(data, raw.find(b"[") == start, name)


def _check_content_type() -> None:
    request = current_request()
    mimetype = request.mimetype
    if mimetype != "application/json" and not mimetype.endswith("+json"):
        raise UnsupportedMediaType(
            f"Send the body as application/json, not {mimetype[:80] or 'without a Content-Type'}."
        )
    if len(request.mimetype_params) and request.mimetype_params.get("charset", "utf-8").lower() not in (
        "utf-8",
        "utf8",
        "us-ascii",
    ):
        raise UnsupportedMediaType("JSON is UTF-8; leave the charset out.")


def _read(environ: Mapping[str, Any], max_bytes: int) -> bytes:
    """Every byte of the body, from the server's own stream, which ends where the body does.

    Raises:
        BadRequest, RequestTimeout, RequestEntityTooLarge: it is shorter than announced, late, or too large.
    """
    announced = environ.get("CONTENT_LENGTH") or ""
    if announced.isdecimal():
        wanted = least = int(announced)
    else:
        wanted, least = max_bytes + 1 if environ.get("wsgi.input_terminated") else 0, 0
    if least > max_bytes:
        raise RequestEntityTooLarge
    raw = _taken(environ["wsgi.input"], wanted)
    if len(raw) > max_bytes:
        raise RequestEntityTooLarge
    if len(raw) < least:
        raise BadRequest("The body ended before its announced length.")
    return raw


def _taken(stream: Any, size: int) -> bytes:
    try:
        raw: bytes = stream.read(size)
    except BlockingIOError:
        raise RequestTimeout("The body stopped arriving before its end; is Content-Length right?") from None
    except (OSError, ValueError):
        raise BadRequest("The body ended before its announced length.") from None
    except Exception:  # noqa: BLE001 - whatever the server's own parser raises on a broken chunk
        raise BadRequest("The body is not framed as its headers say.") from None
    return raw


def _decompressed(raw: bytes, encoding: str, max_bytes: int) -> bytes:
    if encoding == "identity":
        return raw
    if encoding not in _WINDOWS:
        raise UnsupportedMediaType(f"Content-Encoding may be gzip, deflate or absent, not {encoding[:40]}.")
    inflater = zlib.decompressobj(wbits=_WINDOWS[encoding])
    try:
        data = inflater.decompress(raw, max_bytes + 1)
    except zlib.error:
        raise BadRequest(f"The body is not valid {encoding}.") from None
    if len(data) > max_bytes:
        raise RequestEntityTooLarge(f"The body is larger than {max_bytes} bytes once decompressed.")
    if not inflater.eof or inflater.unused_data:
        raise BadRequest(f"The body is not one complete {encoding} stream.")
    return data


def _refuse_duplicates(raw: bytes, colons: int, data: dict[str, Any]) -> None:
    if colons == _names_near_the_top(data):
        return
    names = _names(data, _DEEPEST)
    if names in (colons, _STRING.sub(b"", raw).count(b":")):
        return
    try:
        json.loads(raw, object_pairs_hook=_distinct)
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None


def _names_near_the_top(data: dict[str, Any]) -> int:
    """Names in the objects a well-formed body has; deeper ones are not counted and so lead to a closer look."""
    count = len(data)
    for value in data.values():
        if type(value) is dict:
            count += len(value)
        elif type(value) is list and value and type(value[0]) is dict:
            count += sum(len(item) for item in value if type(item) is dict)
    return count


def _names(value: Any, depth: int) -> int:
    """Names in this object and those below it, as far down as an honest body goes."""
    if depth and type(value) is dict:
        return len(value) + sum(_names(item, depth - 1) for item in value.values())
    if depth and type(value) is list and value and type(value[0]) is dict:
        return sum(_names(item, depth - 1) for item in value)
    return 0


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidInput({twice[:64]: ["appears more than once in one object"]})
    return members
