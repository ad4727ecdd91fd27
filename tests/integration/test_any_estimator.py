"""Whatever skl2onnx makes of a scikit-learn model is added with ``models add`` and served as it is, without code."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command_line import CommandLine, Outcome
from tests.estimators import CLASSIFIERS, DOUBLES, MULTI_OUTPUT, OTHERS, REGRESSORS, Case, cases, wrong_rows
from tests.servers import Server

CASES = {case.name: case for case in cases()}


@dataclass(frozen=True)
class Zoo:
    """A server with every model in it, and what adding each of them said."""

    server: Server
    added: dict[str, Outcome]

    def answers(self, case: Case) -> list[dict[str, Any]]:
        """The whole table over HTTP, as lists in order."""
        assert self.added[case.name].status == 0, self.added[case.name].err
        answer = self.server.post(f"/v1/models/{case.name}/predict", {"instances": case.table.tolist()})
        assert answer.status == 200, answer.body[:500]
        predictions: list[dict[str, Any]] = answer.json()["predictions"]
        return predictions


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """Every case added through the command line's own code, then one server for all."""
    folder = tmp_path_factory.mktemp("zoo")
    command = CommandLine(folder / "models")
    added = {}
    for case in CASES.values():
        file = folder / f"{case.name}.onnx"
        file.write_bytes(case.onnx)
        added[case.name] = command.add(file, case.name)
    with Server(folder / "server", models=folder / "models") as server:
        yield Zoo(server, added)


def named(*groups: dict[str, Any]) -> Any:
    """A test for each case made of these groups."""
    chosen = [name for name in CASES for group in groups if name.removesuffix("-words").removesuffix("-two") in group]
    return pytest.mark.parametrize("name", chosen)


@named(CLASSIFIERS)
def test_a_classifier_answers_the_estimators_labels_and_probabilities(zoo: Zoo, name: str) -> None:
    case = CASES[name]
    answers = zoo.answers(case)
    assert [answer["prediction"] for answer in answers] == case.estimator.predict(case.table).tolist()
    if not hasattr(case.estimator, "predict_proba"):
        assert all("probability" not in answer and "probabilities" not in answer for answer in answers)
        assert all(answer["outputs"] for answer in answers)
        return
    classes = [str(label) for label in case.estimator.classes_.tolist()]
    assert all(list(answer["probabilities"]) == classes for answer in answers)
    shares = np.array([list(answer["probabilities"].values()) for answer in answers])
    assert np.abs(shares - case.estimator.predict_proba(case.table)).max() < 1e-5
    alone = np.array([answer["probability"] for answer in answers])
    chosen = [1 if len(classes) == 2 else classes.index(str(answer["prediction"])) for answer in answers]
    assert np.array_equal(alone, shares[np.arange(len(shares)), chosen])


@named(REGRESSORS, DOUBLES, MULTI_OUTPUT)
def test_a_regressor_answers_the_estimators_values(zoo: Zoo, name: str) -> None:
    case = CASES[name]
    values = np.array([answer["prediction"] for answer in zoo.answers(case)])
    expected = case.estimator.predict(case.table)
    assert values.shape == expected.shape
    assert np.allclose(values, expected, rtol=1e-5, atol=1e-5)


def test_clusters_are_answered_with_their_distances(zoo: Zoo) -> None:
    case = CASES["kmeans"]
    answers = zoo.answers(case)
    assert [answer["prediction"] for answer in answers] == case.estimator.predict(case.table).tolist()
    distances = [answer["outputs"]["scores"] for answer in answers]
    assert np.allclose(distances, case.estimator.transform(case.table), rtol=1e-3, atol=1e-3)
    assert all("probabilities" not in answer for answer in answers)


def test_anomalies_are_answered_with_their_scores(zoo: Zoo) -> None:
    case = CASES["isolation-forest"]
    answers = zoo.answers(case)
    assert [answer["prediction"] for answer in answers] == case.estimator.predict(case.table).tolist()
    scores = [answer["outputs"]["scores"] for answer in answers]
    assert np.allclose(scores, case.estimator.decision_function(case.table), atol=1e-5)


@pytest.mark.parametrize("name", ["many-classes", "forest-many-classes"])
def test_a_classifier_of_several_targets_answers_each_of_them(zoo: Zoo, name: str) -> None:
    """A list of one array per target, or one array that has the targets before the rows."""
    case = CASES[name]
    answers = zoo.answers(case)
    assert [answer["prediction"] for answer in answers] == case.estimator.predict(case.table).tolist()
    shares = np.array([answer["outputs"]["probabilities"] for answer in answers])
    assert np.abs(shares - np.stack(case.estimator.predict_proba(case.table), axis=1)).max() < 1e-5


@named(MULTI_OUTPUT, OTHERS)
def test_the_protocols_metadata_has_the_shape_of_what_is_answered(zoo: Zoo, name: str) -> None:
    """Their files declare one column for several targets, and no axis at all for lists."""
    rows = CASES[name].table[:3].tolist()
    tensor = {"name": "X", "datatype": "FP32", "shape": [3, 6], "data": rows}
    answered = zoo.server.post(f"/v2/models/{name}/infer", {"inputs": [tensor]}).json()["outputs"]
    declared = zoo.server.get(f"/v2/models/{name}").json()["outputs"]
    assert [(one["name"], one["datatype"], len(one["shape"])) for one in declared] == [
        (one["name"], one["datatype"], len(one["shape"])) for one in answered
    ]
    for said, got in zip(declared, answered, strict=True):
        assert all(axis in (-1, length) for axis, length in zip(said["shape"], got["shape"], strict=True))


def test_a_model_whose_answers_belong_to_no_row_is_refused(tmp_path: Path) -> None:
    case = wrong_rows()
    file = tmp_path / "wrong.onnx"
    file.write_bytes(case.onnx)
    outcome = CommandLine(tmp_path / "models").add(file, "wrong")
    assert outcome.status == 1
    assert "first axis is not the row" in outcome.err
    assert not list((tmp_path / "models").glob("*"))


def test_every_model_has_golden_rows_and_verifies(zoo: Zoo) -> None:
    ready = zoo.server.get("/health/ready").json()["models"]
    assert set(ready) == set(CASES) == {*(name for name in ready if ready[name]["ready"])}
    assert len(CASES) > len(CLASSIFIERS) + len(REGRESSORS) + len(MULTI_OUTPUT) + len(OTHERS)
    for name in CASES:
        assert zoo.server.get(f"/v1/models/{name}").json()["example"] is not None
