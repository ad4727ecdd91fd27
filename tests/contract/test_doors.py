"""The same rows through every HTTP door: the same numbers, the same verdicts, the same line in the log."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from app.registry.repository import Repository
from tests.client import Answer
from tests.contract.inference import infer, infer_raw, outputs_of, raw_tensor, tensor, texts
from tests.contract.problems import access_line
from tests.models import everything
from tests.servers import Server

Rows = list[dict[str, Any]]
FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.json"))
KINDS = {"visits": "FP32", "member": "BOOL", "count": "INT64", "city": "BYTES", "note": "BYTES"}
NAMES = ["age", "income", "score", "visits", "member"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``everything`` and nothing else, so that the platforms' addresses mean it too."""
    folder = tmp_path_factory.mktemp("doors")
    everything().add(Repository(folder / "models"))
    with Server(folder, {"SLUICE_CACHE": "off"}, models=folder / "models") as running:
        yield running


def rest(server: Server, rows: Rows) -> Answer:
    return server.post("/v1/models/everything/predict", {"instances": rows})


def inference_json(server: Server, rows: Rows) -> Answer:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    inputs = [tensor(name, KINDS.get(name, "FP32"), [len(rows)], values) for name, values in columns.items()]
    return infer(server, "everything", *inputs)


def inference_binary(server: Server, rows: Rows) -> Answer:
    """One matrix of numbers as bytes; gaps among texts can only be said in JSON."""
    matrix = np.array([[np.nan if row[name] is None else row[name] for name in NAMES] for row in rows], "<f4")
    city = texts(*(row["city"] for row in rows))
    inputs = [
        raw_tensor("X", "FP32", matrix.shape, matrix.nbytes),
        raw_tensor("city", "BYTES", [len(rows)], len(city)),
        tensor("N", "INT64", [len(rows)], [row["count"] for row in rows]),
        tensor("note", "BYTES", [len(rows)], [row["note"] for row in rows]),
    ]
    return infer_raw(server, "everything", {"inputs": inputs}, matrix.tobytes() + city)


def mlflow(server: Server, rows: Rows) -> Answer:
    return server.post("/invocations", {"dataframe_records": rows})


def azure(server: Server, rows: Rows) -> Answer:
    return server.post("/score", {"data": rows})


def as_csv(server: Server, rows: Rows) -> Answer:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return server.post("/predict", text.getvalue().encode(), {"Content-Type": "text/csv"})


def as_arrow(server: Server, rows: Rows) -> Answer:
    batch = pa.RecordBatch.from_pylist(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    kind = {"Content-Type": "application/vnd.apache.arrow.stream"}
    return server.post("/predict", bytes(sink.getvalue()), kind)


DOORS = [rest, inference_json, inference_binary, mlflow, azure, as_csv, as_arrow]


def numbers(answer: Answer) -> list[float]:
    document = json.loads(answer.body)
    if "outputs" in document:
        return [row[0] for row in outputs_of(answer)["Y"]]
    found = document["predictions"] if isinstance(document, dict) else document
    return [row["prediction"] if isinstance(row, dict) else row for row in found]


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_door_agrees(alone: Server, door: Callable[[Server, Rows], Answer], path: Path) -> None:
    fixture = json.loads(path.read_text())
    answer = door(alone, fixture["rows"])
    if "predictions" in fixture:
        assert answer.status == 200, answer
        assert numbers(answer) == fixture["predictions"]
        line = access_line(alone, answer.headers["x-request-id"])
        assert (line["model"], line["version"], line["rows"]) == ("everything", "v1", len(fixture["rows"]))
        return
    row, feature = fixture["refused"]["row"], fixture["refused"]["feature"]
    assert answer.status in {400, 422}, answer
    told = answer.body.decode()
    assert f"[{row}]" in told
    assert feature in told
