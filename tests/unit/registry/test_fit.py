"""A manifest that does not fit its file is found out at load."""

import re

import pytest

from app.errors import ModelRefused
from app.registry.fit import check_fit
from app.registry.manifest import Feature, Manifest, Output
from app.runtimes.base import Runtime, TensorSpec
from app.runtimes.onnx import OnnxRuntime
from tests.models import TinyModel, columns, everything, identity, image, linear

AGE = Feature("age", "float32", "age")
CITY = columns().manifest.features[0]


def assert_fits(manifest: Manifest, runtime: Runtime) -> None:
    try:
        check_fit(manifest, runtime)
    except ModelRefused as refused:
        pytest.fail(f"refused: {refused}")


@pytest.mark.parametrize("tiny", [columns(), everything(), identity(5), image(), linear()])
def test_what_fits(tiny: TinyModel) -> None:
    assert_fits(tiny.manifest, OnnxRuntime(tiny.model))


@pytest.mark.parametrize(
    ("tiny", "says"),
    [
        (linear().but(features=linear((1,)).manifest.features), "input 'X' takes 2 columns, 1 features feed it"),
        (linear().but(features=linear((1, 2, 3)).manifest.features), "input 'X' takes 2 columns, 3 features feed it"),
        (linear().but(features=(AGE,)), "feature 'age' feeds 'age'; the inputs are X"),
        (columns().but(features=(AGE,)), "input 'city' takes 1 columns, 0 features feed it"),
        (columns().but(features=(Feature("city", "float32", "city"), AGE)), "input 'city' is of string, feature"),
        (columns().but(features=(CITY, Feature("age", "string", "age"))), "'age' is of float32"),
        (image().but(features=(Feature("p", "float32", "pixels", (3, 2)),)), "takes rows of 2x3, its feature has 3x2"),
        (image().but(features=(Feature("p", "float32", "pixels", (6,)),)), "takes rows of 2x3, its feature has 6"),
        (image().but(features=(Feature("p", "float32", "pixels", (None, 4)),)), "its feature has nx4"),
        (image().but(features=(Feature("p", "float32", "pixels"),)), "takes 3 columns, 1 features feed it"),
        (image().but(features=tuple(Feature(name, "float32", "pixels", (2, 3)) for name in "ab")), "one shaped"),
        (linear().but(outputs=(Output("Z", "value"),)), "the model has no output 'Z'; it has Y"),
        (identity(3).but(outputs=(Output("Y", "probabilities"),)), "the manifest has no labels"),
        (identity(3).but(outputs=(Output("Y", "logits"),), labels=(0, 1)), "output 'Y' has 3 columns, the manifest 2"),
        (linear().but(outputs=(Output("Y", "logits"),), labels=(0, 1, 2)), "output 'Y' has 1 columns, the manifest 3"),
    ],
)  # fmt: skip
def test_what_does_not(tiny: TinyModel, says: str) -> None:
    with pytest.raises(ModelRefused, match=re.escape(says)):
        check_fit(tiny.manifest, OnnxRuntime(tiny.model))


def test_free_axes_fit_any_length() -> None:
    runtime = OnnxRuntime(image().model)
    runtime.inputs = [TensorSpec("pixels", "float32", (None, None, 3))]
    assert_fits(image().manifest, runtime)
    assert_fits(image().but(features=(Feature("p", "float32", "pixels", (None, 3)),)).manifest, runtime)


def test_one_column_may_stand_for_two_labels() -> None:
    manifest = linear().but(outputs=(Output("Y", "logits"),), labels=(0, 1)).manifest
    assert_fits(manifest, OnnxRuntime(linear().model))
