"""A body is read as the standard says, and a name that stands twice is never lost."""

import gzip
import json
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge

from app.api.bodies import Body, parse_object, read_json
from app.errors import InvalidInput

APP = Flask("bodies")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(
    ['"', ":", "a:b", "[", "{", "\\"]
)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)


class Members(list[tuple[str, Any]]):
    """An object as its members were written, twice the same name included."""


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]) | TEXT, values), max_size=4).map(Members)


VALUES = st.recursive(
    NUMBERS | TEXT | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | objects(inner),
    max_leaves=15,
)


def written(value: Any) -> str:
    if isinstance(value, Members):
        return "{" + ", ".join(f"{json.dumps(name)}: {written(inner)}" for name, inner in value) + "}"
    return "[" + ",".join(map(written, value)) + "]" if isinstance(value, list) else json.dumps(value)


def repeats(value: Any) -> bool:
    if isinstance(value, Members):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(repeats(inner) for _, inner in value)
    return isinstance(value, list) and any(map(repeats, value))


@given(objects(VALUES))
def test_what_is_written_is_read_unless_a_name_stands_twice(members: Members) -> None:
    text = written(members)
    if repeats(members):
        with pytest.raises(InvalidInput, match="appears more than once"):
            parse_object(text.encode())
    else:
        assert parse_object(text.encode()).data == json.loads(text)


@given(objects(VALUES))
def test_numbers_only_is_proof(members: Members) -> None:
    """Whatever it is said of holds numbers alone in its lists, at any depth."""
    if not repeats(members):
        body = parse_object(written(members).encode())
        assert not body.numbers_only or all(_numbers(value) for value in body.data.values() if isinstance(value, list))


def _numbers(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_numbers, value))
    return type(value) in (int, float) or value == {}


@pytest.mark.parametrize(
    ("text", "proven"),
    [
        ('{"features": [1, 2.5, -3e-7, 0]}', True),
        ('{"instances": [[1], [2]]}', True),
        ('{"id": "a[b", "features": [1]}', False),
        ('{"features": [1, true]}', False),
        ('{"features": [1, false]}', False),
        ('{"features": [1, null]}', False),
        ('{"features": [1, "2"]}', False),
        ('{"features": [1], "id": "x"}', False),
        ('{"features": {"a": 1}}', False),
        ("{}", False),
    ],
)
def test_when_numbers_are_proven(text: str, proven: bool) -> None:
    assert parse_object(text.encode()).numbers_only is proven


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"inputs": [{"name": "x", "shape": [2], "data" : [1, -2.5e3]}]}', "data"),
        ('{"inputs": [{"name": "x", "data": [[1], [2]]}]}', "data"),
        ('{"inputs": [{"data": ["a", 1]}]}', ""),
        ('{"inputs": [{"data": [["a"], [1]]}]}', ""),
        ('{"inputs": [{"data": [1, null]}]}', ""),
        ('{"inputs": [{"data": [1, true]}]}', ""),
        ('{"inputs": [{"data": [1]}], "outputs": [{"name": "y"}]}', ""),
        ('{"features": [1]}', "features"),
    ],
)
def test_whose_numbers_are_proven(text: str, name: str) -> None:
    assert parse_object(text.encode()).numbers_under == name


def read(data: bytes, limit: int = 1000, **headers: str) -> Body:
    content_type = headers.pop("content_type", "application/json")
    with APP.test_request_context(
        method="POST",
        data=data,
        content_type=content_type,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    ):
        return read_json(limit)


def test_the_limit_counts_before_and_after_unpacking() -> None:
    body = b'{"a": 1}' + b" " * 992
    assert read(body).data == {"a": 1}
    assert read(gzip.compress(body), Content_Encoding="gzip").data == {"a": 1}
    for data, headers in ((body + b" ", {}), (gzip.compress(body + b" "), {"Content_Encoding": "gzip"})):
        with pytest.raises(RequestEntityTooLarge):
            read(data, **headers)


@pytest.mark.parametrize(
    ("data", "headers", "code"),
    [
        (b"{}", {"content_type": "text/plain"}, 415),
        (b"{}", {"content_type": "application/json; charset=utf-16"}, 415),
        (b"{}", {"Content_Encoding": "br"}, 415),
        (b"{}", {"Content_Encoding": "gzip"}, 400),
        (b"[]", {}, 400),
        (b"", {}, 400),
        (b'{"a": NaN}', {}, 400),
        (b'{"a": "\\ud800"}', {}, 400),
    ],
)
def test_refusals(data: bytes, headers: dict[str, str], code: int) -> None:
    with pytest.raises(HTTPException) as caught:
        read(data, **headers)
    assert caught.value.code == code


@pytest.mark.parametrize("depth", [100, 1000, 1020, 1030, 10_000, 1_000_000])
def test_depth_never_ends_in_anything_but_an_answer(depth: int) -> None:
    for left, right in (("[", "]"), ('{"a":', "}"), ('{"a:":', "}")):
        text = '{"x": ' + left * depth + "1" + right * depth + ', "y": ":"}'
        if depth > 1020:
            with pytest.raises(BadRequest, match=r"no valid JSON|nested too deep"):
                parse_object(text.encode())
        elif depth < 300:
            assert list(parse_object(text.encode()).data) == ["x", "y"]
        else:
            with suppress(BadRequest):
                parse_object(text.encode())
