"""CSV and Arrow for REST v1: in and out, with the verdicts of JSON, and bounded whatever a body claims."""

import csv
import io
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.client import Answer
from tests.conftest import StartServer
from tests.contract.conftest import GOOD
from tests.contract.problems import assert_quick, assert_refused
from tests.servers import Server

URL = "/v1/models/everything/predict"
LINEAR = "/v1/models/linear/predict"
CSV, ARROW = "text/csv", "application/vnd.apache.arrow.stream"
HEADER = ",".join(GOOD)
LINE = "30.5,5.5,0.5,3,true,4,Oslo,x"


def send_csv(server: Server, text: str | bytes, url: str = URL, kind: str = CSV, **headers: str) -> Answer:
    return server.post(url, text.encode() if isinstance(text, str) else text, {"Content-Type": kind, **headers})


def stream(columns: Mapping[str, Any], **options: Any) -> bytes:
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def send_arrow(server: Server, columns: Any, url: str = URL, **headers: str) -> Answer:
    body = columns if isinstance(columns, bytes) else stream(columns)
    return server.post(url, body, {"Content-Type": ARROW, **headers})


def good_columns(rows: int = 2, **changed: Any) -> dict[str, Any]:
    return {name: pa.array([value] * rows) for name, value in GOOD.items()} | changed


def predictions(answer: Answer) -> list[Any]:
    assert answer.status == 200, answer
    return [row["prediction"] for row in answer.json()["predictions"]]


def read_back(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200, answer
    assert answer.headers["content-type"].startswith(CSV)
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


def test_csv(tiny: Server) -> None:
    assert predictions(send_csv(tiny, f"{HEADER}\n{LINE}\r\n\r\n{LINE}")) == [44.5, 44.5]


def test_the_order_of_columns_is_the_headers(tiny: Server) -> None:
    names, cells = HEADER.split(","), LINE.split(",")
    text = ",".join(reversed(names)) + "\n" + ",".join(reversed(cells))
    assert predictions(send_csv(tiny, text)) == [44.5]


def test_csv_quotes_and_letters(tiny: Server) -> None:
    odd = LINE.removesuffix("x") + '"a ""b"",\n\u20ac"'
    assert predictions(send_csv(tiny, b"\xef\xbb\xbf" + f"{HEADER}\n{odd}".encode())) == [44.5]
    answer = send_csv(tiny, f"{HEADER}\n{odd}", Accept=CSV)
    assert json.loads(read_back(answer)[0]["outputs.T"]) == ["Oslo", 'a "b",\n\u20ac']


def test_an_empty_cell_is_a_missing_value(tiny: Server) -> None:
    assert predictions(send_csv(tiny, f"{HEADER}\n30.5,,,3,true,4,Oslo,")) == [1038.5]
    document = assert_refused(send_csv(tiny, f"{HEADER}\n{LINE}\n,5.5,0.5,3,,4,,x"), 422)
    assert set(document["errors"]) == {"columns.age[1]", "columns.member[1]", "columns.city[1]"}


def test_a_column_that_is_not_there(tiny: Server) -> None:
    assert predictions(send_csv(tiny, "age,visits,member,count,city\n30.5,3,True,4.0,Oslo")) == [1038.5]
    assert_refused(send_csv(tiny, "age\n30.5"), 422, "columns.count", "is missing")
    assert_refused(send_csv(tiny, f"{HEADER},agee\n{LINE},1"), 422, "columns.agee", "did you mean 'age'?")


@pytest.mark.parametrize(
    ("field", "cell", "says"),
    [
        ("age", "121", "must be between 0 and 120"),
        ("age", " 3", "must be a number, not a string"),
        ("age", "NaN", "must be a number, not a string"),
        ("age", "Infinity", "must be a number, not a string"),
        ("age", "1_0", "must be a number, not a string"),
        ("age", "0x1F", "must be a number, not a string"),
        ("age", "\u0661\u0662", "must be a number, not a string"),
        ("age", "-", "must be a number, not a string"),
        ("income", "1e39", "does not fit float32"),
        ("income", "1e400", "does not fit float32"),
        ("visits", "1.5", "must be a whole number"),
        ("visits", "true", "must be a number, not a string"),
        ("visits", "1" * 400, "does not fit int32"),
        ("visits", "1" * 5000, "does not fit int32"),
        ("count", "9223372036854775808", "does not fit int64"),
        ("member", "1", "must be true or false, not a string"),
        ("city", "Paris", "must be one of: Oslo, Bern"),
        ("city", "3", "must be one of: Oslo, Bern"),
    ],
)
def test_cells_that_do_not_fit(tiny: Server, field: str, cell: str, says: str) -> None:
    bad = dict(zip(HEADER.split(","), LINE.split(","), strict=True)) | {field: cell}
    answer = send_csv(tiny, f"{HEADER}\n{LINE}\n{','.join(bad.values())}")
    assert_refused(answer, 422, f"columns.{field}[1]", says)
    assert_quick(tiny, answer)


@pytest.mark.parametrize(
    ("text", "status", "field", "says"),
    [
        (b"", 422, "line 1", "must name the features"),
        (b"\n\n", 422, "line 1", "must name the features"),
        (b"f0,f1", 422, "line 2", "is missing; send at least one row"),
        (b"f0,f1\n1,2\n1,2,3", 422, "line 3", "holds 3 cells where the others hold 2"),
        (b"f0,f1\n1", 422, "line 2", "holds 1 cells where the others hold 2"),
        (b"f0,f0\n1,2", 422, "line 1", "names 'f0' more than once"),
        (b",".join([b"x"] * 10_001) + b"\n1", 422, "line 1", "holds 10001 columns"),
        (b"f0,f1\n" + b"1,2\n" * 10_001, 422, "line 10002", "at most 10000 rows"),
        (b'f0,f1\n"1,2', 400, None, "no valid CSV: line 2: unexpected end of data"),
        (b'f0,f1\n"1"2,3', 400, None, "no valid CSV: line 2"),
        (b"f0,f1\n" + b"9" * 200_000 + b",2", 400, None, "no valid CSV: line 2: field larger"),
        (b"f0,f1\n1,\xff", 400, None, "no UTF-8: byte 8"),
    ],
)
def test_csv_that_is_none(tiny: Server, text: bytes, status: int, field: str | None, says: str) -> None:
    answer = send_csv(tiny, text, LINEAR)
    assert_refused(answer, status, field, says)
    assert_quick(tiny, answer, 100)


def test_too_many_cells(tiny: Server) -> None:
    header = ",".join(f"c{number}" for number in range(1000))
    assert_refused(
        send_csv(tiny, f"{header}\n" + ("," * 999 + "\n") * 4001, LINEAR), 413, says="more than 4000000 cells"
    )


def test_csv_in_other_charsets(tiny: Server) -> None:
    assert_refused(send_csv(tiny, f"{HEADER}\n{LINE}", kind="text/csv; charset=latin-1"), 415, says="UTF-8")


def test_csv_without_a_header(tiny: Server) -> None:
    kind = "text/csv; header=absent"
    assert predictions(send_csv(tiny, "1,2\n3,4", LINEAR, kind)) == [5.5, 11.5]
    assert_refused(send_csv(tiny, "1,2,3", LINEAR, kind), 422, "line 1", "holds 3 cells; the model has 2 features")


def test_the_entity_passes_through(tiny: Server) -> None:
    text = f"customer_id,{HEADER}\nC-1,{LINE}\n,{LINE}\n7,{LINE}"
    rows = send_csv(tiny, text).json()["predictions"]
    assert [row.get("customer_id") for row in rows] == ["C-1", None, "7"]
    written = read_back(send_csv(tiny, text, Accept=CSV))
    assert [list(row)[:2] for row in written] == [["customer_id", "prediction"]] * 3
    assert [row["customer_id"] for row in written] == ["C-1", "", "7"]
    assert_refused(send_csv(tiny, text.replace("C-1", "x" * 257)), 422, "columns.customer_id[0]", "at most 256")
    arrow = send_arrow(tiny, good_columns(customer_id=pa.array(["C-1", None])))
    assert [row.get("customer_id") for row in arrow.json()["predictions"]] == ["C-1", None]
    numbers = send_arrow(tiny, good_columns(customer_id=pa.array([5, 6])))
    assert [row["customer_id"] for row in numbers.json()["predictions"]] == [5, 6]


@pytest.mark.parametrize("accept", [CSV, "text/csv;q=0.9, application/json;q=0.1", "text/*"])
def test_json_in_csv_out(tiny: Server, accept: str) -> None:
    answer = tiny.post(URL, {"instances": [GOOD, GOOD]}, {"Accept": accept})
    assert [float(row["prediction"]) for row in read_back(answer)] == [44.5, 44.5]


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html", "application/json, text/csv;q=0.5", ""])
def test_json_is_what_comes_otherwise(tiny: Server, accept: str) -> None:
    answer = send_csv(tiny, f"{HEADER}\n{LINE}", Accept=accept)
    assert answer.headers["content-type"] == "application/json"


def test_probabilities_have_columns(server: Server) -> None:
    example = server.get("/v1/models/churn").json()["example"]["features"]
    plain = server.post("/v1/models/churn/predict", {"features": example}).json()
    row = read_back(server.post("/v1/models/churn/predict", {"features": example}, {"Accept": CSV}))[0]
    assert float(row["probability"]) == plain["probability"]
    shares = {name.partition(".")[2]: float(cell) for name, cell in row.items() if name.startswith("probabilities.")}
    assert shares == plain["probabilities"]


def test_arrow_both_ways(tiny: Server) -> None:
    answer = send_arrow(tiny, good_columns(3), Accept=ARROW)
    assert answer.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(answer.body).read_all()
    assert table.column("prediction").to_pylist() == [44.5] * 3
    assert table.column("outputs.T").to_pylist() == [["Oslo", "x"]] * 3


@pytest.mark.parametrize(
    "changed",
    [
        {"age": pa.array([30.5, 30.5], pa.float32())},
        {"age": pa.array([30.5, 30.5], pa.float16())},
        {"visits": pa.array([3.0, 3.0])},
        {"visits": pa.array([3, 3], pa.uint8())},
        {"count": pa.array([4, 4], pa.uint64())},
        {"city": pa.array(["Oslo", "Oslo"], pa.large_string())},
        {"city": pa.array(["Oslo", "Oslo"]).dictionary_encode()},
    ],
)
def test_arrow_types(tiny: Server, changed: dict[str, Any]) -> None:
    assert predictions(send_arrow(tiny, good_columns(2, **changed))) == [44.5, 44.5]


def test_arrow_gaps(tiny: Server) -> None:
    gaps = {"income": pa.array([None, 5.5]), "score": pa.array([None, 0.5]), "note": pa.array([None, "x"])}
    assert predictions(send_arrow(tiny, good_columns(2, **gaps))) == [1038.5, 44.5]
    nothing = {"income": pa.nulls(2), "score": pa.array([np.nan, np.nan])}
    assert predictions(send_arrow(tiny, good_columns(2, **nothing))) == [1038.5, 1038.5]
    count = send_arrow(tiny, good_columns(2, count=pa.array([4, None])))
    assert_refused(count, 422, "columns.count[1]", "must not be null")


def test_arrow_lists_for_shaped_features(tiny: Server) -> None:
    pixels = [[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]] * 2
    answer = send_arrow(tiny, {"pixels": pa.array(pixels)}, "/v1/models/image/predict")
    assert predictions(answer) == [1.0, 1.0]
    for kind in (pa.float16(), pa.int8()):
        for lists in (pa.list_(pa.list_(kind)), pa.list_(pa.list_(kind, 3), 2), pa.large_list(pa.list_(kind))):
            same = send_arrow(tiny, {"pixels": pa.array(pixels).cast(lists)}, "/v1/models/image/predict")
            assert predictions(same) == [1.0, 1.0]
    ragged = send_arrow(tiny, {"pixels": pa.array([[[1.0], [1.0, 2.0]]])}, "/v1/models/image/predict")
    assert_refused(ragged, 422, "columns.pixels", "of the same shape")


@pytest.mark.parametrize(
    ("field", "values", "says"),
    [
        ("age", pa.array([30.5, 121.0]), "must be between 0 and 120"),
        ("age", pa.array([30.5, np.inf]), "must be between 0 and 120"),
        ("age", pa.array([30.5, None]), "must not be null or NaN"),
        ("visits", pa.array([3, 1.5]), "must be a whole number"),
        ("visits", pa.array([3, 2**40]), "does not fit int32"),
        ("count", pa.array([4, 2**63], pa.uint64()), "does not fit int64"),
        ("city", pa.array(["Oslo", "Paris"]), "must be one of: Oslo, Bern"),
        ("age", pa.array([30.5, None], pa.float16()), "must not be null or NaN"),
    ],
)
def test_arrow_cells_that_do_not_fit(tiny: Server, field: str, values: Any, says: str) -> None:
    answer = send_arrow(tiny, good_columns(2, **{field: values}))
    assert_refused(answer, 422, f"columns.{field}[1]", says)
    assert_quick(tiny, answer)


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"age": pa.array([1, 2], pa.timestamp("s"))}, "columns.age", "which no feature takes"),
        ({"age": pa.array([{"a": 1}, {"a": 2}])}, "columns.age", "which no feature takes"),
        ({"age": pa.array(["1", "2"]).view(pa.binary())}, "columns.age", "which no feature takes"),
        ({"city": pa.array(["Oslo", "Rome"], pa.string_view())}, "columns.city[1]", "must be one of: Oslo, Bern"),
        ({"city": pa.array([1, 2])}, "columns.city.datatype", "is int64; the model takes string"),
        ({"age": pa.array([True, False])}, "columns.age.datatype", "is bool; the model takes float32"),
        ({"agee": pa.array([1, 2])}, "columns.agee", "did you mean 'age'"),
    ],
)
def test_arrow_types_that_no_feature_takes(tiny: Server, changed: dict[str, Any], field: str, says: str) -> None:
    assert_refused(send_arrow(tiny, good_columns(2, **changed)), 422, field, says)


def test_arrow_streams_that_are_none(tiny: Server) -> None:
    whole = stream({"f0": [1.0] * 50, "f1": [2.0] * 50})
    for body in (b"", b"f0,f1", whole[:-300], whole[: len(whole) // 2], whole[8:], b"\xff" * 400, bytes(4000)):
        answer = send_arrow(tiny, body, LINEAR)
        assert answer.status in {400, 422}, answer
        assert_refused(answer, answer.status)


def test_arrow_streams_with_any_byte_flipped(tiny: Server) -> None:
    whole = stream({"f0": pa.DictionaryArray.from_arrays([0, 1], pa.array(["1", "3"], pa.string_view())), "f1": [2, 4]})
    for at in range(len(whole)):
        broken = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        answer = send_arrow(tiny, broken, LINEAR)
        assert answer.status in {200, 400, 413, 415, 422}, (at, answer)


def test_packed_streams_are_refused_before_they_are_unpacked(tiny: Server) -> None:
    for kind in ("lz4", "zstd"):
        body = stream({"f0": [0.0] * 9000, "f1": [0.0] * 9000}, compression=kind)
        assert_refused(send_arrow(tiny, body, LINEAR), 415, says="plain buffers")
    names = pa.array(["Oslo", "Bern"] * 50).dictionary_encode()
    assert_refused(send_arrow(tiny, stream({"city": names}, compression="zstd")), 415, says="plain buffers")


def test_a_text_that_many_rows_share(tiny: Server) -> None:
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 5000), pa.array(["x" * 100_000]))
    answer = send_arrow(tiny, stream(good_columns(5000, note=shared)))
    assert_refused(answer, 413, says="texts of the table")


@pytest.mark.parametrize("as_dictionary", [False, True])
def test_texts_as_views(tiny: Server, as_dictionary: bool) -> None:
    """As Polars writes them, and as nobody honest does: of the same bytes again and again."""
    cities = pa.array(["Oslo", "Bern", "Oslo"], pa.string_view())
    indices = pa.array([0, 1, 0], pa.uint32())
    good = pa.DictionaryArray.from_arrays(indices, cities) if as_dictionary else cities
    assert predictions(send_arrow(tiny, good_columns(3, city=good))) == [44.5] * 3
    text = b"x" * 100_000
    view = np.array([len(text), *np.frombuffer(b"xxxx", "<i4"), 0, 0], np.int32).tobytes()
    buffers = [None, pa.py_buffer(view * 5000), pa.py_buffer(text)]
    shared = pa.Array.from_buffers(pa.string_view(), 5000, buffers)
    bad = pa.DictionaryArray.from_arrays(pa.array(range(5000)), shared) if as_dictionary else shared
    answer = send_arrow(tiny, good_columns(5000, note=bad))
    assert_refused(answer, 413, says="texts of the table")
    assert_quick(tiny, answer)


def test_values_that_need_no_bytes(tiny: Server) -> None:
    """A few hundred bytes may claim two thousand million of them."""
    many = 2_000_000_000
    ends = pa.array([0, many], pa.int32())
    empty = pa.Array.from_buffers(pa.list_(pa.float32(), 0), many, [None], children=[pa.array([], pa.float32())])
    for column in (
        pa.ListArray.from_arrays(ends, pa.nulls(many)),
        pa.FixedSizeListArray.from_arrays(pa.nulls(many), many),
        pa.ListArray.from_arrays(ends, empty),
        pa.DictionaryArray.from_arrays(pa.array([0]), pa.nulls(many)),
    ):
        answer = send_arrow(tiny, {"pixels": column}, "/v1/models/image/predict")
        assert_refused(answer, 422, "columns.pixels", "which no feature takes")
        assert_quick(tiny, answer)


def test_lists_in_lists_in_lists(tiny: Server) -> None:
    column = pa.array([1.0])
    for _ in range(60):
        column = pa.FixedSizeListArray.from_arrays(column, 1)
    assert_refused(send_arrow(tiny, {"pixels": column}, "/v1/models/image/predict"), 422, "columns.pixels")


@pytest.mark.parametrize("cells", [["1", "2_0", "3"], [True, False, True], [Decimal(1), Decimal(2), Decimal(3)]])
def test_lists_of_what_is_no_number(tiny: Server, cells: list[Any]) -> None:
    answer = send_arrow(tiny, {"pixels": pa.array([[cells, cells]])}, "/v1/models/image/predict")
    assert_refused(answer, 422, "columns.pixels", "which no feature takes")


def test_shared_values_that_are_lists(tiny: Server) -> None:
    shared = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([[1.0], [2.0]]))
    assert_refused(send_arrow(tiny, good_columns(2, age=shared)), 422, "columns.age", "which no feature takes")


def test_rows_that_need_no_bytes(tiny: Server) -> None:
    assert_refused(
        send_arrow(tiny, {"f0": pa.nulls(10_000_000)}, LINEAR), 422, "columns", "more rows than one request takes"
    )
    assert_refused(send_arrow(tiny, {"f0": pa.nulls(0), "f1": pa.nulls(0)}, LINEAR), 422, "columns", "at least one row")


def _many_from_few() -> dict[str, pa.Array]:
    """Columns of one row that a few bytes, or at most a bit each, make thirty million values of."""
    count = 30_000_000
    nulls, no_length = (
        pa.nulls(count),
        pa.FixedSizeListArray.from_buffers(pa.list_(pa.int8(), 0), count, [None], children=[pa.array([], pa.int8())]),
    )
    offsets, index = pa.array([0, count], pa.int32()), pa.array([0], pa.int8())
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([count], pa.int32()), pa.array([1.0]))
    starts, sizes = pa.array(np.zeros(3000, "i4")), pa.array(np.full(3000, 10_000, "i4"))
    views = pa.ListViewArray.from_arrays(starts, sizes, pa.array(np.zeros(10_000)))
    shared = pa.DictionaryArray.from_arrays(pa.array(np.zeros(3000, "i1")), pa.array(["x" * 10_000]))
    return {
        "fixed": pa.FixedSizeListArray.from_arrays(nulls, count),
        "list": pa.ListArray.from_arrays(offsets, nulls),
        "dictionary": pa.DictionaryArray.from_arrays(index, pa.FixedSizeListArray.from_arrays(nulls, count)),
        "runs": pa.ListArray.from_arrays(offsets, runs),
        "views": pa.ListArray.from_arrays(pa.array([0, 3000], pa.int32()), views),
        "texts": pa.ListArray.from_arrays(pa.array([0, 3000], pa.int32()), shared),
        "no-length": pa.FixedSizeListArray.from_arrays(no_length, count),
    }


@pytest.mark.parametrize("kind", ["fixed", "list", "dictionary", "runs", "views", "texts", "no-length"])
def test_a_few_bytes_that_stand_for_many_values(tiny: Server, kind: str) -> None:
    body = stream({"pixels": _many_from_few()[kind]})
    assert len(body) < 200_000
    answer = send_arrow(tiny, body, "/v1/models/image/predict")
    assert_refused(answer, 422, "columns.pixels", "which no feature takes")
    assert_quick(tiny, answer)


def test_truths_of_a_bit_each_are_no_numbers(tiny: Server) -> None:
    body = stream({"pixels": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(30_000_000, np.bool_)), 30_000_000)})
    assert_refused(send_arrow(tiny, body, "/v1/models/image/predict"), 422, "columns.pixels", "which no feature takes")


def test_a_dictionary_is_read_as_far_as_it_is_used(tiny: Server) -> None:
    cities = pa.DictionaryArray.from_arrays(pa.array([1, None, 1], pa.int8()), pa.array(["Bern", "Oslo"]))
    assert_refused(send_arrow(tiny, good_columns(3, city=cities)), 422, "columns.city[1]", "must not be null")
    cities = pa.DictionaryArray.from_arrays(pa.array([1, 1, 1], pa.int8()), pa.array(["Bern", "Oslo"]))
    assert predictions(send_arrow(tiny, good_columns(3, city=cities))) == [44.5] * 3


def test_other_kinds_of_body(tiny: Server) -> None:
    assert_refused(tiny.post(LINEAR, b"1,2", {"Content-Type": "text/plain"}), 415, says="application/json")
    assert_refused(tiny.post(LINEAR, b"1,2", {"Content-Type": "text/csvx"}), 415, says="application/json")


def test_a_server_without_pyarrow_says_so(start_server: StartServer, tmp_path: Path) -> None:
    """An import that fails stands before the installed one on the path."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "pyarrow.py").write_text("raise ImportError('not installed')\n")
    server = start_server({"PYTHONPATH": str(tmp_path / "path")})
    url = "/v1/models/diabetes/predict"
    assert_refused(send_arrow(server, {"age": [1.0]}, url), 415, says="requirements-arrow.txt")
    example = server.get("/v1/models/diabetes").json()["example"]
    assert_refused(server.post(url, example, {"Accept": ARROW}), 406, says="requirements-arrow.txt")
    assert server.post(url, example).status == 200
