"""Bodies that are no JSON, not what their headers say, or too much: refused early, and the server goes on."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import message
from tests.contract.problems import assert_quick, assert_refused
from tests.servers import Server

LINEAR = "/v1/models/linear/predict"
EVERYTHING = "/v1/models/everything/predict"
BODY = b'{"features": [1, 2]}'
LIMIT = 16 * 1024 * 1024


@pytest.fixture(autouse=True)
def _still_answers(tiny: Server) -> Iterator[None]:
    """After each test, whatever it sent."""
    yield
    assert tiny.post(LINEAR, BODY).json()["prediction"] == 5.5


@pytest.mark.parametrize("depth", [5_000, 100_000])
@pytest.mark.parametrize(
    ("left", "right"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ('{"a:b":"c:d","e":', "}"), ("[", "")]
)
@pytest.mark.parametrize("place", ['{"features": %s}', '{"instances": [%s]}', '{"x": %s, "features": [1, 2]}', "%s"])
def test_nested_beyond_reason(tiny: Server, depth: int, left: str, right: str, place: str) -> None:
    body = (place % (left * depth + ("1" if left[-1] == ":" else "") + right * depth)).encode()
    answer = tiny.post(LINEAR, body)
    assert_refused(answer, 400, says="The body is no valid JSON")
    assert_quick(tiny, answer)


@pytest.mark.parametrize("depth", [3, 31, 33, 63, 65, 200, 990])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"f0":', "}"), ('{":":":", "b":', "}")])
def test_nested_within_what_json_readers_take(tiny: Server, depth: int, left: str, right: str) -> None:
    deep = left * depth + "1" + right * depth
    for body in (f'{{"features": [1, {deep}]}}', f'{{"instances": [{{"f0": {deep}, "f1": 1}}]}}'):
        answer = tiny.post(LINEAR, body.encode())
        assert answer.status in (400, 422)
        assert_refused(answer, answer.status)
        assert_quick(tiny, answer)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"features": [1, 2], "features": [3, 4]}', "features"),
        ('{"features": 1, "features": [3, 4]}', "features"),
        ('{"instances": [[1, 2]], "instances": [[3, 4]]}', "instances"),
        ('{"features": {"f0": 1, "f1": 2, "f0": 3}}', "f0"),
        ('{"features": {"f0": 1, "f1": 2, "\\u00660": 3}}', "f0"),
        ('{"instances": [{"f0": 1, "f1": 2}, {"f0": 1, "f1": 2, "f1": 2}]}', "f1"),
        ('{"instances": [{"features": {"f0": 1, "f1": 2, "f1": 2}}]}', "f1"),
        ('{"instances": [{"features": [1, 2], "features": [1, 2]}]}', "features"),
        ('{"columns": {"f0": [1], "f0": [1], "f1": [1]}}', "f0"),
        ('{"columns": {"f0": [1], "f1": [1]}, "columns": {"f0": [1], "f1": [1]}}', "columns"),
        ('{"features": {"f0": 1, "f1": {"a": 1, "a": 2}}}', "a"),
        ('{"features": [1, [{"deep": 1, "deep": 2}]]}', "deep"),
    ],
)
def test_names_that_stand_twice(tiny: Server, body: str, name: str) -> None:
    answer = tiny.post(LINEAR, body.encode())
    assert_refused(answer, 422, name, "more than once")
    assert_quick(tiny, answer)


def test_names_that_stand_twice_among_colons_in_strings(tiny: Server, good: dict[str, Any]) -> None:
    spoiled = str(message("", "", {"features": good | {"note": "a:b"}}).partition(b"\r\n\r\n")[2], "utf-8")
    body = spoiled.replace('"age": 30.5', '"age": 30.5, "age": 1')
    assert body.count('"age"') == 2
    assert_refused(tiny.post(EVERYTHING, body.encode()), 422, "age", "more than once")
    assert_refused(tiny.post(EVERYTHING, body.replace("a:b", "").encode()), 422, "age", "more than once")


@pytest.mark.parametrize(
    "text", ["a:b", "::", '":":', "2026-11-22T10:00:00Z", '{"a": 1, "a": 2}', "\\", "[", "☃:\u0000"]
)
def test_no_false_alarm_over_colons_in_strings(tiny: Server, good: dict[str, Any], text: str) -> None:
    good["note"] = text
    bodies: list[Any] = [
        {"customer_id": text, "features": good},
        {"instances": [good | {"customer_id": text}, good]},
        {"instances": [{"customer_id": text, "features": list(good.values())}]},
        {"columns": {name: [value, value] for name, value in good.items()}},
    ]
    for body in bodies:
        answer = tiny.post(EVERYTHING, body)
        assert answer.status == 200, answer
        assert "44.5" in answer.body.decode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{]",
        b'{"features": [1, 2]} {}',
        b'{"features": [1, 2,]}',
        b'{"features": [1, 2]}\x00',
        b"{'features': [1, 2]}",
        b"{features: [1, 2]}",
        b'{"features": [01, 2]}',
        b'{"features": [.5, 2]}',
        b'{"features": [+1, 2]}',
        b'{"features": [True, 2]}',
        b'{"features": [1, 2] /* two */}',
        '{"features": [١٢, 2]}'.encode(),
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        BODY.decode().encode("utf-16-le"),
        BODY.decode().encode("utf-32"),
        b'{"features": [1, "\xff"]}',
        b'{"features": [1, "\\ud800"]}',
        b'{"features": [1, "\\udc00\\ud800"]}',
        b'{"features": [1, "\xed\xa0\x80"]}',
        b'{"\\ud800": [1, 2]}',
        b'{"features": {"f0": 1, "\\udfff": 2}}',
        b'{"features": [1, "\t"]}',
        b"a=1&b=2",
        b"<predict/>",
    ],
)
def test_no_json(tiny: Server, body: bytes) -> None:
    answer = tiny.post(LINEAR, body)
    assert_refused(answer, 400, says="The body is no valid JSON")
    assert_quick(tiny, answer)


@pytest.mark.parametrize("body", [b"[]", b"[[1, 2]]", b"1", b"null", b'"features"', b"true", b"-0.0"])
def test_json_but_no_object(tiny: Server, body: bytes) -> None:
    assert_refused(tiny.post(LINEAR, body), 400, says="must be a JSON object")


@pytest.mark.parametrize(
    "content_type",
    [
        "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
        "application/octet-stream", "json", "application/jsonx", "*/*", ";", "application/json; charset=latin-1",
        "application/json; charset=utf-16", 'application/json; charset="utf-32"',
        "application/json;charset=x" + "y" * 300,
    ],
)  # fmt: skip
def test_other_content_types(tiny: Server, content_type: str) -> None:
    answer = tiny.post(LINEAR, BODY, {"Content-Type": content_type})
    assert_refused(answer, 415, says="JSON" if "application/json;" in content_type else "application/json")
    assert_quick(tiny, answer)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json; charset="UTF-8"',
        "application/json;charset=utf8", "application/vnd.example+json", "application/json; profile=x",
    ],
)  # fmt: skip
def test_content_types_that_are_json(tiny: Server, content_type: str) -> None:
    assert tiny.post(LINEAR, BODY, {"Content-Type": content_type}).json()["prediction"] == 5.5


def test_good_gzip(tiny: Server) -> None:
    for name in ("gzip", "GZIP"):
        assert tiny.post(LINEAR, gzip.compress(BODY), {"Content-Encoding": name}).json()["prediction"] == 5.5
    assert tiny.post(LINEAR, BODY, {"Content-Encoding": "identity"}).json()["prediction"] == 5.5


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (BODY, "not valid gzip"),
        (b"", "not one complete gzip stream"),
        (gzip.compress(BODY)[:-1], "not one complete gzip stream"),
        (gzip.compress(BODY)[:12], "not one complete gzip stream"),
        (gzip.compress(BODY)[:-8] + bytes(8), "not valid gzip"),
        (gzip.compress(BODY) + b"x", "not one complete gzip stream"),
        (gzip.compress(BODY) * 2, "not one complete gzip stream"),
        (gzip.compress(gzip.compress(BODY)), "no valid JSON"),
        (zlib.compress(BODY), "not valid gzip"),
    ],
)
def test_bad_gzip(tiny: Server, data: bytes, says: str) -> None:
    answer = tiny.post(LINEAR, data, {"Content-Encoding": "gzip"})
    assert_refused(answer, 400, says=says)
    assert_quick(tiny, answer)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "x-gzip", "compress", "zstd", "y" * 300])
def test_other_content_encodings(tiny: Server, encoding: str) -> None:
    assert_refused(tiny.post(LINEAR, BODY, {"Content-Encoding": encoding}), 415, says="Content-Encoding may be gzip")


def test_gzip_bomb(tiny: Server) -> None:
    """Half a gigabyte of zeros in two megabytes: no more than the limit is ever unpacked."""
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join([packer.compress(bytes(1 << 20)) for _ in range(512)] + [packer.flush()])
    before = _resident(tiny)
    answer = tiny.post(LINEAR, bomb, {"Content-Encoding": "gzip"})
    assert_refused(answer, 413, says=f"larger than {LIMIT} bytes")
    assert_quick(tiny, answer, 500)
    assert _resident(tiny) - before < 8 * LIMIT


def test_gzip_of_spaces_within_the_limit(tiny: Server) -> None:
    data = gzip.compress(BODY + b" " * (LIMIT - len(BODY)))
    assert tiny.post(LINEAR, data, {"Content-Encoding": "gzip"}).json()["prediction"] == 5.5


def _resident(server: Server) -> int:
    return int(Path(f"/proc/{server.workers[0]}/statm").read_text().split()[1]) * 4096


def test_too_large_a_body(tiny: Server) -> None:
    answer = tiny.post(LINEAR, BODY + b" " * LIMIT)
    assert_refused(answer, 413)
    assert_quick(tiny, answer)


def test_a_body_as_large_as_allowed(tiny: Server) -> None:
    assert tiny.post(LINEAR, BODY + b" " * (LIMIT - len(BODY))).json()["prediction"] == 5.5


@pytest.mark.parametrize("length", [str(LIMIT + 1), str(10**12), "9" * 30, "9" * 4000])
def test_too_large_a_body_announced_and_not_sent(tiny: Server, length: str) -> None:
    answer = tiny.post(LINEAR, BODY, {"Content-Length": length, "Connection": ""})
    assert_refused(answer, 413)
    assert answer.headers["connection"] == "close"
    assert_quick(tiny, answer)


@pytest.mark.parametrize("rows", [10_001, 1_000_000])
@pytest.mark.parametrize("form", ["lists", "objects", "columns"])
def test_too_many_rows(tiny: Server, rows: int, form: str) -> None:
    if form == "columns":
        body = b'{"columns": {"f0": [%s], "f1": [1]}}' % b",".join([b"1"] * rows)
    else:
        body = b'{"instances": [%s]}' % b",".join([b"[1,2]" if form == "lists" else b'{"f0":1}'] * rows)
    answer = tiny.post(LINEAR, body)
    assert_refused(
        answer,
        422,
        "columns" if form == "columns" else "instances",
        f"holds {rows} rows; one request takes at most 10000",
    )
    assert_quick(tiny, answer, 50 if rows < 20_000 else 1000)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"features": list(range(10_000))}, "features"),
        ({"features": {f"f{at}": at for at in range(10_000)}}, "features.f20"),
        ({"features": {f"column {at}": at for at in range(10_000)}}, "features.column 0"),
        ({"instances": [{f"f{at}": at for at in range(10_000)}]}, "instances[0].f20"),
        ({"columns": {f"f{at}": [at] for at in range(10_000)}}, "columns.f20"),
        ({f"features{at}": at for at in range(10_000)}, "features0"),
        ({"instances": [{"features": [1], **{f"f{at}": at for at in range(10_000)}}]}, "instances[0].f0"),
    ],
)
def test_ten_thousand_columns(tiny: Server, body: Any, field: str) -> None:
    answer = tiny.post("/v1/models/identity/predict", body)
    document = assert_refused(answer, 422, field)
    assert len(document["errors"]) <= 20
    assert len(answer.body) < 8000
    assert_quick(tiny, answer)


@pytest.mark.parametrize(
    "body",
    [
        {"k" * 1_000_000: 1},
        {"features": {"k" * 1_000_000: 1}},
        {"features": "v" * 1_000_000},
        {"features": ["v" * 1_000_000, 2]},
        {"instances": [{"features": [1, 2], "k" * 1_000_000: 1}]},
        {"columns": {"k" * 1_000_000: [1]}},
    ],
)
def test_a_megabyte_of_name_or_value_is_not_echoed(tiny: Server, body: Any) -> None:
    answer = tiny.post(LINEAR, body)
    assert_refused(answer, 422)
    assert len(answer.body) < 2000
    assert_quick(tiny, answer)


@pytest.mark.parametrize("value", [None, "1", True, 1e300])
def test_one_bad_value_at_the_end_of_ten_thousand_rows(tiny: Server, value: Any) -> None:
    rows = [[float(at)] * 20 for at in range(10_000)]
    rows[-1][-1] = value
    answer = tiny.post("/v1/models/identity/predict", {"instances": rows})
    assert_refused(answer, 422, "instances[9999][19]", "f19 ")
    assert_quick(tiny, answer, 200)
