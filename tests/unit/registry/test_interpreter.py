"""Arrays of any model become predictions that JSON can hold, row by row."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from app.errors import InvalidInput
from app.registry.interpreter import Interpreter
from app.registry.manifest import Output
from tests.models import linear

SHARES = np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)
LABELS = np.array([1, 0])


def reader(roles: dict[str, Any], labels: tuple[Any, ...] = (), **rules: Any) -> Interpreter:
    """For a model whose outputs have these roles (None: the manifest does not name it)."""
    outputs = tuple(Output(name, role) for name, role in roles.items() if role)
    return Interpreter(linear().but(outputs=outputs, labels=labels, **rules).manifest, list(roles))


def test_label_and_probabilities_with_the_name_of_the_manifest() -> None:
    made = reader({"l": "label", "p": "probabilities"}, (0, 1), positive_label=1, probability_name="churn")
    first, second = made.rows({"l": LABELS, "p": SHARES}, "x[{i}]")
    assert first == {"prediction": 1, "probability": 0.75, "churn": 0.75, "probabilities": {"0": 0.25, "1": 0.75}}
    assert list(first) == ["prediction", "probability", "churn", "probabilities"]
    assert second["prediction"] == 0


def test_without_a_positive_label_the_probability_is_that_of_the_prediction() -> None:
    made = reader({"l": "label", "p": "probabilities"}, (0, 1))
    assert [row["probability"] for row in made.rows({"l": np.array([0, 1]), "p": SHARES}, "")] == [0.25, 0.5]


def test_labels_may_be_words() -> None:
    made = reader({"l": "label", "p": "probabilities"}, ("no", "yes", "maybe"))
    (row,) = made.rows({"l": np.array(["yes"], dtype=object), "p": np.array([[0.25, 0.5, 0.25]])}, "")
    assert (row["prediction"], row["probability"]) == ("yes", 0.5)
    assert row["probabilities"] == {"no": 0.25, "yes": 0.5, "maybe": 0.25}


def test_without_a_label_output_the_likeliest_is_predicted() -> None:
    made = reader({"p": "probabilities"}, ("a", "b", "c"))
    (row,) = made.rows({"p": np.array([[0.2, 0.1, 0.7]])}, "")
    assert row["prediction"] == "c"


def test_one_sigmoid_column_is_the_second_label() -> None:
    for shape in ((2,), (2, 1)):
        rows = reader({"p": "probabilities"}, (0, 1)).rows({"p": np.array([0.75, 0.25]).reshape(shape)}, "")
        assert [row["probabilities"] for row in rows] == [{"0": 0.25, "1": 0.75}, {"0": 0.75, "1": 0.25}]
        assert [row["prediction"] for row in rows] == [1, 0]


@given(
    nps.arrays(
        np.float32,
        nps.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=5),
        elements=st.floats(-1e4, 1e4, width=32),
    )
)
def test_logits_of_any_size_become_shares(logits: Any) -> None:
    labels = tuple(range(logits.shape[1]))
    rows = reader({"z": "logits"}, labels).rows({"z": logits}, "")
    for row, given_row in zip(rows, logits, strict=True):
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert row["probability"] == max(row["probabilities"].values())
        assert given_row[row["prediction"]] == pytest.approx(given_row.max(), abs=1e-6)


def test_one_logit_of_any_size() -> None:
    rows = reader({"z": "logits"}, (0, 1)).rows({"z": np.array([[-1e4], [0], [1e4]], dtype=np.float32)}, "")
    assert [row["probabilities"]["1"] for row in rows] == [0.0, 0.5, 1.0]


def test_maps_are_laid_out_in_the_order_of_the_labels() -> None:
    made = reader({"l": "label", "p": "probabilities"}, ("no", "yes"))
    arrays = made.arrays([np.array(["yes", "no"], dtype=object), [{"yes": 0.75, "no": 0.25}, {"no": 0.5, "yes": 0.5}]])
    assert arrays["p"].tolist() == [[0.25, 0.75], [0.5, 0.5]]
    with pytest.raises(ValueError, match="does not hold the manifest's labels"):
        made.arrays([np.array(["yes"], dtype=object), [{"yes": 1.0}]])


def test_a_regression_answers_plain_numbers() -> None:
    assert reader({"y": "value"}).rows({"y": np.array([[1.5], [2.5]])}, "") == [
        {"prediction": 1.5},
        {"prediction": 2.5},
    ]


def test_several_targets_stay_together() -> None:
    assert reader({"y": "value"}).rows({"y": np.array([[1.0, 2.0]])}, "") == [{"prediction": [1.0, 2.0]}]


def test_outputs_without_a_role_are_answered_by_name() -> None:
    made = reader({"y": "value", "leaf": None})
    outputs = {"y": np.array([1.0, 2.0]), "leaf": np.array([[3], [4]])}
    assert made.rows(outputs, "") == [
        {"prediction": 1.0, "outputs": {"leaf": 3}},
        {"prediction": 2.0, "outputs": {"leaf": 4}},
    ]


@pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
def test_a_row_without_a_finite_answer_is_named(gap: float) -> None:
    values = np.array([[1.0], [gap], [2.0], [gap]])
    with pytest.raises(InvalidInput) as caught:
        reader({"y": "value"}).rows({"y": values}, "instances[{i}]")
    assert list(caught.value.errors) == ["instances[1]", "instances[3]"]


def test_every_number_is_the_models_own() -> None:
    values = np.array([0.1, 1e-45, 3.4e38], dtype=np.float32)
    assert [row["prediction"] for row in reader({"y": "value"}).rows({"y": values}, "")] == [
        float(item) for item in values
    ]
