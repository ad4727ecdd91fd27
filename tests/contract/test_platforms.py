"""The addresses of Azure ML, SageMaker and MLflow: every form their callers send, in their words and headers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.registry.repository import Repository
from config.invalid import ConfigInvalid
from config.settings import Settings
from tests.client import Answer, message
from tests.conftest import StartServer
from tests.contract.problems import access_line
from tests.models import everything, image, linear, slow
from tests.servers import Server

ROWS = [[1, 2], [3, 4]]
RECORDS = [{"f0": 1, "f1": 2}, {"f0": 3, "f1": 4}]
ANSWERS = [5.5, 11.5]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one model, ``linear``, which is then the default."""
    folder = tmp_path_factory.mktemp("one")
    linear().add(Repository(folder / "models"))
    with Server(folder, models=folder / "models") as running:
        yield running


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``everything`` alone: texts, gaps and an entity."""
    folder = tmp_path_factory.mktemp("table")
    everything().add(Repository(folder / "models"))
    with Server(folder, models=folder / "models") as running:
        yield running


def assert_refusal(answer: Answer, status: int, *says: str) -> dict[str, Any]:
    """What Azure ML and MLflow clients read of an error: ``message``."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    for words in says:
        assert words in document["message"], document
    return document


MLFLOW: list[dict[str, Any]] = [
    {"instances": ROWS},
    {"instances": RECORDS},
    {"inputs": ROWS},
    {"inputs": {"f0": [1, 3], "f1": [2, 4]}},
    {"inputs": {"f1": [[2], [4]], "f0": [[1], [3]]}},
    {"inputs": {"X": ROWS}},
    {"dataframe_records": RECORDS},
    {"dataframe_split": {"columns": ["f0", "f1"], "data": ROWS}},
    {"dataframe_split": {"columns": ["f1", "f0"], "index": [7, 8], "data": [[2, 1], [4, 3]]}},
    {"dataframe_split": {"data": ROWS}},
    {"dataframe_split": {"columns": [0, 1], "index": [0, 1], "data": ROWS}},
    {"instances": ROWS, "params": {}},
]


@pytest.mark.parametrize("body", MLFLOW)
def test_mlflow_bodies(one: Server, body: dict[str, Any]) -> None:
    assert one.post("/invocations", body).json() == {"predictions": ANSWERS}
    assert one.post("/score", body).json()["predictions"] in (ANSWERS, [{"prediction": value} for value in ANSWERS])


def test_the_curl_of_mlflows_documentation(one: Server) -> None:
    kind = {"Content-Type": "application/json;"}
    assert one.post("/invocations", b'{"inputs": [[1, 2], [3, 4]]}', kind).json() == {"predictions": ANSWERS}


@pytest.mark.parametrize("path", ["/invocations", "/score"])
def test_bodies_of_rest_v1_have_its_answer(one: Server, path: str) -> None:
    document = one.post(path, {"features": [1, 2]}).json()
    assert document["prediction"] == 5.5
    assert document["model"] == "linear"
    many = one.post(path, {"columns": {"f0": [1, 3], "f1": [2, 4]}}).json()
    assert [row["prediction"] for row in many["predictions"]] == ANSWERS


@pytest.mark.parametrize("path", ["/invocations", "/score"])
@pytest.mark.parametrize("text", ["1,2\n3,4", "f1,f0\n2,1\n4,3\n", "1,2\r\n3.0,4e0\r\n"])
def test_csv_with_and_without_a_header(one: Server, path: str, text: str) -> None:
    assert one.post(path, text.encode(), {"Content-Type": "text/csv"}).json() == {"predictions": ANSWERS}
    back = one.post(path, text.encode(), {"Content-Type": "text/csv", "Accept": "text/csv"})
    assert back.headers["content-type"] == "text/csv; charset=utf-8; header=absent"
    assert back.body == b"5.5\r\n11.5\r\n"


AZURE: list[tuple[dict[str, Any], Any]] = [
    ({"data": ROWS}, ANSWERS),
    ({"data": RECORDS}, ANSWERS),
    ({"data": {"f0": [1, 3], "f1": [2, 4]}}, ANSWERS),
    ({"input_data": ROWS}, ANSWERS),
    ({"input_data": {"columns": ["f1", "f0"], "index": [0, 1], "data": [[2, 1], [4, 3]]}}, ANSWERS),
    ({"input_data": {"f0": [1, 3], "f1": [2, 4]}}, ANSWERS),
    ({"Inputs": {"data": RECORDS}, "GlobalParameters": {"method": "predict"}}, {"Results": ANSWERS}),
    ({"Inputs": {"data": RECORDS}, "GlobalParameters": 1.0}, {"Results": ANSWERS}),
    ({"data": RECORDS, "method": "predict"}, ANSWERS),
    ({"Inputs": RECORDS}, {"Results": ANSWERS}),
]


@pytest.mark.parametrize(("body", "answer"), AZURE)
def test_azure_bodies(one: Server, body: dict[str, Any], answer: Any) -> None:
    assert one.post("/score", body).json() == answer


def test_texts_gaps_and_the_entity(table: Server) -> None:
    names = ["customer_id", "age", "income", "score", "visits", "member", "count", "city", "note"]
    rows = [["C-1", 30.5, None, 0.5, 3, True, 4, "Oslo", None], [None, 30.5, 5.5, 0.5, 3.0, True, 4, "Oslo", "x"]]
    del rows[1][0]
    rows[1].insert(0, 7)
    split = {"columns": names, "data": rows}
    assert table.post("/invocations", {"dataframe_split": split}).json() == {"predictions": [1039.0, 44.5]}
    records = [dict(zip(names, row, strict=True)) for row in rows]
    assert table.post("/invocations", {"dataframe_records": records}).json() == {"predictions": [1039.0, 44.5]}
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    assert table.post("/invocations", {"inputs": columns}).json() == {"predictions": [1039.0, 44.5]}


def test_a_model_of_one_shaped_feature(start_server: StartServer, repository: Repository) -> None:
    image().add(repository)
    server = start_server(models=repository.root)
    pixels = [[0, 0, 0], [0, 0, 1]]
    for value in ([pixels, pixels], {"pixels": [pixels, pixels]}):
        assert server.post("/invocations", {"inputs": value}).json() == {"predictions": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "inputs: send exactly one of inputs, instances, dataframe_split"),
        ({"inputs": ROWS, "instances": ROWS}, "instances: send exactly one of"),
        ({"inputs": ROWS, "signature_name": "x"}, "signature_name: is no key that goes with inputs"),
        ({"inputs": ROWS, "params": {"top_k": 3}}, "params: are not supported"),
        ({"inputs": []}, "inputs: must be a list of at least one row"),
        ({"inputs": {}}, "inputs: must be an object with one list of values"),
        ({"inputs": 5}, "inputs: must be a list of at least one row"),
        ({"inputs": None}, "inputs: must not be null"),
        ({"inputs": [[1, 2], [3]]}, "inputs[1]: must hold 2 values in order, not 1"),
        ({"inputs": [[1, "2"]]}, "inputs[0][1]: f1 must be a number, not a string"),
        ({"inputs": {"f0": [1], "f1": [True]}}, "inputs.f1[0]: must be a number, not true or false"),
        ({"inputs": {"X": [[1, None]]}}, "inputs.f1[0]: must not be null"),
        ({"inputs": {"X": [[1, 2], [3]]}}, "inputs.X.shape: is [2]; the model takes [-1, 2]"),
        ({"inputs": {"f0": [1], "f2": [1]}}, "inputs.f2: 'f2' is no input of this model"),
        ({"inputs": {"f0": [1]}}, "inputs.f1: is missing"),
        ({"inputs": {"f0": 1, "f1": 2}}, "inputs.f0.shape: must begin with the number of rows"),
        ({"inputs": {"f0": [1, 2], "f1": [1]}}, "inputs.f1.shape: has 1 rows where the first tensor has 2"),
        ({"inputs": ROWS * 6000}, "inputs: holds 12000 rows"),
        ({"dataframe_records": [{"f0": 1}]}, "dataframe_records[0].f1: is missing"),
        ({"dataframe_records": [{"f0": 1, "f1": 1e300}]}, "dataframe_records[0].f1: does not fit float32"),
        ({"dataframe_records": [[1, 2], {}]}, "dataframe_records: rows must be all objects or all lists"),
        ({"dataframe_split": ROWS}, "dataframe_split: must be an object with columns and data"),
        ({"dataframe_split": {"columns": ["f0"]}}, "dataframe_split: must be an object with columns and data"),
        ({"dataframe_split": {"data": ROWS, "index": 5}}, "dataframe_split.index: must be a list"),
        ({"dataframe_split": {"data": ROWS, "columns": None}}, "dataframe_split.columns: must be a list of names"),
        ({"dataframe_split": {"columns": "f0", "data": ROWS}}, "dataframe_split.columns: must be a list of names"),
        ({"dataframe_split": {"columns": [1, 0], "data": ROWS}}, "dataframe_split.columns: must be a list of names"),
        ({"dataframe_split": {"columns": ["f0", "f0"], "data": ROWS}}, "dataframe_split.columns: must be a list"),
        ({"dataframe_split": {"columns": ["f1", "f0"], "data": [[1, 2], [3]]}}, "dataframe_split.data[1]: holds 1"),
        ({"dataframe_split": {"columns": ["f1", "f0"], "data": []}}, "dataframe_split.data: must be a list"),
        ({"dataframe_split": {"columns": ["f1", "f0"], "data": [[1, "2"]]}}, "dataframe_split.f0[0]: must be a number"),
        ({"dataframe_split": {"columns": ["f0", "f1"], "data": [[1, "2"]]}}, "dataframe_split.data[0][1]: f1 must be"),
    ],
)
def test_what_does_not_fit(one: Server, body: Any, says: str) -> None:
    document = assert_refusal(one.post("/invocations", body), 400, says)
    assert document["error_code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"data": ROWS, "input_data": ROWS}, "input_data: send exactly one of data, input_data, Inputs"),
        ({"data": [[1, 2, 3]]}, "data[0]: must hold 2 values in order, not 3"),
        ({"Inputs": {"data": [{"f0": 1}]}}, "Inputs[0].f1: is missing"),
        ({"features": [1]}, "features: must hold 2 values"),
        ({"rows": ROWS}, "inputs: send exactly one of"),
        ({"data": ROWS, "params": {"top_k": 3}}, "params: are not supported"),
        ({"data": ROWS, "method": "predict_proba"}, "method: are not supported"),
        ({"Inputs": ROWS, "GlobalParameters": {"method": "predict_proba"}}, "GlobalParameters: are not supported"),
    ],
)
def test_what_does_not_fit_azure(one: Server, body: Any, says: str) -> None:
    assert list(assert_refusal(one.post("/score", body), 400, says)) == ["message"]


def test_other_errors_have_the_platforms_shape(one: Server) -> None:
    assert assert_refusal(one.get("/invocations"), 405)["error_code"] == "METHOD_NOT_ALLOWED"
    assert_refusal(one.get("/score"), 405)
    assert_refusal(one.post("/score", b"{}", {"Content-Type": "text/plain"}), 415, "application/json")
    assert_refusal(one.post("/score", b"{"), 400, "no valid JSON")
    assert_refusal(one.send(message("POST", "/invocations", b"", {"Content-Length": "99999999"})), 413)


def test_probes(one: Server) -> None:
    healthy = one.get("/")
    assert healthy.body == b"Healthy"
    assert healthy.headers["content-type"].startswith("text/plain")
    assert one.get("/ping").status == 200
    assert one.get("/version").body == b"0.1.0"


def test_probes_of_a_server_without_models(start_server: StartServer, repository: Repository) -> None:
    server = start_server(models=repository.root)
    assert [server.get(path).status for path in ("/", "/ping")] == [503, 503]


def test_the_document(one: Server) -> None:
    document = one.get("/swagger.json").json()
    assert document["openapi"].startswith("3.")
    assert document == one.get("/swagger.json?version=3").json() == one.get("/openapi.json").json()
    assert one.get("/swagger.json?version=2").status == 404


def test_azure_headers(one: Server) -> None:
    sent = {"x-ms-client-request-id": "trace 1/2", "x-request-id": "r-1"}
    headers = one.post("/score", {"data": ROWS}, sent).headers
    assert headers["x-ms-client-request-id"] == "trace 1/2"
    assert headers["x-ms-request-id"] == "trace 1/2"
    assert headers["x-request-id"] == "r-1"
    whole, _, rest = headers["x-ms-run-fn-exec-ms"].partition(".")
    assert whole.isdecimal()
    assert len(rest) == 3
    alone = one.post("/score", {"data": ROWS}).headers
    assert "x-ms-client-request-id" not in alone
    assert alone["x-ms-request-id"] == alone["x-request-id"]
    older = one.post("/score", {"data": ROWS}, {"x-ms-request-id": "old"}).headers
    assert older["x-ms-client-request-id"] == older["x-ms-request-id"] == "old"


@pytest.mark.parametrize("name", ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"])
def test_ids_that_are_too_long(one: Server, name: str) -> None:
    assert one.post("/score", {"data": ROWS}, {name: "x" * 100}).status == 200
    assert_refusal(one.post("/score", {"data": ROWS}, {name: "x" * 101}), 431, f"{name} must not exceed 100 characters")


def test_requests_are_logged_and_counted_like_any_other(one: Server) -> None:
    answer = one.post("/invocations", {"inputs": ROWS})
    line = access_line(one, answer.headers["x-request-id"])
    assert (line["model"], line["version"], line["rows"], line["path"]) == ("linear", "v1", 2, "/invocations")
    assert answer.headers["x-cache"] == line["cache"]


def test_no_default_model(start_server: StartServer, repository: Repository) -> None:
    linear().add(repository)
    linear(name="other").add(repository)
    server = start_server(models=repository.root)
    assert_refusal(server.post("/score", {"data": ROWS}), 404, "default_model")


def test_azure_names_give_way_to_our_own() -> None:
    theirs = {"WORKER_COUNT": "3", "WORKER_TIMEOUT": "77", "SCORING_TIMEOUT_MS": "5000", "WEBSITES_PORT": "81"}
    settings = Settings.from_env(theirs)
    assert (settings.workers, settings.worker_timeout, settings.request_timeout_ms) == (3, 77, 5000)
    assert settings.port == 81
    ours = {"WEB_CONCURRENCY": "2", "SLUICE_WORKER_TIMEOUT": "9", "SLUICE_REQUEST_TIMEOUT_MS": "8", "PORT": "82"}
    settings = Settings.from_env(theirs | ours)
    assert (settings.workers, settings.worker_timeout, settings.request_timeout_ms) == (2, 9, 8)
    assert settings.port == 82
    with pytest.raises(ConfigInvalid, match="WORKER_COUNT: 'many' cannot be used"):
        Settings.from_env({"WORKER_COUNT": "many"})


def test_a_deadline_for_callers_that_name_none(start_server: StartServer, repository: Repository) -> None:
    slow(400).add(repository)
    server = start_server({"SCORING_TIMEOUT_MS": "20", "SLUICE_THREADS": "1"}, models=repository.root)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda number: server.post("/score", {"features": [number]}).status, range(4)))
    assert set(told) <= {200, 504}
    assert 504 in told


def test_azure_names_of_settings(start_server: StartServer, repository: Repository) -> None:
    linear().add(repository)
    env = {"WORKER_COUNT": "3", "WEB_CONCURRENCY": "2", "WORKER_TIMEOUT": "77", "SCORING_TIMEOUT_MS": "5000"}
    server = start_server(env, models=repository.root)
    assert len(server.workers) == 2
    assert server.post("/score", {"data": ROWS}).json() == ANSWERS
