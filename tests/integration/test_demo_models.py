"""The committed models answer what onnxruntime and scikit-learn answer, and come out the same when trained again."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
import pytest

from app.registry.manifest import Manifest
from app.registry.repository import Repository
from scripts.demo_models.trained import Trained
from scripts.train_demo_models import TRAININGS, write
from tests.servers import MODELS, Server

VERSIONS = [(name, number) for name, trainings in TRAININGS.items() for number in range(len(trainings))]
every_version = pytest.mark.parametrize(
    ("name", "number"), VERSIONS, ids=[f"{name}-v{at + 1}" for name, at in VERSIONS]
)
ROWS = 1000

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of numpy, at what the converter does


@cache
def retrained(name: str, number: int) -> Trained:
    train: Callable[[str], Trained] = TRAININGS[name][number]
    return train("2026-11-22T00:00:00Z")


def some_rows(trained: Trained) -> tuple[list[Mapping[str, Any]], Any]:
    """A thousand rows and the estimator's answers; a table with fewer rows is drawn from again."""
    chosen = np.random.default_rng(1).integers(0, len(trained.rows), ROWS)
    if len(trained.rows) >= ROWS:
        chosen = np.arange(ROWS)
    return [trained.rows[at] for at in chosen], trained.expected[chosen]


def run_with_onnxruntime(model: bytes, manifest: Manifest, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The model's outputs without any of our code: the feed is put together here by the manifest's words."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    dtypes = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(string)": object}
    feed = {}
    for item in session.get_inputs():
        members = [feature for feature in manifest.features if feature.input == item.name]
        fills = [np.nan if feature.missing == "nan" else feature.impute for feature in members]
        table = [
            [
                fill if row[feature.name] is None else row[feature.name]
                for feature, fill in zip(members, fills, strict=True)
            ]
            for row in rows
        ]
        feed[item.name] = np.array(table, dtype=dtypes[item.type])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def answers_over_http(
    server: Server, name: str, number: int, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    answer = server.post(f"/v1/models/{name}/versions/v{number + 1}/predict", {"instances": rows})
    assert answer.status == 200, answer.body[:500]
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    assert len(predictions) == len(rows)
    return predictions


def numbers_of(predictions: Sequence[Mapping[str, Any]], manifest: Manifest) -> Any:
    if not manifest.labels:
        return np.array([answer["prediction"] for answer in predictions])
    return np.array([[answer["probabilities"][str(label)] for label in manifest.labels] for answer in predictions])


@every_version
def test_http_answers_equal_onnxruntime_exactly(server: Server, name: str, number: int) -> None:
    stored = Repository(MODELS).read(name, f"v{number + 1}")
    rows, _ = some_rows(retrained(name, number))
    predictions = answers_over_http(server, name, number, rows)
    outputs = run_with_onnxruntime(stored.model, stored.manifest, rows)
    numbers = outputs["probabilities"] if stored.manifest.labels else outputs["variable"][:, 0]
    assert np.array_equal(numbers_of(predictions, stored.manifest), numbers.astype(np.float64))
    if stored.manifest.labels:
        assert [answer["prediction"] for answer in predictions] == outputs["label"].tolist()


@every_version
def test_http_answers_equal_scikit_learn(server: Server, name: str, number: int) -> None:
    rows, expected = some_rows(retrained(name, number))
    predictions = answers_over_http(server, name, number, rows)
    manifest = Repository(MODELS).manifest(name, f"v{number + 1}")
    assert np.abs(numbers_of(predictions, manifest) - expected).max() < 1e-5


@every_version
def test_trained_again_it_predicts_what_was_committed(name: str, number: int) -> None:
    stored = Repository(MODELS).read(name, f"v{number + 1}")
    trained = retrained(name, number)
    rows, _ = some_rows(trained)
    committed = run_with_onnxruntime(stored.model, stored.manifest, rows)
    anew = run_with_onnxruntime(trained.model, trained.manifest, rows)
    for output, values in committed.items():
        assert np.allclose(anew[output], values, rtol=1e-6, atol=1e-6), output


@every_version
def test_trained_again_the_manifest_says_the_same(name: str, number: int, tmp_path: Path) -> None:
    assert "written" in write(Repository(tmp_path), retrained(name, number), overwrite=False)
    assert "already there" in write(Repository(tmp_path), retrained(name, number), overwrite=False)
    anew = Repository(tmp_path).manifest(name, f"v{number + 1}")
    committed = Repository(MODELS).manifest(name, f"v{number + 1}")
    assert anew.features == committed.features
    assert [row.features for row in anew.golden] == [row.features for row in committed.golden]


def test_an_answer_names_the_customer_and_the_probability(server: Server) -> None:
    row = next(row for row in retrained("churn", 1).rows if None not in row.values())
    answer = server.post("/predict", {"customer_id": "C-1", "features": row}).json()
    assert answer["customer_id"] == "C-1"
    assert answer["churn_probability"] == answer["probability"] == answer["probabilities"]["1"]
    assert (answer["model"], answer["model_version"]) == ("churn", "v2")


def test_churn_is_learnt_and_uses_every_missing_policy() -> None:
    manifests = [Repository(MODELS).manifest("churn", version) for version in ("v1", "v2")]
    assert {feature.missing for manifest in manifests for feature in manifest.features} == {"reject", "impute", "nan"}
    assert all("synthetic" in manifest.source and "synthetic" in manifest.description for manifest in manifests)
    assert all(float(retrained("churn", number).score.split()[1]) > 0.8 for number in (0, 1))


def test_the_committed_files_are_small() -> None:
    files = list(MODELS.glob("*/*/*"))
    assert files
    assert all(file.stat().st_size < 300_000 for file in files)
