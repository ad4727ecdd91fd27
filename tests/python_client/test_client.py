"""The client against this server: every form of rows, typed answers, errors by field."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sluice_client import (
    Client,
    Forbidden,
    InvalidInput,
    NotFound,
    Prediction,
    Predictions,
    Unauthenticated,
)

from app.registry.manifest_file import parse_manifest
from tests.gatehouse import guarded, make_key
from tests.programs import ROOT
from tests.servers import Server

CHURN = parse_manifest((ROOT / "models/churn/v2/manifest.yaml").read_bytes())
PERSON = dict(CHURN.golden[0].features)
NUMBERS = [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]
"""A row of the model diabetes."""


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as made:
        yield made


def test_one_row_by_name(client: Client) -> None:
    answer = client.predict("churn", PERSON, entity={"customer_id": "C-1"})
    assert isinstance(answer, Prediction)
    assert answer.value in (0, 1)
    assert answer.probability == answer["churn_probability"] == answer.probabilities["1"]
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert (answer.model, answer.model_version, answer.more["customer_id"]) == ("churn", "v2", "C-1")
    assert len(answer.request_id) == 32
    assert answer["prediction"] == answer.value


def test_the_default_model_and_named_versions(client: Client) -> None:
    assert client.predict(None, PERSON).model == "churn"
    assert client.predict("churn", PERSON, version="v1").model_version == "v1"
    with pytest.raises(TypeError, match="name the model too"):
        client.predict(None, PERSON, version="v1")


@pytest.mark.parametrize("features", [NUMBERS, tuple(NUMBERS), np.array(NUMBERS)], ids=["list", "tuple", "numpy"])
def test_one_row_in_order(client: Client, features: Any) -> None:
    assert client.predict("diabetes", features).value == pytest.approx(client.predict("diabetes", NUMBERS).value)


def test_one_row_of_a_frame(client: Client) -> None:
    frame = pd.DataFrame([PERSON, PERSON])
    assert client.predict("churn", frame.iloc[0]).probability == client.predict("churn", PERSON).probability


FRAME = pd.DataFrame([dict(row.features) for row in CHURN.golden])
MANY: dict[str, Any] = {
    "records": FRAME.astype(object).where(FRAME.notna(), None).to_dict("records"),
    "frame": FRAME,
    "lists": [[row.features[feature.name] for feature in CHURN.features] for row in CHURN.golden],
}


@pytest.mark.parametrize("form", MANY)
def test_many_rows_in_every_form(client: Client, form: str) -> None:
    answers = client.predict("churn", instances=MANY[form])
    wanted = [client.predict("churn", row) for row in MANY["records"]]
    assert isinstance(answers, Predictions)
    assert [row.value for row in answers] == answers.values == [row.value for row in wanted]
    assert [row.probability for row in answers] == pytest.approx([row.probability for row in wanted])


def test_columns(client: Client) -> None:
    frame = client.predict("churn", columns=FRAME, entity={"customer_id": [f"C-{at}" for at in range(len(FRAME))]})
    lists = client.predict("churn", columns={name: list(FRAME[name]) for name in FRAME})
    assert frame.values == lists.values
    assert [row.more["customer_id"] for row in frame] == [f"C-{at}" for at in range(len(FRAME))]


def test_ids_for_rows_of_either_kind(client: Client) -> None:
    ids = {"customer_id": np.arange(len(FRAME))}
    for form in ("records", "lists"):
        answers = client.predict("churn", instances=MANY[form], entity=ids)
        assert [row.more["customer_id"] for row in answers] == list(range(len(FRAME)))
    with pytest.raises(ValueError, match="2 ids for 5 rows"):
        client.predict("churn", instances=MANY["lists"], entity={"customer_id": [1, 2]})


def test_a_matrix_there_and_back(client: Client) -> None:
    matrix = np.array([NUMBERS, NUMBERS, NUMBERS], dtype=np.float64)
    matrix[1, 2] = 25.0
    answers = client.predict("diabetes", instances=matrix)
    assert answers.to_numpy().shape == (3,)
    assert answers.to_numpy()[0] == answers.to_numpy()[2] != answers.to_numpy()[1]
    assert answers[0].probability is None


def test_probabilities_and_frames(client: Client) -> None:
    answers = client.predict("churn", instances=FRAME)
    assert answers.probabilities().shape == (len(FRAME), 2)
    assert np.allclose(answers.probabilities().sum(axis=1), 1)
    table = answers.to_pandas(index=FRAME.index + 100)
    assert list(table.columns) == [
        "churn_probability",
        "prediction",
        "probability",
        "probability_0",
        "probability_1",
    ]
    assert list(table.index) == [at + 100 for at in FRAME.index]
    assert list(table["prediction"]) == answers.values
    assert isinstance(answers[1:3], Predictions)
    assert len(answers[1:3]) == 2


def test_the_cache_can_be_told(client: Client) -> None:
    for _ in range(30):
        answer = client.predict("churn", PERSON, cache_control="no-store")
    assert not answer.cached


def test_errors_name_the_fields(client: Client) -> None:
    with pytest.raises(InvalidInput) as raised:
        client.predict("churn", PERSON | {"age": "old", "colour": 1})
    error = raised.value
    assert error.status == 422
    assert error.kind == "invalid-input"
    assert {"features.age", "features.colour"} <= set(error.errors)
    assert error.request_id in str(error)
    with pytest.raises(InvalidInput) as raised:
        client.predict("diabetes", instances=[NUMBERS, [1, 2]])
    assert "instances[1]" in raised.value.errors


@pytest.mark.parametrize("name", ["chrn", "../churn", "a/b", "?", "модель", ""])
def test_models_that_are_not_there(client: Client, name: str) -> None:
    with pytest.raises((NotFound, InvalidInput)):
        client.predict(name, PERSON)


def test_values_that_cannot_be_sent(client: Client) -> None:
    with pytest.raises(TypeError, match="a value of object cannot be sent"):
        client.predict("churn", PERSON | {"age": object()})
    with pytest.raises(ValueError, match="an infinite number"):
        client.predict("churn", PERSON | {"age": float("inf")})
    with pytest.raises(TypeError, match="exactly one"):
        client.predict("churn")  # type: ignore[call-overload]
    for row in ("1,2", 3):
        with pytest.raises(TypeError, match="a row is a mapping or a list of values, not"):
            client.predict("churn", row)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", ""])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"write http://host:port"):
        Client(url)


def test_what_the_server_says_of_itself(client: Client) -> None:
    assert client.ready()
    assert {"churn", "diabetes", "digits"} <= {model["name"] for model in client.models()}
    assert client.model("churn")["example"]["features"] == PERSON


def test_a_server_that_cannot_predict(tmp_path: Any) -> None:
    (tmp_path / "models").mkdir()
    with Server(tmp_path, models=tmp_path / "models") as empty, Client(empty.url) as client:
        assert not client.ready()


def test_keys_and_tokens(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("client-data")
    key, viewer = make_key(data, "predictor"), make_key(data, "viewer")
    with Server(tmp_path_factory.mktemp("client-gate"), guarded(data)) as server:
        with Client(server.url, key.key) as client, Client(server.url, bearer=key.key) as bearer:
            assert client.predict("churn", PERSON).value == bearer.predict("churn", PERSON).value
        with Client(server.url) as nobody, pytest.raises(Unauthenticated):
            nobody.predict("churn", PERSON)
        with Client(server.url, viewer.key) as looks, pytest.raises(Forbidden) as raised:
            looks.predict("churn", PERSON)
        assert key.key not in server.log + repr(raised.value)
    with pytest.raises(ValueError, match="not both"):
        Client("http://localhost", "key", bearer="token")
