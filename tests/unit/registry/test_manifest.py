"""A manifest survives being written and read, and says which of its keys is wrong."""

import re
from time import process_time

import pytest
import yaml
from hypothesis import given

from app.errors import ModelRefused
from app.registry.manifest import NAME, Manifest
from app.registry.manifest_file import ManifestSchema, dump_manifest, parse_manifest
from tests.models import everything, image, linear
from tests.unit.registry.strategies import manifests

TEXT = dump_manifest(linear().manifest)


@given(manifests())
def test_what_is_written_is_read_back(manifest: Manifest) -> None:
    assert parse_manifest(dump_manifest(manifest)) == manifest


@pytest.mark.parametrize("manifest", [linear().manifest, everything().manifest, image().manifest])
def test_the_tiny_models_survive(manifest: Manifest) -> None:
    assert parse_manifest(dump_manifest(manifest).encode()) == manifest


def test_defaults_are_left_out() -> None:
    assert "missing" not in TEXT
    assert "tolerance" not in TEXT
    assert TEXT.startswith("name: linear\n")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("task: regression", "task: regression\ncolour: red", "manifest.yaml: colour: Unknown field"),
        ("task: regression", "task: regression\n1: red", "manifest.yaml: [1]: Unknown field"),
        ("input: X}", "input: X, rnage: [0, 1]}", "features[0].rnage: Unknown field"),
        ("input: X}", "input: X, range: [0]}", "features[0].range: Length must be 2"),
        ("input: X}", "input: X, range: [1, 0]}", "features[0].range: the first number is the smaller one"),
        ("input: X}", "input: X, range: [a, b]}", "features[0].range[0]: Not a valid number"),
        ("input: X}", "input: X, missing: drop}", "features[0].missing: Must be one of: reject, impute, nan"),
        ("input: X}", "input: X, missing: impute}", "features[0].impute: is needed exactly when missing is 'impute'"),
        ("input: X}", "input: X, impute: 1}", "features[0].impute: is needed exactly when missing is 'impute'"),
        ("dtype: float32", "dtype: float", "features[0].dtype: Must be one of"),
        ("dtype: float32, input: X", "dtype: int32, missing: nan, input: X", "missing: 'nan' needs a float dtype"),
        ("input: X}", "input: X, missing: nan, shape: [2]}", "missing: 'nan' needs a plain value"),
        ("input: X}", "input: X, shape: [0]}", "features[0].shape[0]: Must be greater than or equal to 1"),
        ("input: X}", "input: X, categories: []}", "features[0].categories: Shorter than minimum length 1"),
        ("role: value", "role: guess", "outputs[0].role: Must be one of"),
        ("name: linear", "name: [linear]", "name: Not a valid string"),
        ("name: linear", "name: a/b", "name: String does not match expected pattern"),
        ("version: v1", "version: ..", "version: String does not match expected pattern"),
        ("task: regression", "task: regression\nentity_key: f0", "entity_key: is the name of a feature"),
        ("task: regression", "task: regression\nentity_key: features", "entity_key: means something else in a body"),
        ("task: regression", "task: regression\nprobability_name: model", "probability_name: means something else"),
        ("task: regression", "task: regression\nentity_key: x\nprobability_name: x", "entity_key: means something"),
        ("task: regression", "task: regression\npositive_label: 1", "positive_label: is not among labels"),
        ("task: regression", "task: regression\ntolerance: -1", "tolerance: Must be greater than or equal to 0"),
        ("name: f1", "name: f0", "features: named twice: f0"),
        ("sha256: ", "sha256: x", "sha256: String does not match expected pattern"),
    ],
)  # fmt: skip
def test_each_mistake_names_its_key(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(ModelRefused, match=re.escape(says)):
        parse_manifest(TEXT.replace(old, new, 1))


@pytest.mark.parametrize("key", ["name", "version", "created", "source", "sha256", "task", "features", "outputs"])
def test_each_required_key(key: str) -> None:
    lines = re.sub(rf"^{key}:.*\n(?:[- ].*\n)*", "", TEXT, flags=re.MULTILINE)
    with pytest.raises(ModelRefused, match=f"manifest.yaml: {key}: Missing data for required field"):
        parse_manifest(lines)


@pytest.mark.parametrize("name", ["a", "v1", "A-b_c.d", "1.0.0", "x" * 64])
def test_names(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a..b", ".a", "-a", "_a", "a/b", "a\\b", "a b", "a\n", "ä", "x" * 65, "a%2e", "a\0"]
)
def test_no_names(name: str) -> None:
    assert not NAME.fullmatch(name)


def test_a_table_of_ten_thousand_features_is_read_soon() -> None:
    """Ten seconds when each name was looked for among all."""
    features = [{"name": f"f{number}", "dtype": "float32", "input": "X"} for number in range(10_000)]
    data = yaml.load(TEXT, Loader=yaml.CSafeLoader) | {"features": features}
    started = process_time()
    assert len(ManifestSchema().load(data).features) == 10_000
    assert process_time() - started < 5
