"""Clients nobody here wrote, over HTTP, unchanged and with their defaults: tritonclient, kserve, MLflow's and curl."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from app.registry.repository import Repository
from tests.clients.environments import KSERVE, MLFLOW, TRITON, drive
from tests.models import everything, identity, linear
from tests.programs import HOST
from tests.servers import Server

ROWS = np.random.default_rng(5).normal(size=(7, 20)).astype(np.float32).tolist()
TEXTS: dict[str, Any] = {"X": [30.5, 5.5, 0.5, 3, 1], "N": 4, "city": "Oslo", "note": "\u20ac"}
SEVERAL = {"Y": [[44.5]], "T": [["Oslo", "\u20ac"]]}
SHAPE = "inputs[0].shape: is [7, 3]; the model takes [-1, 20]"


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``identity`` and ``everything``."""
    folder = tmp_path_factory.mktemp("foreign")
    repository = Repository(folder / "models")
    for model in (identity(20), everything()):
        model.add(repository)
    with Server(folder, models=folder / "models") as running:
        yield running


@pytest.fixture(scope="module")
def triton(two_models: Server) -> Any:
    """What tritonclient saw."""
    return drive(TRITON, "triton_http.py", {"url": f"{HOST}:{two_models.port}", "headers": {}} | DATA)


DATA = {"rows": ROWS, "texts": TEXTS}


def test_tritonclient_finds_its_way(triton: Any) -> None:
    seen = triton["sync"]
    assert seen["live"]
    assert seen["ready"]
    assert seen["model_ready"]
    assert not seen["stranger_ready"]
    assert seen["server"]["name"] == "sluice"
    assert seen["metadata"]["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 20]}]
    assert triton["asyncio"]["metadata"] == seen["metadata"]


@pytest.mark.parametrize("way", ["binary", "json"])
def test_tritonclient_predicts(triton: Any, way: str) -> None:
    assert triton["sync"][way] == {"Y": ROWS, "id": "id-1"}
    assert triton["sync"][f"{way}_several"] == SEVERAL
    assert triton["asyncio"][way] == ROWS


def test_tritonclient_compresses_and_overlaps(triton: Any) -> None:
    assert triton["sync"]["gzip"] == ROWS
    assert triton["sync"]["deflate"] == ROWS
    assert triton["sync"]["async_infer"] == [ROWS] * 4


def test_tritonclient_reads_a_refusal(triton: Any) -> None:
    assert triton["sync"]["refusal"] == ["400", SHAPE]


def test_tritonclient_loads_and_unloads(triton: Any) -> None:
    seen = triton["sync"]
    assert not seen["unloaded"]
    states = {entry["name"]: entry["state"] for entry in seen["index"]}
    assert states == {"identity": "READY", "everything": "UNAVAILABLE"}
    assert seen["loaded"]
    assert seen["statistics"]["model_stats"][0]["inference_count"] >= len(ROWS)


def test_kserve(two_models: Server) -> None:
    seen = drive(KSERVE, "kserve_rest.py", {"url": two_models.url, "headers": {}, "rows": ROWS})
    assert [seen["live"], seen["ready"], seen["model_ready"]] == [True, True, True]
    assert seen["binary"] == {"Y": ROWS, "id": "id-1"}
    assert seen["json"] == {"Y": ROWS, "id": "id-1"}
    assert seen["refusal"][0] == 400
    assert SHAPE in seen["refusal"][1]


PAIRS, SUMS = [[1.0, 2.0], [3.0, 4.0], [5.5, -6.0]], [5.5, 11.5, -6.0]


@pytest.fixture(scope="module")
def one_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``linear``, which is then the default, as where a container holds one model."""
    folder = tmp_path_factory.mktemp("deployed")
    linear().add(Repository(folder / "models"))
    with Server(folder, models=folder / "models") as running:
        yield running


def test_mlflow(one_model: Server) -> None:
    """The client that MLflow uses for its own scoring server, and ``mlflow.deployments``' reading of the answer."""
    seen = drive(MLFLOW, "mlflow_scoring.py", {"host": HOST, "port": one_model.port, "rows": PAIRS})
    assert seen["version"]
    ways = ("frame", "frame in another order", "array", "lists")
    assert [seen[way] for way in ways] == [SUMS] * len(ways)
    assert "error code 400" in seen["refusal"]
    assert "f1: is missing" in seen["refusal"]
    assert "params: are not supported" in seen["parameters"]


DOCUMENTED = [
    ("application/json", {"dataframe_split": {"columns": ["f0", "f1"], "data": PAIRS}}),
    ("application/json", {"dataframe_records": [{"f0": first, "f1": second} for first, second in PAIRS]}),
    ("application/json", {"instances": PAIRS}),
    ("application/json", {"inputs": PAIRS}),
    ("text/csv", "f0,f1\n1,2\n3,4\n5.5,-6\n"),
]


@pytest.mark.parametrize(("kind", "body"), DOCUMENTED)
def test_curl_as_mlflow_documents_it(one_model: Server, kind: str, body: Any) -> None:
    data = body if isinstance(body, str) else json.dumps(body)
    command = ["curl", "-sS", f"{one_model.url}/invocations", "-H", f"Content-Type: {kind}", "--data-binary", data]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(told.stdout) == {"predictions": SUMS}
