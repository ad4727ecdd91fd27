"""What becomes of missing values and unseen words, decided by asking the model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.registry.intake import Intake, IntakeRefused, Options, take_in
from app.registry.manifest import Feature
from app.runtimes.onnx import OnnxRuntime
from tests.models import columns, everything, fragile, linear, square_root


def load_runtime(model: bytes, external: Mapping[str, bytes], _: str) -> OnnxRuntime:
    return OnnxRuntime(model, external)


def intake(model: bytes, sample: dict[str, Sequence[str]] | None = None, **told: Any) -> Intake:
    return take_in(model, Path("/nowhere"), Options(name="n", version="v", **told), sample, load_runtime)


def features_of(made: Intake) -> dict[str, Feature]:
    return {feature.name: feature for feature in made.manifest.features}


def forgiving() -> bytes:
    """Answers a number for NaN in its first column, none for NaN in its second."""
    nodes = [
        helper.make_node("IsNaN", ["X"], ["absent"]),
        helper.make_node("And", ["absent", "first"], ["forgiven"]),
        helper.make_node("Where", ["forgiven", "zero", "X"], ["known"]),
        helper.make_node("ReduceSum", ["known", "axis"], ["Y"]),
    ]
    tables = [
        numpy_helper.from_array(np.array([[True, False]]), "first"),
        numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
    ]
    sides = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])] for name, width in (("X", 2), ("Y", 1))
    ]
    graph = helper.make_graph(nodes, "forgiving", *sides, tables)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


GAPS = {"a": ["1", "", "3", "8"], "b": ["5", "6", "", "9"]}


def test_a_gap_is_passed_on_only_where_the_model_answers_it() -> None:
    made = intake(forgiving(), GAPS)
    assert {name: item.missing for name, item in features_of(made).items()} == {"a": "nan", "b": "impute"}
    assert features_of(made)["b"].impute == 6.0
    assert sum("is empty in 1 rows of the sample" in note for note in made.notes) == 2


def test_golden_rows_keep_the_gaps_and_begin_with_a_whole_row() -> None:
    golden = intake(forgiving(), GAPS).manifest.golden
    assert dict(golden[0].features) == {"a": 1.0, "b": 5.0}
    assert [dict(row.features) for row in golden[2:]] == [{"a": None, "b": 6.0}, {"a": 3.0, "b": None}]
    assert golden[3].outputs == {"Y": [9.0]}


def test_of_many_rows_one_with_a_gap_is_remembered() -> None:
    sample = {"a": ["1"] * 40 + [""], "b": ["2"] * 41}
    golden = intake(forgiving(), sample).manifest.golden
    assert [row.features["a"] for row in golden] == [1.0] * 4 + [None]


def test_a_column_without_gaps_must_always_be_sent() -> None:
    assert {item.missing for item in intake(forgiving(), {"a": ["1"], "b": ["2"]}).manifest.features} == {"reject"}
    assert intake(forgiving(), {"a": ["1"], "b": ["2"]}).notes[1:] == ()


@pytest.mark.parametrize(
    ("told", "policies"),
    [
        ({"missing_default": "reject"}, {"a": "reject", "b": "reject"}),
        ({"missing_default": "nan"}, {"a": "nan", "b": "nan"}),
        ({"missing_default": "impute"}, {"a": "impute", "b": "impute"}),
        ({"missing": {"a": "reject"}}, {"a": "reject", "b": "impute"}),
        ({"missing": {"a": "reject"}, "missing_default": "nan"}, {"a": "reject", "b": "nan"}),
    ],
)
def test_a_person_decides_otherwise(told: dict[str, Any], policies: dict[str, str]) -> None:
    assert {name: item.missing for name, item in features_of(intake(forgiving(), GAPS, **told)).items()} == policies


def test_a_policy_that_cannot_be_is_refused() -> None:
    with pytest.raises(IntakeRefused, match="no sample shows a value"):
        intake(linear().model, missing_default="impute")
    with pytest.raises(IntakeRefused, match="has no NaN"):
        intake(columns().model, missing={"city": "nan"})


def test_what_is_observed_is_no_contract_unless_enforced() -> None:
    sample = {"city": ["Oslo", "Bern"], "age": ["20", "30"]}
    city, age = intake(columns().model, sample).manifest.features
    assert (city.categories, age.range) == (None, None)
    assert (city.observed, age.observed) == (
        {"distinct": 2, "counts": {"Bern": 1, "Oslo": 1}},
        {"min": 20.0, "max": 30.0, "mean": 25.0},
    )
    city, age = intake(columns().model, sample, enforce=True).manifest.features
    assert (city.categories, age.range) == (("Bern", "Oslo"), (20.0, 30.0))


def test_codes_that_the_model_does_not_know_are_not_allowed() -> None:
    made = intake(fragile().model, {"x": ["0", "1", "2", "1"]})
    assert made.manifest.features[0].categories == (0.0, 1.0, 2.0)
    assert any("fails on any other" in note for note in made.notes)


def test_a_sample_the_model_cannot_answer_is_refused() -> None:
    with pytest.raises(IntakeRefused, match="no answer for the rows of the sample"):
        intake(square_root().model, {"x": ["-1", "-2"]})
    assert len(intake(square_root().model, {"x": ["-1", "4"]}).manifest.golden) == 1


def test_without_a_sample_rows_are_made_up_and_always_the_same() -> None:
    first, second = intake(everything().model), intake(everything().model)
    assert len(first.manifest.golden) == 5
    assert first.manifest.golden == second.manifest.golden


def test_a_model_that_takes_no_made_up_row_is_added_with_a_warning() -> None:
    nodes = [helper.make_node("Log", ["X"], ["deep"]), helper.make_node("Add", ["deep", "nan"], ["Y"])]
    nothing = numpy_helper.from_array(np.array(np.nan, dtype=np.float32), "nan")
    sides = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1])] for name in ("X", "Y")]
    graph = helper.make_graph(nodes, "nothing", *sides, [nothing])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    made = intake(model)
    assert made.manifest.golden == ()
    assert "nothing checks its answers" in made.notes[-1]
    assert "NaN or infinite" in made.notes[-1]


def test_columns_that_are_no_features_must_be_explained() -> None:
    sample = {"city": ["Oslo"], "age": ["20"], "id": ["7"], "left": ["1"]}
    with pytest.raises(IntakeRefused, match="No input of the model takes id, left"):
        intake(columns().model, sample)
    made = intake(columns().model, sample, target="left", entity_key="id")
    assert made.manifest.entity_key == "id"
    with pytest.raises(IntakeRefused, match="--target names 'gone'"):
        intake(columns().model, {"city": ["Oslo"], "age": ["20"]}, target="gone")
    with pytest.raises(IntakeRefused, match="no column 'years'"):
        intake(columns().model, sample, features=("city", "years"), ignore=("id", "left"))
    with pytest.raises(IntakeRefused, match="'id' is no feature"):
        intake(columns().model, sample, features=("city", "age"), target="left")
