"""Rounding of inputs: to the nearest, once and for all, and only where the manifest says so."""

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.errors import ModelRefused
from app.registry.manifest import Feature, Manifest
from app.registry.manifest_file import dump_manifest, fingerprint, parse_manifest
from app.registry.rounding import Rounding, rounded
from app.registry.version import ServedVersion
from app.runtimes.onnx import OnnxRuntime
from app.tensors import Array, Columns, Instances, Records, Rows, Tensors
from tests.models import linear

_DTYPES = st.sampled_from([np.float16, np.float32, np.float64]).map(np.dtype)
_VALUES = _DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, (3, 2), elements={"allow_infinity": False}))
_DECIMALS = st.integers(0, 15)


@given(_VALUES, _DECIMALS)
def test_rounding_twice_changes_nothing(values: Array, decimals: int) -> None:
    once = rounded(values, decimals)
    assert rounded(once, decimals).tobytes() == once.tobytes()
    assert once.dtype == values.dtype


@given(_VALUES, _DECIMALS)
def test_no_value_moves_further_than_half_a_step(values: Array, decimals: int) -> None:
    moved = np.abs(rounded(values, decimals).astype(np.float64) - values.astype(np.float64))
    with np.errstate(over="ignore", invalid="ignore"):  # NaN, and beyond the greatest number, have no next one
        allowed = 0.5 * 10.0**-decimals + np.spacing(np.abs(values)).astype(np.float64)
    assert (moved[~np.isnan(values)] <= allowed[~np.isnan(values)]).all()
    assert (np.isnan(rounded(values, decimals)) == np.isnan(values)).all()


@given(_VALUES, _DECIMALS)
def test_no_zero_is_negative(values: Array, decimals: int) -> None:
    made = rounded(values, decimals)
    assert not np.signbit(made[made == 0]).any()


@given(st.floats(-1e6, 1e6, allow_nan=False), st.integers(0, 6))
def test_a_double_becomes_the_nearest_decimal(value: float, decimals: int) -> None:
    exact = Decimal(value)
    step = Decimal(1).scaleb(-decimals)
    assume(abs((exact / step) % 1 - Decimal("0.5")) > Decimal("1e-6"))
    expected = float(exact.quantize(step, rounding=ROUND_HALF_EVEN))
    assert rounded(np.array([value]), decimals)[0] == expected


@pytest.mark.parametrize(
    "instances",
    [
        Records([{"f0": 1.2345, "f1": 1.2345}]),
        Rows([[1.2345, 1.2345]]),
        Rows([[1.2345, 1.2345]], numbers_only=True),
        Columns({"f1": [1.2345], "f0": [1.2345]}),
        Tensors({"X": np.array([[1.2345, 1.2345]], dtype=np.float32)}),
    ],
    ids=["records", "rows", "proven rows", "columns", "tensors"],
)
def test_every_form_is_rounded_and_nobodys_own_array_changes(instances: Instances) -> None:
    model = linear().but(features=(Feature("f0", "float32", "X", decimals=2), Feature("f1", "float32", "X")), golden=())
    version = ServedVersion(model.manifest, OnnxRuntime(model.model))
    feed, _ = version.encoder.encode(instances)
    assert feed["X"].tolist() == np.array([[1.23, 1.2345]], dtype=np.float32).tolist()
    if isinstance(instances, Tensors):
        assert instances.columns["X"].tolist() == np.array([[1.2345, 1.2345]], dtype=np.float32).tolist()


def test_a_model_without_rounding_pays_nothing() -> None:
    assert not Rounding(linear().manifest.features)


def _with(decimals: object, dtype: str = "float32") -> Manifest:
    text = dump_manifest(linear().but(features=(Feature("f0", dtype, "X"),), golden=()).manifest)
    return parse_manifest(text.replace("input: X", f"input: X, decimals: {decimals}"))


def test_the_manifest_keeps_it() -> None:
    manifest = _with(3)
    assert manifest.features[0].decimals == 3
    assert parse_manifest(dump_manifest(manifest)) == manifest
    assert fingerprint(manifest) != fingerprint(_with(4))


@pytest.mark.parametrize(
    ("decimals", "dtype"), [(-1, "float32"), (16, "float32"), ("two", "float32"), (2, "int64"), (2, "string")]
)
def test_a_mistake_is_refused(decimals: object, dtype: str) -> None:
    with pytest.raises(ModelRefused, match=r"features\[0\]\.decimals"):
        _with(decimals, dtype)
