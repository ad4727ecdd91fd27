"""REST v1 with the demo models: what can be sent, what comes back, what is told about the models."""

import hashlib
import random
from collections.abc import Mapping
from typing import Any

import pytest

from app.registry.manifest import Manifest
from app.registry.repository import Repository
from tests.servers import MODELS, Server

CHURN = "/v1/models/churn/predict"
VERSIONS = [("churn", "v1"), ("churn", "v2"), ("diabetes", "v1"), ("digits", "v1")]
every_version = pytest.mark.parametrize(("name", "version"), VERSIONS)
TAIL = ["model", "model_version", "cached", "request_id"]


def manifest_of(name: str, version: str) -> Manifest:
    return Repository(MODELS).manifest(name, version)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """The golden rows of churn v2, which differ."""
    return [dict(row.features) for row in manifest_of("churn", "v2").golden]


def answered(server: Server, path: str, body: Any, status: int = 200) -> Any:
    answer = server.post(path, body)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert told["request_id"] == answer.headers["x-request-id"]
    return told


def without_tail(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in TAIL}


def test_one_by_name(server: Server, rows: list[dict[str, Any]]) -> None:
    told = answered(server, CHURN, {"customer_id": "C-1", "features": rows[0]})
    parts = ["customer_id", "prediction", "probability", "churn_probability", "probabilities", *TAIL]
    assert list(told) == parts
    assert (told["customer_id"], told["model"], told["model_version"]) == ("C-1", "churn", "v2")
    assert told["prediction"] in (0, 1)
    assert told["probability"] == told["churn_probability"] == told["probabilities"]["1"]
    assert sum(told["probabilities"].values()) == pytest.approx(1)
    assert isinstance(told["cached"], bool)


def test_every_form_of_one_row_has_one_answer(server: Server, rows: list[dict[str, Any]]) -> None:
    row = rows[0]
    in_order = [row[feature.name] for feature in manifest_of("churn", "v2").features]
    expected = without_tail(answered(server, CHURN, {"features": row}))
    assert without_tail(answered(server, CHURN, {"features": dict(sorted(row.items()))})) == expected
    assert without_tail(answered(server, CHURN, {"features": in_order})) == expected
    many = [
        {"instances": [row]},
        {"instances": [in_order]},
        {"instances": [{"features": row}]},
        {"instances": [{"features": in_order}]},
        {"columns": {name: [value] for name, value in row.items()}},
    ]
    for body in many:
        told = answered(server, CHURN, body)
        assert list(told) == ["predictions", *TAIL]
        assert told["predictions"] == [expected]


def test_the_default_model_and_version_by_each_address(server: Server, rows: list[dict[str, Any]]) -> None:
    body = {"features": rows[1]}
    told = [
        without_tail(answered(server, path, body))
        for path in ("/predict", CHURN, "/v1/models/churn/versions/v2/predict")
    ]
    assert told[0] == told[1] == told[2]
    other = answered(server, "/v1/models/churn/versions/v1/predict", body)
    assert other["model_version"] == "v1"
    assert other["probability"] != told[0]["probability"]


def test_many_rows_keep_their_order(server: Server, rows: list[dict[str, Any]]) -> None:
    alone = [without_tail(answered(server, CHURN, {"features": row})) for row in rows]
    assert len({answer["probability"] for answer in alone}) == len(rows)
    order = random.Random(2).choices(range(len(rows)), k=500)
    told = answered(server, CHURN, {"instances": [rows[at] for at in order]})["predictions"]
    assert told == [alone[at] for at in order]
    columns = {name: [rows[at][name] for at in order] for name in rows[0]}
    assert answered(server, CHURN, {"columns": columns})["predictions"] == told


@pytest.mark.parametrize("form", ["beside", "nested", "columns"])
def test_entity_ids_come_back_with_their_rows(server: Server, rows: list[dict[str, Any]], form: str) -> None:
    ids = ["C-1", 7, "", "a:b", -(2**63), 2**63 - 1, "☃"]
    chosen = [rows[at % len(rows)] for at in range(len(ids))]
    body: dict[str, Any] = {
        "beside": {"instances": [row | {"customer_id": name} for row, name in zip(chosen, ids, strict=True)]},
        "nested": {
            "instances": [{"customer_id": name, "features": row} for row, name in zip(chosen, ids, strict=True)]
        },
        "columns": {"columns": {"customer_id": ids} | {name: [row[name] for row in chosen] for name in rows[0]}},
    }[form]
    told = answered(server, CHURN, body)["predictions"]
    assert [answer["customer_id"] for answer in told] == ids
    assert [next(iter(answer)) for answer in told] == ["customer_id"] * len(ids)


def test_rows_without_an_id_among_others(server: Server, rows: list[dict[str, Any]]) -> None:
    told = answered(server, CHURN, {"instances": [rows[0], rows[1] | {"customer_id": 7.0}, rows[2]]})["predictions"]
    assert [answer.get("customer_id", "none") for answer in told] == ["none", 7, "none"]
    one = answered(server, CHURN, {"features": rows[0] | {"customer_id": "C-9"}})
    assert one["customer_id"] == "C-9"


def test_the_task_shapes_the_answer(server: Server) -> None:
    diabetes = answered(server, "/v1/models/diabetes/predict", {"features": example(server, "diabetes")["features"]})
    assert list(diabetes) == ["prediction", *TAIL]
    assert isinstance(diabetes["prediction"], float)
    digits = answered(server, "/v1/models/digits/predict", {"features": example(server, "digits")["features"]})
    assert list(digits) == ["prediction", "probability", "probabilities", *TAIL]
    assert digits["probabilities"].keys() == {str(digit) for digit in range(10)}
    assert digits["probability"] == digits["probabilities"][str(digits["prediction"])]
    assert digits["probability"] == max(digits["probabilities"].values())


@every_version
def test_golden_rows_come_back_as_they_were(server: Server, name: str, version: str) -> None:
    manifest = manifest_of(name, version)
    for row in manifest.golden:
        told = answered(server, f"/v1/models/{name}/versions/{version}/predict", {"features": dict(row.features)})
        if manifest.labels:
            assert list(told["probabilities"].values()) == pytest.approx(row.outputs["probabilities"], abs=1e-6)
        else:
            (expected,) = next(iter(row.outputs.values()))
            assert told["prediction"] == pytest.approx(expected, rel=1e-6)


def example(server: Server, name: str) -> dict[str, Any]:
    body: dict[str, Any] = server.get(f"/v1/models/{name}").json()["example"]
    return body


@pytest.mark.parametrize("name", ["churn", "diabetes", "digits"])
def test_examples_predict_as_they_stand(server: Server, name: str) -> None:
    answered(server, f"/v1/models/{name}/predict", example(server, name))
    document = server.get("/openapi.json").json()["paths"]
    for path in (
        f"/v1/models/{name}/predict",
        *(f"/v1/models/{name}/versions/{v}/predict" for n, v in VERSIONS if n == name),
    ):
        examples = document[path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        assert examples.keys() == {"one", "many", "columns"}
        for item in examples.values():
            answered(server, path, item["value"])


def test_the_list_of_models(server: Server) -> None:
    told = server.get("/v1/models").json()
    assert told["default_model"] == "churn"
    models = {model["name"]: model for model in told["models"]}
    assert {(name, item["version"]) for name, model in models.items() for item in model["versions"]} == set(VERSIONS)
    assert models["churn"]["default_version"] == "v2"
    assert [models[name]["task"] for name in sorted(models)] == ["classification", "regression", "classification"]
    assert all(model["ready"] and model["description"] for model in models.values())


@every_version
def test_a_model_is_described_as_its_manifest_says(server: Server, name: str, version: str) -> None:
    told = server.get(f"/v1/models/{name}").json()
    (state,) = [item for item in told["versions"] if item["version"] == version]
    data = (MODELS / name / version / "model.onnx").read_bytes()
    assert (state["state"], state["reason"], state["digest"]) == ("served", None, hashlib.sha256(data).hexdigest())
    if told["default_version"] != version:
        return
    manifest = manifest_of(name, version)
    assert [feature["name"] for feature in told["features"]] == [feature.name for feature in manifest.features]
    for feature, said in zip(told["features"], manifest.features, strict=True):
        assert (feature["dtype"], feature["missing"], feature["impute"]) == (said.dtype, said.missing, said.impute)
        assert feature["range"] == (None if said.range is None else list(said.range))
        assert feature["categories"] == (None if said.categories is None else list(said.categories))
        assert "when missing" in feature["policy"]
    assert told["labels"] == list(manifest.labels)
    assert told["entity_key"] == manifest.entity_key


def test_health(server: Server) -> None:
    assert server.get("/health").json() == {"status": "healthy", "model_loaded": True}
    assert server.get("/health/live").json() == {"status": "live"}
    ready = server.get("/health/ready").json()
    assert ready["status"] == "ready"
    assert ready["models"].keys() == {"churn", "diabetes", "digits"}
    assert ready["models"]["churn"]["versions"] == [
        {"version": version, "state": "served", "reason": None} for version in ("v1", "v2")
    ]


def test_the_document_has_each_model_with_its_own_features(server: Server) -> None:
    document = server.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for name, version in VERSIONS:
        manifest = manifest_of(name, version)
        features = schemas[f"{name}.{version}.features"]
        assert list(features["properties"]) == [feature.name for feature in manifest.features]
        assert features["required"] == [item.name for item in manifest.features if item.missing == "reject"]
        assert features["additionalProperties"] is False
    tenure = schemas["churn.v2.features"]["properties"]["tenure"]
    assert (tenure["type"], tenure["minimum"], tenure["maximum"]) == ("integer", 0, 120)
    assert tenure["description"] == "Months since the customer joined."
    assert "month-to-month" in schemas["churn.v2.features"]["properties"]["contract"]["enum"]
    answer = document["paths"][CHURN]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert "churn_probability" in answer["oneOf"][0]["properties"]
