"""``flask --app wsgi models``: every shape of model is added from the command line and answers over HTTP."""

import csv
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from app.registry.manifest_file import parse_manifest
from scripts.demo_models.customers import customers
from tests.command_line import CommandLine
from tests.conftest import StartServer
from tests.models import columns, external, identity, linear
from tests.programs import ROOT

NUMBERS = ["tenure", "monthly_charges", "age"]
WORDS = ["contract", "region"]


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "models")


def saved(folder: Path, model: bytes, name: str = "made.onnx") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(model)
    return folder / name


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *(["" if cell is None else cell for cell in row] for row in rows)])
    return path


def customer_rows(count: int = 300) -> tuple[list[list[Any]], Any]:
    """Some columns of the demo table, gaps in age only, and who left."""
    table, churned = customers(count)
    table = table[[*NUMBERS, *WORDS]].fillna({"region": "north"}).astype(object)
    return table.where(table.notna(), None).to_numpy().tolist(), churned


def column_pipeline(unknown: str = "error") -> tuple[Pipeline, bytes, list[list[Any]], Any]:
    """A pipeline with one input per column, two of them strings."""
    rows, churned = customer_rows()
    median = float(np.median([row[2] for row in rows if row[2] is not None]))
    filled = pd.DataFrame([[*row[:2], median if row[2] is None else row[2], *row[3:]] for row in rows])
    filled.columns = pd.Index([*NUMBERS, *WORDS])
    filled = filled.astype(dict.fromkeys(NUMBERS, "float32"))
    encoder = OneHotEncoder(handle_unknown=unknown, sparse_output=False)  # type: ignore[arg-type]
    parts = [("numbers", StandardScaler(), NUMBERS), ("words", encoder, WORDS)]
    pipeline = Pipeline([("columns", ColumnTransformer(parts)), ("line", LogisticRegression())]).fit(filled, churned)
    kinds = [(name, (FloatTensorType if name in NUMBERS else StringTensorType)([None, 1])) for name in filled.columns]
    model = to_onnx(pipeline, initial_types=kinds, options={id(pipeline): {"zipmap": False}}).SerializeToString()
    return pipeline, model, rows, pipeline.predict_proba(filled)


def network(outputs: int, rows: int | str = "N", softmax: bool = False) -> tuple[bytes, Any]:
    """A plain network as exporters of deep-learning frameworks write it, and the same sum in numpy."""
    random = np.random.default_rng(5)
    first = random.normal(size=(4, 6)).astype(np.float32)
    second = random.normal(size=(6, outputs)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["features", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "second"], ["last" if softmax else "logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["last"], ["logits"], axis=1))
    tables = [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")]
    return graph(
        nodes, [("features", [rows, 4])], [("logits", [rows, outputs])], tables
    ), lambda table: np.maximum(table.astype(np.float32) @ first, 0) @ second


def graph(nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], tables: Sequence[Any] = ()) -> bytes:
    sides = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side]
        for side in (inputs, outputs)
    ]
    made = helper.make_graph(nodes, "made", *sides, list(tables))
    return bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


def shares_of(scores: Any) -> Any:
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def test_a_pipeline_with_string_columns_and_a_sample(
    tmp_path: Path, command: CommandLine, start_server: StartServer
) -> None:
    _, model, rows, expected = column_pipeline()
    sample = write_csv(
        tmp_path / "sample.csv",
        ["customer_id", *NUMBERS, *WORDS, "churned", "note"],
        [[f"C-{at}", *row, 0, "x"] for at, row in enumerate(rows)],
    )
    words = ["--sample", sample, "--target", "churned", "--ignore", "note", "--entity-key", "customer_id"]
    words += ["--probability-name", "churn_probability", "--missing", "age=impute"]
    added = command.add(saved(tmp_path, model), "churn", *words).json()
    features = {feature["name"]: feature for feature in added["features"]}
    assert list(features) == [*NUMBERS, *WORDS]
    assert features["tenure"]["observed"]["max"] == max(row[0] for row in rows)
    assert features["tenure"]["range"] is None
    assert features["contract"]["categories"] == ["month-to-month", "one-year", "two-year"]
    assert features["age"]["missing"] == "impute"
    assert added["task"] == "classification"
    assert added["golden_rows"] == 5
    assert any("'contract' takes only the 3 values" in note for note in added["notes"])

    server = start_server(models=command.models)
    instances = [
        {"customer_id": f"C-{at}"} | dict(zip([*NUMBERS, *WORDS], row, strict=True)) for at, row in enumerate(rows)
    ]
    answers = server.post("/predict", {"instances": instances}).json()["predictions"]
    assert [answer["customer_id"] for answer in answers] == [f"C-{at}" for at in range(len(rows))]
    given = np.array([answer["churn_probability"] for answer in answers])
    assert np.abs(given - expected[:, 1]).max() < 1e-5
    unknown = server.post("/predict", {"features": instances[0] | {"contract": "forever"}})
    assert unknown.status in {400, 422}
    assert "month-to-month" in unknown.body.decode()


def test_an_encoder_that_ignores_new_words_stays_open(tmp_path: Path, command: CommandLine) -> None:
    _, model, rows, _ = column_pipeline("ignore")
    sample = write_csv(tmp_path / "sample.csv", [*NUMBERS, *WORDS], rows)
    added = command.add(saved(tmp_path, model), "open", "--sample", sample).json()
    features = {feature["name"]: feature for feature in added["features"]}
    assert features["region"]["categories"] is None
    assert features["region"]["observed"]["distinct"] == 4
    assert features["age"]["missing"] == "impute" or features["age"]["missing"] == "nan"
    assert any("'age' is empty in" in note for note in added["notes"])


def test_enforced_the_sample_is_all_that_is_allowed(tmp_path: Path, command: CommandLine) -> None:
    _, model, rows, _ = column_pipeline("ignore")
    sample = write_csv(tmp_path / "sample.csv", [*NUMBERS, *WORDS], rows)
    words = ["--sample", sample, "--enforce", "--missing", "reject"]
    features = {item["name"]: item for item in command.add(saved(tmp_path, model), "tight", *words).json()["features"]}
    assert features["tenure"]["range"] == [min(row[0] for row in rows), max(row[0] for row in rows)]
    assert features["region"]["categories"] == ["east", "north", "south", "west"]
    assert {feature["missing"] for feature in features.values()} == {"reject"}


def test_string_columns_are_found_in_the_file_without_a_sample(
    tmp_path: Path, command: CommandLine, start_server: StartServer
) -> None:
    _, model, rows, expected = column_pipeline()
    added = command.add(saved(tmp_path, model), "bare").json()
    features = {feature["name"]: feature for feature in added["features"]}
    assert features["contract"]["categories"] == ["month-to-month", "one-year", "two-year"]
    assert added["golden_rows"] == 5
    at = next(at for at, row in enumerate(rows) if None not in row)
    body = {"features": dict(zip([*NUMBERS, *WORDS], rows[at], strict=True))}
    answer = start_server(models=command.models).post("/predict", body).json()
    assert abs(answer["probability"] - expected[at, 1]) < 1e-5


def test_a_matrix_of_numbers_beside_a_matrix_of_words(
    tmp_path: Path, command: CommandLine, start_server: StartServer
) -> None:
    rows, churned = customer_rows()
    rows = [[*row[:2], row[2] or 40.0, *row[3:]] for row in rows]
    table = np.array(rows, dtype=object)
    parts = [("numbers", StandardScaler(), [0, 1, 2]), ("words", OrdinalEncoder(), [3, 4])]
    pipeline = Pipeline([("columns", ColumnTransformer(parts)), ("line", LogisticRegression())]).fit(table, churned)
    kinds = [("numbers", FloatTensorType([None, 3])), ("words", StringTensorType([None, 2]))]
    model = to_onnx(pipeline, initial_types=kinds).SerializeToString()
    sample = write_csv(tmp_path / "sample.csv", [*NUMBERS, *WORDS], rows)
    added = command.add(saved(tmp_path, model), "groups", "--sample", sample).json()
    assert [feature["input"] for feature in added["features"]] == ["numbers"] * 3 + ["words"] * 2
    answers = start_server(models=command.models).post("/predict", {"instances": rows}).json()["predictions"]
    given = np.array([list(answer["probabilities"].values()) for answer in answers])
    assert np.abs(given - pipeline.predict_proba(table)).max() < 1e-5

    swapped = write_csv(tmp_path / "swapped.csv", [*WORDS, *NUMBERS], [[*row[3:], *row[:3]] for row in rows])
    refused = command.add(tmp_path / "made.onnx", "swapped", "--sample", swapped)
    assert refused.status == 1
    assert "Columns fill a matrix input in their order" in refused.err


@pytest.mark.parametrize("rows", ["N", 1])
def test_a_network_with_logits_only(
    tmp_path: Path, command: CommandLine, start_server: StartServer, rows: int | str
) -> None:
    model, score = network(3, rows)
    words = ["--labels", "no,maybe,yes", "--features", "a,b,c,d"]
    added = command.add(saved(tmp_path, model), "network", *words).json()
    assert added["outputs"] == {"logits": "logits"}
    table = np.random.default_rng(2).normal(size=(37, 4)).round(3)
    answers = start_server(models=command.models).post("/predict", {"instances": table.tolist()}).json()["predictions"]
    expected = shares_of(score(table))
    given = np.array([list(answer["probabilities"].values()) for answer in answers])
    assert np.abs(given - expected).max() < 1e-5
    assert [answer["prediction"] for answer in answers] == [
        ["no", "maybe", "yes"][at] for at in expected.argmax(axis=1)
    ]


def test_a_network_with_a_softmax_needs_no_telling(tmp_path: Path, command: CommandLine) -> None:
    added = command.add(saved(tmp_path, network(3, softmax=True)[0]), "soft").json()
    assert (added["task"], added["labels"]) == ("classification", [0, 1, 2])
    assert added["outputs"] == {"logits": "probabilities"}
    assert [feature["name"] for feature in added["features"]] == ["x0", "x1", "x2", "x3"]


def test_a_network_of_unknown_meaning_is_a_regression_and_says_so(tmp_path: Path, command: CommandLine) -> None:
    added = command.add(saved(tmp_path, network(1)[0]), "value").json()
    assert (added["task"], added["outputs"]) == ("regression", {"logits": "value"})
    assert any("--labels" in note for note in added["notes"])
    told = command.add(tmp_path / "made.onnx", "value", "--task", "classification", version="v2").json()
    assert (told["labels"], told["positive_label"], told["outputs"]) == ([0, 1], 1, {"logits": "logits"})


def test_a_picture_in_one_input(tmp_path: Path, command: CommandLine, start_server: StartServer) -> None:
    kernel = np.random.default_rng(3).normal(size=(2, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["picture", "kernel"], ["seen"]),
        helper.make_node("GlobalAveragePool", ["seen"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["scores"]),
    ]
    model = graph(
        nodes, [("picture", ["N", 3, 8, 8])], [("scores", ["N", 2])], [numpy_helper.from_array(kernel, "kernel")]
    )
    added = command.add(saved(tmp_path, model), "picture", "--labels", "cat,dog").json()
    assert [(feature["name"], feature["shape"]) for feature in added["features"]] == [("picture", [3, 8, 8])]
    assert added["golden_rows"] == 5
    picture = np.random.default_rng(4).random((3, 8, 8)).round(3)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3), axis=(1, 2))
    scores = np.einsum("cxyij,ocij->oxy", windows, kernel).mean(axis=(1, 2))[None]
    answer = start_server(models=command.models).post("/predict", {"features": {"picture": picture.tolist()}}).json()
    assert np.allclose(list(answer["probabilities"].values()), shares_of(scores)[0], atol=1e-5)


def test_tokens_of_any_length_are_a_list(tmp_path: Path, command: CommandLine) -> None:
    ids, mask = (helper.make_tensor_value_info(name, TensorProto.INT64, ["N", "length"]) for name in ("ids", "mask"))
    nodes = [
        helper.make_node("Mul", ["ids", "mask"], ["seen"]),
        helper.make_node("Cast", ["seen"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["Y"], axes=[1], keepdims=1),
    ]
    answer = helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["N", 1])
    made = helper.make_model(helper.make_graph(nodes, "tokens", [ids, mask], [answer]), ir_version=8)
    made.opset_import[0].version = 17
    rows = [["[4, 5, 6]", "[1, 1, 1]", 5], ["[7]", "[1]", 7], ["[2, 4]", "[1, 0]", 1]]
    sample = write_csv(tmp_path / "texts.csv", ["ids", "mask", "y"], rows)
    words = ["--sample", sample, "--target", "y"]
    added = command.add(saved(tmp_path, made.SerializeToString()), "tokens", *words).json()
    assert [(item["name"], item["shape"]) for item in added["features"]] == [("ids", [None]), ("mask", [None])]
    assert added["golden_rows"] == 3
    assert command.run("models", "verify", "tokens").status == 0


def test_inputs_of_rank_one(tmp_path: Path, command: CommandLine, start_server: StartServer) -> None:
    nodes = [helper.make_node("Mul", ["width", "height"], ["area"])]
    model = graph(nodes, [("width", ["N"]), ("height", ["N"])], [("area", ["N"])])
    assert command.add(saved(tmp_path, model), "area").status == 0
    answer = start_server(models=command.models).post("/predict", {"columns": {"height": [2, 3], "width": [4, 5]}})
    assert [row["prediction"] for row in answer.json()["predictions"]] == [8.0, 15.0]


def test_weights_beside_the_file_come_along(tmp_path: Path, command: CommandLine, start_server: StartServer) -> None:
    folder = tmp_path / "export"
    file = saved(folder, external("weights.bin").model)
    np.array([1, 2, 3, 4], dtype=np.float32).tofile(folder / "weights.bin")
    added = command.add(file, "heavy").json()
    shutil.rmtree(folder)
    assert (command.models / "heavy/v1/weights.bin").stat().st_size == 16
    manifest = parse_manifest((command.models / "heavy/v1/manifest.yaml").read_bytes())
    assert list(manifest.external or {}) == ["weights.bin"]
    assert added["digest"] == manifest.digest
    answer = start_server(models=command.models).post("/predict", {"features": [0, 0, 0, 0]}).json()
    assert answer["prediction"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("../secret.bin", "plain name"),
        ("/etc/hostname", "plain name"),
        ("sub/weights.bin", "plain name"),
        ("absent.bin", "no such file"),
        ("link.bin", "no such file"),
        ("manifest.yaml", "a name this server needs"),
    ],
)
def test_weights_elsewhere_are_refused(tmp_path: Path, command: CommandLine, location: str, said: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    folder = tmp_path / "export"
    file = saved(folder, external(location).model)
    (folder / "sub").mkdir()
    (folder / "sub/weights.bin").write_bytes(bytes(16))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    refused = command.add(file, "heavy")
    assert refused.status == 1
    assert said in refused.err
    assert not command.models.exists()


def test_a_model_that_does_not_reproduce_leaves_nothing_behind(tmp_path: Path, command: CommandLine) -> None:
    nodes = [helper.make_node("RandomUniformLike", ["X"], ["Y"])]
    refused = command.add(saved(tmp_path, graph(nodes, [("X", ["N", 2])], [("Y", ["N", 2])])), "dice")
    assert refused.status == 1
    assert "golden row 0" in refused.err
    assert "draws random numbers" in refused.err
    assert list(command.models.rglob("*")) == []


def test_versions_never_change(tmp_path: Path, command: CommandLine) -> None:
    file = saved(tmp_path, linear().model)
    assert command.add(file, "linear").status == 0
    before = {path: path.read_bytes() for path in command.models.rglob("*.*") if path.is_file()}
    again = command.add(saved(tmp_path, identity().model), "linear")
    assert again.status == 1
    assert "choose another --version" in again.err
    assert {path: path.read_bytes() for path in command.models.rglob("*.*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--name", "../up", "--version", "v1"], 2, "write letters, digits"),
        (["--name", "a/b", "--version", "v1"], 2, "write letters, digits"),
        (["--name", "n", "--version", ".."], 2, "write letters, digits"),
        (["--name", "n"], 2, "Missing option '--version'"),
        (["--name", "n", "--version", "v1", "--features", "a,,b"], 2, "empty name"),
        (["--name", "n", "--version", "v1", "--missing", "guess"], 2, "reject, impute, nan"),
        (["--name", "n", "--version", "v1", "--role", "Y=best"], 2, "probabilities"),
        (["--name", "n", "--version", "v1", "--features", "a,b,c"], 1, "takes 2 features, 3 are named"),
        (["--name", "n", "--version", "v1", "--features", "a,a"], 1, "named twice"),
        (["--name", "n", "--version", "v1", "--role", "Z=value"], 1, "the outputs are Y"),
        (["--name", "n", "--version", "v1", "--missing", "impute"], 1, "--sample"),
        (["--name", "n", "--version", "v1", "--missing", "x01=nan"], 1, "no feature; did you mean 'x"),
        (["--name", "n", "--version", "v1", "--enforce"], 1, "--enforce says something about a sample"),
        (["--name", "n", "--version", "v1", "--probability-name", "p"], 1, "two classes"),
        (["--name", "n", "--version", "v1", "--labels", "a,b,c"], 1, "1 columns, and there are 3 labels"),
        (["--name", "n", "--version", "v1", "--entity-key", "x0"], 1, "entity_key"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    tmp_path: Path, command: CommandLine, words: list[str], status: int, said: str
) -> None:
    outcome = command.run("models", "add", saved(tmp_path, linear().model), *words)
    assert (outcome.status, outcome.out) == (status, "")
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert not command.models.exists()


def test_an_output_without_any_axis_belongs_to_no_row(tmp_path: Path, command: CommandLine) -> None:
    nodes = [
        helper.make_node("Identity", ["X"], ["Y"]),
        helper.make_node("ReduceSum", ["X"], ["total"], keepdims=0),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in ("X", "Y")]
    total = helper.make_tensor_value_info("total", TensorProto.FLOAT, [])
    graph = helper.make_graph(nodes, "sum", values[:1], [values[1], total])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    outcome = command.add(saved(tmp_path, model.SerializeToString()), "sum")
    assert outcome.status == 1
    assert "'total' has shape () for" in outcome.err


def test_a_label_of_several_columns_is_refused_in_words(tmp_path: Path, command: CommandLine) -> None:
    words = ["--role", "Y=label", "--role", "Z=probabilities", "--labels", "0,1,2", "--task", "classification"]
    nodes = [helper.make_node("Cast", ["X"], ["Y"], to=TensorProto.INT64), helper.make_node("Identity", ["X"], ["Z"])]
    kinds = {"X": TensorProto.FLOAT, "Y": TensorProto.INT64, "Z": TensorProto.FLOAT}
    values = [helper.make_tensor_value_info(name, kind, [None, 3]) for name, kind in kinds.items()]
    graph = helper.make_graph(nodes, "pairs", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    outcome = command.add(saved(tmp_path, model.SerializeToString()), "pairs", *words)
    assert outcome.status == 1
    assert "do not fit their roles" in outcome.err


def test_in_a_process_of_its_own_it_adds_and_explains(tmp_path: Path, command: CommandLine) -> None:
    words = ["models", "add", saved(tmp_path, linear().model), "--name", "linear", "--version", "v1"]
    added = command.run_apart(*words)
    assert (added.status, added.err) == (0, "")
    assert "loaded and verified" in added.out
    assert "x0" in added.out
    assert "curl -s http://127.0.0.1:8000/v1/models/linear/versions/v1/predict" in added.out
    again = command.run_apart(*words)
    assert (again.status, again.out) == (1, "")
    assert again.err == "Error: linear v1 is already there and versions never change; choose another --version.\n"


@pytest.mark.parametrize("content", [b"", b"no model", b"\x80\x04pickle.", bytes(100), linear().model[:-20]])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, command: CommandLine, content: bytes) -> None:
    refused = command.add(saved(tmp_path, content), "broken")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith("Error: ")
    assert "Traceback" not in refused.err
    assert not command.models.exists()


def test_list_and_show_for_people_and_for_programs(tmp_path: Path, command: CommandLine) -> None:
    assert "models add --help" in command.run("models", "list").out
    assert command.run("models", "list", "--json").json() == []
    for version in ("v9", "v10"):
        assert command.add(saved(tmp_path, linear().model), "linear", version=version).status == 0
    assert command.add(saved(tmp_path, columns().model), "columns").status == 0
    listed = command.run("models", "list", "--json").json()
    assert [(row["name"], row["version"]) for row in listed] == [("columns", "v1"), ("linear", "v9"), ("linear", "v10")]
    lines = command.run("models", "list").out.splitlines()
    assert lines[0].split()[:3] == ["NAME", "VERSION", "TASK"]
    assert len(lines) == 4
    assert command.run("models", "show", "linear", "--json").json()["version"] == "v10"
    shown = command.run("models", "show", "columns").out
    assert "FEATURE" in shown
    assert "curl -s http://127.0.0.1:8000/v1/models/columns/versions/v1/predict" in shown
    unknown = command.run("models", "show", "liner")
    assert (unknown.status, "Did you mean 'linear'?" in unknown.err) == (1, True)
    absent = command.run("models", "show", "linear", "v1")
    assert (absent.status, "it has v9, v10" in absent.err) == (1, True)


def test_verify_says_what_is_wrong_and_fails(tmp_path: Path, command: CommandLine) -> None:
    for name in ("good", "flipped", "edited"):
        assert command.add(saved(tmp_path, linear().model), name).status == 0
    assert command.run("models", "verify").status == 0
    model = command.models / "flipped/v1/model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\xff")
    manifest = command.models / "edited/v1/manifest.yaml"
    manifest.write_text(manifest.read_text().replace("task: regression", "tusk: regression"))
    outcome = command.run_apart("models", "verify", "--json")
    assert outcome.status == 1
    states = {row["name"]: row for row in json.loads(outcome.out)}
    assert {name: row["state"] for name, row in states.items()} == {
        "good": "verified",
        "flipped": "refused",
        "edited": "refused",
    }
    assert "sha256" in states["flipped"]["reason"]
    assert "tusk" in states["edited"]["reason"]
    table = command.run("models", "verify")
    assert table.status == 1
    assert "refused" in table.out
    assert command.run("models", "verify", "good").status == 0
    assert "tusk" in command.run("models", "list").out
    assert command.run("models", "show", "edited").status == 1


def test_the_printed_curl_predicts(tmp_path: Path, command: CommandLine, start_server: StartServer) -> None:
    assert command.add(saved(tmp_path, columns().model), "it's", "--entity-key", "who").status == 2
    assert command.add(saved(tmp_path, columns().model), "cities", "--entity-key", "who").status == 0
    server = start_server(models=command.models)
    asking = CommandLine(command.models, server.port)
    assert "X-API-Key: YOUR-KEY" in shlex.split(asking.run("models", "show", "cities").out.splitlines()[-1])
    printed = asking.but(SLUICE_AUTH="off").run("models", "show", "cities").out.splitlines()[-1]
    assert shlex.split(printed)[0] == "curl"
    done = subprocess.run(["bash", "-c", printed], capture_output=True, text=True, check=True, timeout=30)
    answer = json.loads(done.stdout)
    assert answer["who"] == "C-1"
    assert isinstance(answer["prediction"], float)


def test_help_teaches_with_an_example(command: CommandLine) -> None:
    shown = command.run_apart("models", "add", "--help").out
    assert "flask --app wsgi models add churn.onnx --name churn --version v3 \\" in shown
    assert "models" in command.run("--help").out


def test_a_serving_worker_carries_no_intake() -> None:
    code = "import sys, wsgi; print(sorted(m for m in sys.modules if m == 'onnx' or m.startswith('app.commands.') "
    code += "or m.startswith('app.registry.intake')))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
