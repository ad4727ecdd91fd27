"""Random features, cells and manifests, for properties that must hold for any of them."""

from typing import Any

from hypothesis import strategies as st

from app.registry.manifest import Feature, GoldenRow, Manifest, Output
from app.runtimes.base import TensorSpec

JUNK: list[Any] = [
    None, True, False, "", "1", "1_0", "١٢", [], [1], {}, {"a": 1}, 0.5, -1, 1e300, -1e300, 2**31, 2**63, -(2**63),
    2**64, 10**30, 16.000000000000004, 0.99999999999999, "Oslo",
]  # fmt: skip
"""Whatever JSON can bring, wherever it does not belong."""

CITIES = ("Oslo", "Bern", "☃")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def features(draw: st.DrawFn, name: str, own_input: bool) -> tuple[Feature, TensorSpec]:
    """A feature, and the input it goes to: its own, or one that it shares with all of its tensor's dtype."""
    dtype = draw(st.sampled_from(["float32", "float64", "int8", "int32", "int64", "bool", "string"]))
    tensor = draw(st.sampled_from(["float32", dtype])) if dtype in ("int8", "int32", "bool") else dtype
    place = name if own_input else f"X-{tensor}"
    rules: dict[str, Any] = {}
    if dtype == "string" and draw(st.booleans()):
        rules["categories"] = CITIES
    elif dtype not in ("string", "bool"):
        rules["range"] = draw(st.sampled_from([None, (0.0, 100.0), (-5.0, None), (None, 16.0)]))
    missing = ["reject", "impute", "nan"] if dtype.startswith("float") else ["reject", "impute"]
    rules["missing"] = draw(st.sampled_from(missing))
    if rules["missing"] == "impute":
        rules["impute"] = {"bool": True, "string": "Oslo"}.get(dtype, 7)
    return Feature(name, dtype, place, **rules), TensorSpec(place, tensor, (None, None))


@st.composite
def feature_sets(draw: st.DrawFn) -> tuple[list[Feature], list[TensorSpec]]:
    """One to six features and the inputs they go to."""
    own_inputs = draw(st.booleans())
    pairs = [draw(features(f"f{at}", own_inputs)) for at in range(draw(st.integers(1, 6)))]
    return [feature for feature, _ in pairs], list({spec.name: spec for _, spec in pairs}.values())


def good_cells(feature: Feature) -> st.SearchStrategy[Any]:
    """Values the feature takes."""
    if feature.dtype == "string":
        return st.sampled_from(CITIES) if feature.categories else st.text(st.characters(exclude_categories=["Cs"]))
    if feature.dtype == "bool":
        return st.booleans()
    low, high = feature.range or (None, None)
    least, most = (0 if low is None else int(low)), (16 if high is None else int(high))
    whole = st.integers(least, most)
    return whole | whole.map(float) if "int" in feature.dtype else whole | st.floats(least, most, width=32)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Feature], list[TensorSpec], list[list[Any]]]:
    """Features, inputs, and some rows in order; most of the cells fit."""
    chosen, inputs = draw(feature_sets())
    rows = [[draw(good_cells(feature)) for feature in chosen] for _ in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        rows[draw(st.integers(0, len(rows) - 1))][draw(st.integers(0, len(chosen) - 1))] = draw(st.sampled_from(JUNK))
    return chosen, inputs, rows


SCALARS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.integers(-(2**70), 2**70) | st.booleans()
FLOATS = st.floats(allow_nan=False)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Manifests that hold whatever a manifest can."""
    digest = st.text("0123456789abcdef", min_size=64, max_size=64)
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    chosen = tuple(draw(features(name, True))[0] for name in names)
    labels = tuple(draw(st.lists(SCALARS, max_size=3, unique_by=lambda label: (type(label), label))))
    outputs: dict[str, Any] = draw(
        st.dictionaries(NAMES, st.sampled_from(["label", "value", "raw"]), min_size=1, max_size=3)
    )
    golden = GoldenRow(draw(st.dictionaries(NAMES, SCALARS | FLOATS | st.none())), {"Y": draw(st.lists(FLOATS))})
    return Manifest(
        name="model",
        version="v1",
        created=draw(st.sampled_from(["2026-11-22", "2026-11-22T00:00:00Z", "yes", "1e3"])),
        source=draw(st.text(st.characters(exclude_categories=["Cs"]))),
        sha256=draw(digest),
        task=draw(st.sampled_from(["classification", "regression", "raw"])),
        features=chosen,
        outputs=tuple(Output(name, role) for name, role in outputs.items()),
        external=draw(st.none() | st.dictionaries(NAMES, digest, max_size=2)),
        labels=labels,
        positive_label=labels[0] if labels and draw(st.booleans()) else None,
        golden=(golden,),
        tolerance=draw(st.floats(0, 1)),
    )
